"""What CI makes of a test that could not run."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

HOOKS = Path(__file__).parent / "conftest.py"

#: By name, tests that cannot run for want of a tool.
NEEDS_A_TOOL = {
    "test": "def test_it(): pytest.skip('needs a tool')",
    "fixture": (
        "@pytest.fixture\ndef tool(): pytest.skip('needs a tool')\ndef test_it(tool): assert tool"
    ),
    "module": "pytest.skip('needs a tool', allow_module_level=True)",
}
#: And tests that are skipped, or fail, for other reasons.
OTHERS = {
    "platform": "def test_it(): pytest.skip('not on this platform')",
    "fix": "@pytest.mark.xfail(reason='needs a fix')\ndef test_it(): raise AssertionError",
}


def outcomes(directory: Path, *, ci: bool) -> dict[str, list[tuple[str, str]]]:
    """By name, what becomes of the tests beside our hooks, in one process: outcomes and reasons."""
    (directory / "conftest.py").write_text(HOOKS.read_text())
    for name, test in (NEEDS_A_TOOL | OTHERS).items():
        (directory / f"test_{name}.py").write_text(f"import pytest\n{test}\n")
    report = directory / "report.xml"
    options = ["-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    options += ["--continue-on-collection-errors"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(directory)],
        cwd=directory,
        env=os.environ | {"CI": "true" if ci else "", "PYTHONPATH": str(HOOKS.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode != 0) is ci, ran.stdout
    found: dict[str, list[tuple[str, str]]] = {}
    for case in ET.parse(report).iter("testcase"):
        name = (case.get("classname") or case.get("name") or "").rpartition("test_")[2]
        found.setdefault(name, []).extend(
            (one.tag, f"{one.get('message')} {one.text}") for one in case
        )
    return found


@pytest.fixture(scope="module")
def in_ci(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, str]]]:
    """A run with CI=true."""
    return outcomes(tmp_path_factory.mktemp("ci"), ci=True)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, str]]]:
    """A run without it."""
    return outcomes(tmp_path_factory.mktemp("elsewhere"), ci=False)


@pytest.mark.slow
@pytest.mark.parametrize("where", NEEDS_A_TOOL)
def test_a_missing_tool_fails_in_ci(in_ci: dict[str, list[tuple[str, str]]], where: str) -> None:
    """With CI=true a skip whose reason begins with "needs" fails the run and says why."""
    ((outcome, reason),) = in_ci[where]
    assert outcome in ("failure", "error")
    assert "needs a tool, and CI must have it" in reason


@pytest.mark.slow
@pytest.mark.parametrize("where", NEEDS_A_TOOL)
def test_a_missing_tool_skips_elsewhere(
    elsewhere: dict[str, list[tuple[str, str]]], where: str
) -> None:
    """Without CI the same skip stays a skip."""
    ((outcome, reason),) = elsewhere[where]
    assert outcome == "skipped"
    assert "needs a tool" in reason


@pytest.mark.parametrize("where", OTHERS)
def test_other_skips_stay_skips_in_ci(in_ci: dict[str, list[tuple[str, str]]], where: str) -> None:
    """A skip for another reason, or an expected failure, does not fail CI."""
    assert [outcome for outcome, _ in in_ci[where]] == ["skipped"]
