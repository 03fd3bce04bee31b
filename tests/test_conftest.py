"""What CI makes of a test that could not run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOOKS = Path(__file__).parent / "conftest.py"

NEEDS_A_TOOL = {
    "test": "def test_it(): pytest.skip('needs a tool')",
    "fixture": (
        "@pytest.fixture\ndef tool(): pytest.skip('needs a tool')\ndef test_it(tool): assert tool"
    ),
    "module": "pytest.skip('needs a tool', allow_module_level=True)",
}


def run_pytest(directory: Path, test: str, *, ci: bool) -> subprocess.CompletedProcess[str]:
    """One test file beside our hooks, in a process of its own."""
    (directory / "conftest.py").write_text(HOOKS.read_text())
    (directory / "test_one.py").write_text(
        f"import pytest\n{test}\ndef test_other(): assert True\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(directory)]
    environment = os.environ | {"CI": "true" if ci else ""}
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("where", NEEDS_A_TOOL)
def test_a_missing_tool_fails_in_ci(tmp_path: Path, where: str) -> None:
    """With CI=true a skip whose reason begins with "needs" fails the run and says why."""
    result = run_pytest(tmp_path, NEEDS_A_TOOL[where], ci=True)
    assert result.returncode != 0
    assert "needs a tool, and CI must have it" in result.stdout


@pytest.mark.parametrize("where", ["test", "fixture"])
def test_a_missing_tool_skips_elsewhere(tmp_path: Path, where: str) -> None:
    """Without CI the same skip stays a skip."""
    result = run_pytest(tmp_path, NEEDS_A_TOOL[where], ci=False)
    assert result.returncode == 0
    assert "1 passed, 1 skipped" in result.stdout


@pytest.mark.parametrize(
    "test",
    [
        "def test_it(): pytest.skip('not on this platform')",
        "@pytest.mark.xfail(reason='needs a fix')\ndef test_it(): raise AssertionError",
    ],
)
def test_other_skips_stay_skips_in_ci(tmp_path: Path, test: str) -> None:
    """A skip for another reason, or an expected failure, does not fail CI."""
    assert run_pytest(tmp_path, test, ci=True).returncode == 0
