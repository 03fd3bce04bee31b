"""`casebell demo` as a user runs it: it plays the scenario, can fail, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from casebell.sandbox.demo_environment import demo_configuration
from casebell.sandbox.scenario import SCENARIO
from casebell.sandbox.server_process import clean_environment

#: Only the first steps, and a configuration of the test's own.
SHORTENED = """
import sys
from casebell.cli.demo import run_demo
from casebell.sandbox.scenario import SCENARIO

once, steps, *configuration = sys.argv[1:]
text = open(configuration[0]).read() if configuration else None
sys.exit(run_demo(once=once == "once", configuration=text, scenario=SCENARIO[: int(steps)]))
"""

#: A server that writes the line of a delivery a second after it has answered it.
LATE_LINES = """
import asyncio
from casebell import telemetry

class LateLines(telemetry._Lines):
    def info(self, line):
        if '"delivery.received"' in line:
            asyncio.get_running_loop().call_later(1.0, super().info, line)
        else:
            super().info(line)

telemetry._Lines = LateLines
"""


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the demo puts its temporary files; afterwards nothing of it may be left.

    Without the test's name in it: the path of a Unix socket has at most 107 bytes.
    """
    place = tmp_path_factory.mktemp("demo") / "place"
    place.mkdir()
    yield place
    assert list(place.iterdir()) == []
    assert running_on(place) == []


def running_on(place: Path) -> list[str]:
    """Command lines of processes that work on files in there."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # It has ended meanwhile.
        if f"{place}/casebell-demo" in words:
            found.append(words)
    return found


def start(place: Path, *words: str, modules: Path | None = None) -> subprocess.Popen[str]:
    """A process with the environment of a newcomer who has configured something else.

    Args:
        modules: a folder that its Python, and that of what it starts, looks into first.
    """
    return subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **clean_environment(),
            "TMPDIR": str(place),
            "CASEBELL_SERVER__PORT": "1",
            "CASEBELL_CONFIG": "/nowhere/config.toml",
            **({"PYTHONPATH": str(modules)} if modules else {}),
        },
    )


def shortened(place: Path, *, once: bool, steps: int, configuration: str = "") -> list[str]:
    """The command line of a scenario that ends early."""
    words = ["-c", SHORTENED, "once" if once else "stay", str(steps)]
    if configuration:
        file = place.parent / "other.toml"
        file.write_text(configuration)
        words.append(str(file))
    return words


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """Its output so far, once a line of it has this; the end of the output fails the test."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line):
            return "".join(lines)
    pytest.fail(f"ended without {pattern!r}:\n{''.join(lines)}")


@pytest.mark.slow
def test_the_whole_scenario(place: Path) -> None:
    """`casebell demo --once` tells every step, finds each as promised, and exits 0."""
    process = start(place, "-m", "casebell", "demo", "--once")
    output, _ = process.communicate(timeout=110)
    assert process.returncode == 0, output
    titles = re.findall(r"^ ?(\d+)  (.+)$", output, re.MULTILINE)
    assert titles == [(str(number), step.title) for number, step in enumerate(SCENARIO, start=1)]
    last = output.splitlines()[-1]
    assert re.fullmatch(rf"{len(SCENARIO)} steps in \d+ s, all as promised\.", last)
    # No colours, and nothing of the hostile text that could act.
    assert all(char == "\n" or char.isprintable() for char in output)


@pytest.mark.parametrize(
    ("mistake", "step", "says"),
    [
        pytest.param(
            ('secrets = ["${CASEBELL_DEMO_PARLEY_SECRET}"]', 'secrets = ["somebody else\'s one"]'),
            1,
            "NOT AS EXPECTED: the HTTP answer\n"
            "      expected  200 stored\n"
            "      got       401 signature_mismatch\n",
            id="a-wrong-secret",
        ),
        pytest.param(
            ('status = ["rfe_issued"] }, { tags = ["deadline"]', 'status = ["rfe_received"]'),
            1,
            "NOT AS EXPECTED: who is told\n"
            "      expected  chat, jchan@example-firm.com, rfe-team@example-firm.com\n"
            "      got       nobody\n",
            id="a-rule-is-missing",
        ),
        pytest.param(
            ('notify = ["chat", "email"]\nurgent', 'notify = ["chat", "email", "it"]\nurgent'),
            1,
            "got       chat, it-desk@example-firm.com, jchan@example-firm.com",
            id="a-rule-tells-too-many",
        ),
        pytest.param(
            ("[storage]", '[routing]\ncoalesce = "0s"\nrepeat_within = "0s"\n\n[storage]'),
            5,
            "NOT AS EXPECTED: who is told\n      expected  nobody\n",
            id="a-change-told-twice",
        ),
    ],
)
def test_it_can_fail(place: Path, mistake: tuple[str, str], step: int, says: str) -> None:
    """A step that comes out otherwise is named, with what was expected, what came, and the log."""
    right, wrong = mistake
    assert right in demo_configuration()
    configuration = demo_configuration().replace(right, wrong)
    words = shortened(place, once=True, steps=6, configuration=configuration)
    process = start(place, *words)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert says in output
    assert "The last lines of the server's log:" in output
    assert re.search(r'^      \{.*"event":"delivery.received"', output, re.MULTILINE)
    assert f"Step {step} of 6 did not come out as promised." in output
    assert "all as promised" not in output


def test_a_log_line_that_comes_late(place: Path, tmp_path: Path) -> None:
    """The log is shown once it has the line of the last answer, which is written after it."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "sitecustomize.py").write_text(LATE_LINES)
    right = 'secrets = ["${CASEBELL_DEMO_PARLEY_SECRET}"]'
    configuration = demo_configuration().replace(right, 'secrets = ["somebody else\'s one"]')
    words = shortened(place, once=True, steps=1, configuration=configuration)
    output, _ = start(place, *words, modules=modules).communicate(timeout=60)
    shown = output.partition("The last lines of the server's log:")[2]
    assert re.search(r'^      \{.*"outcome":"signature_mismatch"', shown, re.MULTILINE), output
    assert "the server's log\n" not in output


class TestWithoutTheExtra:
    """Without aiosmtpd the demo says what to install; everything else works."""

    @pytest.fixture
    def modules(self, tmp_path: Path) -> Path:
        """A folder that hides aiosmtpd from a Python that looks into it first."""
        modules = tmp_path / "modules"
        modules.mkdir()
        (modules / "sitecustomize.py").write_text("import sys; sys.modules['aiosmtpd'] = None")
        return modules

    def test_the_demo(self, place: Path, modules: Path) -> None:
        """It names the command that installs the extra, and exits 1."""
        process = start(place, "-m", "casebell", "demo", "--once", modules=modules)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert output == (
            "Error: The mail server of `casebell demo` is not installed.\n"
            f"  Install it: {sys.executable} -m pip install 'casebell[demo]'\n"
        )

    def test_what_renders_the_samples(self, place: Path, modules: Path, tmp_path: Path) -> None:
        """`casebell check` renders every sample."""
        for words in (["init", str(tmp_path)], ["check", "--config", f"{tmp_path}/config.toml"]):
            process = start(place, "-m", "casebell", *words, modules=modules)
            output, _ = process.communicate(timeout=60)
            assert process.returncode == 0, output


def test_a_server_that_does_not_start(place: Path) -> None:
    """Its exit code and its own words are shown."""
    # An address that no machine has.
    configuration = demo_configuration().replace('host = "127.0.0.1"', 'host = "192.0.2.1"')
    words = shortened(place, once=True, steps=6, configuration=configuration)
    process = start(place, *words)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "NOT AS EXPECTED: casebell serve" in output
    assert "got       exit code 1\n" in output
    assert "      Error: Cannot listen on 192.0.2.1" in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ended_in_the_middle(place: Path, number: signal.Signals) -> None:
    """A signal during the scenario ends it; the exit code says that it did not end by itself."""
    process = start(place, *shortened(place, once=True, steps=6))
    read_until(process, "^ 1  ")
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert output.endswith("Ended before the last step. Nothing is left of it.\n")


def test_it_runs_on_until_ctrl_c(place: Path) -> None:
    """Without --once it names what there is to try, shows what happens, and Ctrl-C is its end."""
    process = start(place, *shortened(place, once=False, steps=1))
    output = read_until(process, r"^\d\d:\d\d:\d\d  upstream +[a-z-]+ → \d+ ")
    config = re.search(r"casebell send --config (\S+) --sample parley-rfe\n", output)
    assert config is not None
    sent = subprocess.run(
        [
            *(sys.executable, "-m", "casebell", "send"),
            *("--config", config[1], "--sample", "parley-denied"),
        ],
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=30,
        check=True,
    )
    assert sent.stdout.startswith("200 ")
    read_until(process, r"^\d\d:\d\d:\d\d  rfe-team@example-firm.com +URGENT: Case denied")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert output.endswith("Ended. Nothing is left of the demo.\n")


def test_it_notices_that_the_server_is_gone(place: Path) -> None:
    """A server that ends by itself is told, with exit code 1."""
    process = start(place, *shortened(place, once=False, steps=1))
    read_until(process, "Ctrl-C ends the demo")
    for entry in Path("/proc").glob("[0-9]*"):
        if is_server_on(place, entry):
            os.kill(int(entry.name), signal.SIGKILL)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "The server has ended by itself." in output


def is_server_on(place: Path, entry: Path) -> bool:
    """Whether a process is the demo's server."""
    try:
        words = (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"serve" in words and any(str(place).encode() in word for word in words)


def test_nowhere_to_write(tmp_path: Path) -> None:
    """Without a place for temporary files the error says what to do."""
    code = (
        "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/proc/none'];"
        "import sys; sys.argv = ['casebell', 'demo', '--once'];"
        "from casebell.cli import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=30,
        cwd=tmp_path,
        check=False,
    )
    assert ended.returncode == 1
    assert "There is no place to write temporary files." in ended.stderr
    assert "TMPDIR" in ended.stderr
