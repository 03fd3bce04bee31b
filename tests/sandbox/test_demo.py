"""`casebell demo` as a user runs it: it plays the scenario, can fail, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx2
import pytest

from casebell.sandbox.demo_environment import demo_configuration
from casebell.sandbox.missed_change import delivered, looked_at, missed, registered
from casebell.sandbox.scenario import SCENARIO
from casebell.sandbox.scenario_step import Lines, Step
from casebell.sandbox.server_process import clean_environment
from processes import Forked, run_here
from sandbox import some_steps
from waiting import until_sync

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


def newcomers_environment(place: Path, *, modules: Path | None = None) -> dict[str, str]:
    """That of somebody who has configured something else.

    Args:
        modules: a folder that Python looks into first.
    """
    return {
        **clean_environment(),
        "TMPDIR": str(place),
        "CASEBELL_SERVER__PORT": "1",
        "CASEBELL_CONFIG": "/nowhere/config.toml",
        **({"PYTHONPATH": str(modules)} if modules else {}),
    }


def ran(place: Path, *words: str, modules: Path | None = None) -> tuple[int, str]:
    """A command as a process from its very beginning: exit code and output."""
    ended = subprocess.run(
        [sys.executable, "-m", "casebell", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=newcomers_environment(place, modules=modules),
        timeout=110,
        check=False,
    )
    return ended.returncode, ended.stdout


class Demo:
    """Some steps of the demo, in a process of their own.

    Args:
        modules: a folder that the Python of its server looks into first.
    """

    def __init__(
        self,
        place: Path,
        *,
        once: bool,
        steps: Sequence[Step],
        configuration: str = "",
        modules: Path | None = None,
    ) -> None:
        words = ["once" if once else "stay", some_steps.words_for(steps)]
        if configuration:
            file = place.parent / "other.toml"
            file.write_text(configuration)
            words.append(str(file))
        self._output = place.parent / "output"
        self._process = Forked(
            words,
            directory=place.parent,
            environ=newcomers_environment(place, modules=modules),
            output=self._output,
            entry=some_steps.main,
        )

    def send_signal(self, number: signal.Signals) -> None:
        """A signal, as by a terminal or a service manager."""
        self._process.send_signal(number)

    def read_until(self, pattern: str) -> str:
        """Its output so far, once a line of it has this; its end before that fails the test."""

        def found() -> str:
            ended = self._process.returncode is not None
            output = self._output.read_text()
            seen = re.search(pattern, output, re.MULTILINE)
            assert seen or not ended, f"ended without {pattern!r}:\n{output}"
            return output if seen else ""

        return str(until_sync(found, f"{pattern!r} in its output"))

    def ended(self) -> tuple[int, str]:
        """Its exit code and all of its output."""
        return self._process.wait_sync(60), self._output.read_text()


@pytest.mark.slow
def test_the_whole_scenario(place: Path) -> None:
    """`casebell demo --once` tells every step, finds each as promised, and exits 0."""
    code, output = ran(place, "demo", "--once")
    assert code == 0, output
    titles = re.findall(r"^ ?(\d+)  (.+)$", output, re.MULTILINE)
    assert titles == [(str(number), step.title) for number, step in enumerate(SCENARIO, start=1)]
    last, hint = output.splitlines()[-2:]
    assert re.fullmatch(rf"{len(SCENARIO)} steps in \d+ s, all as promised\.", last)
    assert hint == "To see it all in a browser: casebell demo, without --once."
    assert "password" not in output
    # No colours, and nothing of the hostile text that could act.
    assert all(char == "\n" or char.isprintable() for char in output)


@pytest.mark.parametrize(
    ("mistake", "step", "says"),
    [
        pytest.param(
            ('secrets = ["${CASEBELL_DEMO_PARLEY_SECRET}"]', 'secrets = ["somebody else\'s one"]'),
            2,
            "NOT AS EXPECTED: the HTTP answer\n"
            "      expected  200 stored\n"
            "      got       401 signature_mismatch\n",
            id="a-wrong-secret",
        ),
        pytest.param(
            ('status = ["rfe_issued"] }, { tags = ["deadline"]', 'status = ["rfe_received"]'),
            2,
            "NOT AS EXPECTED: who is told\n"
            "      expected  chat, jchan@example-firm.com, rfe-team@example-firm.com\n"
            # A Request for Evidence that no rule sends to anybody goes to operations.
            "      got       it-desk@example-firm.com\n",
            id="a-rule-is-missing",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ('notify = ["chat", "email"]\nurgent', 'notify = ["chat", "email", "it"]\nurgent'),
            2,
            "got       chat, it-desk@example-firm.com, jchan@example-firm.com",
            id="a-rule-tells-too-many",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("[storage]", '[routing]\ncoalesce = "0s"\nrepeat_within = "0s"\n\n[storage]'),
            6,
            "NOT AS EXPECTED: who is told\n      expected  nobody\n",
            id="a-change-told-twice",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_it_can_fail(place: Path, mistake: tuple[str, str], step: int, says: str) -> None:
    """A step that comes out otherwise is named, with what was expected, what came, and the log."""
    right, wrong = mistake
    assert right in demo_configuration()
    configuration = demo_configuration().replace(right, wrong)
    code, output = Demo(place, once=True, steps=SCENARIO[:7], configuration=configuration).ended()
    assert code == 1
    assert says in output
    assert "The last lines of the server's log:" in output
    assert re.search(r'^      \{.*"event":"delivery.received"', output, re.MULTILINE)
    assert f"Step {step} of 7 did not come out as promised." in output
    assert "all as promised" not in output


#: The steps of the provider's API, and the first two: the case that moves is of the routine news.
_OF_THE_API = [
    step
    for place, step in enumerate(SCENARIO)
    if place == 0
    or step.title == "Routine news that no rule sends anywhere"
    or step.play in {registered, looked_at, delivered, missed}
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mistake", "step", "says"),
    [
        pytest.param(
            ('secret_file = "parley-subscription.secret"\n', ""),
            registered,
            "NOT AS EXPECTED: casebell upstream subscribe\n      expected  exit code 0\n",
            id="nowhere-to-keep-the-secret",
        ),
        pytest.param(
            ('public_url = "http://127.0.0.1:', 'public_url = "http://localhost:'),
            registered,
            "NOT AS EXPECTED: where the subscription delivers to\n",
            id="another-address",
        ),
        pytest.param(
            ("per_minute = 600\n", "per_minute = 600\nper_day = 2\n"),
            looked_at,
            "NOT AS EXPECTED: casebell upstream reconcile\n      expected  exit code 0\n",
            id="a-budget-that-is-spent",
        ),
        pytest.param(
            ('["deadline"] }]\nnotify = ["chat", "email"]', '["deadline"] }]\nnotify = ["chat"]'),
            delivered,
            "NOT AS EXPECTED: who is told\n"
            "      expected  chat, jchan@example-firm.com, rfe-team@example-firm.com\n"
            "      got       chat\n",
            id="a-delivery-is-told-to-too-few",
        ),
        pytest.param(
            ('"rejected"] }]\nnotify = ["chat", "email"]', '"rejected"] }]\nnotify = ["chat"]'),
            missed,
            "NOT AS EXPECTED: who is told\n"
            "      expected  chat, it-desk@example-firm.com, jchan@example-firm.com, ",
            id="what-was-found-is-told-to-too-few",
        ),
    ],
)
def test_its_steps_of_the_api_can_fail(
    place: Path, mistake: tuple[str, str], step: Callable[..., Lines], says: str
) -> None:
    """A step of the provider's API that comes out otherwise is named."""
    right, wrong = mistake
    assert right in demo_configuration()
    configuration = demo_configuration().replace(right, wrong, 1)
    demo = Demo(place, once=True, steps=_OF_THE_API, configuration=configuration)
    code, output = demo.ended()
    assert code == 1
    assert says in output
    number = 1 + [one.play for one in _OF_THE_API].index(step)
    assert f"Step {number} of {len(_OF_THE_API)} did not come out as promised." in output


@pytest.mark.slow
def test_a_log_line_that_comes_late(place: Path, tmp_path: Path) -> None:
    """The log is shown once it has the line of the last answer, which is written after it."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "sitecustomize.py").write_text(LATE_LINES)
    right = 'secrets = ["${CASEBELL_DEMO_PARLEY_SECRET}"]'
    configuration = demo_configuration().replace(right, 'secrets = ["somebody else\'s one"]')
    demo = Demo(place, once=True, steps=SCENARIO[:2], configuration=configuration, modules=modules)
    _, output = demo.ended()
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
        code, output = ran(place, "demo", "--once", modules=modules)
        assert code == 1
        assert output == (
            "Error: The mail server of `casebell demo` is not installed.\n"
            f"  Install it: {sys.executable} -m pip install 'casebell[demo]'\n"
        )

    @pytest.mark.slow
    def test_what_renders_the_samples(self, place: Path, modules: Path, tmp_path: Path) -> None:
        """`casebell check` renders every sample."""
        for words in (["init", str(tmp_path)], ["check", "--config", f"{tmp_path}/config.toml"]):
            code, output = ran(place, *words, modules=modules)
            assert code == 0, output


def test_a_server_that_does_not_start(place: Path) -> None:
    """Its exit code and its own words are shown."""
    # An address that no machine has.
    configuration = demo_configuration().replace('host = "127.0.0.1"', 'host = "192.0.2.1"')
    code, output = Demo(place, once=True, steps=SCENARIO[:6], configuration=configuration).ended()
    assert code == 1
    assert "NOT AS EXPECTED: casebell serve" in output
    assert "got       exit code 1\n" in output
    assert "      Error: Cannot listen on 192.0.2.1" in output


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_ended_in_the_middle(place: Path, number: signal.Signals) -> None:
    """A signal during the scenario ends it; the exit code says that it did not end by itself."""
    demo = Demo(place, once=True, steps=SCENARIO[:6])
    demo.read_until("^ 1  ")
    demo.send_signal(number)
    code, output = demo.ended()
    assert code == 128 + number
    assert output.endswith("Ended before the last step. Nothing is left of it.\n")


@pytest.mark.slow
def test_it_runs_on_until_ctrl_c(place: Path) -> None:
    """Without --once it names what there is to try, shows what happens, and Ctrl-C is its end."""
    demo = Demo(place, once=False, steps=SCENARIO[:2])
    output = demo.read_until(r"^\d\d:\d\d:\d\d  upstream +[a-z-]+ → \d+ ")
    config = re.search(r"casebell send --config (\S+) --sample parley-rfe\n", output)
    assert config is not None
    code, sent, _ = run_here(
        "send", "--config", config[1], "--sample", "parley-denied", directory=place.parent
    )
    assert code == 0
    assert sent.startswith("200 ")
    demo.read_until(r"^\d\d:\d\d:\d\d  rfe-team@example-firm.com +URGENT: Case denied")
    look_at_the_console(output)
    demo.send_signal(signal.SIGINT)
    code, output = demo.ended()
    assert code == 0
    assert output.endswith("Ended. Nothing is left of the demo.\n")


def look_at_the_console(output: str) -> None:
    """Sign in as the demo says, at once and at the end; its link leads to the RFE."""
    address = re.search(r"^  Console +(\S+)$", output, re.MULTILINE)
    link = re.search(r"^  The RFE +(\S+)$", output, re.MULTILINE)
    signs_in = set(re.findall(r": name (\S+), password (\S+)$", output, re.MULTILINE))
    signs_in |= set(re.findall(r"^  Sign in +name (\S+), password (\S+)$", output, re.MULTILINE))
    assert address
    assert link
    ((name, password),) = signs_in
    with httpx2.Client(base_url=address[1], trust_env=False, follow_redirects=True) as browser:
        asked = browser.get(link[1])
        assert asked.url.path == "/sign-in"
        form = {"name": name, "password": password, "next": asked.url.params["next"]}
        page = browser.post("/sign-in", data=form, headers={"Sec-Fetch-Site": "same-origin"})
        assert str(page.url) == link[1]
        assert "Request for Evidence" in page.text
        # They may see and do everything.
        assert browser.get("/audit").status_code == 200


@pytest.mark.slow
def test_it_notices_that_the_server_is_gone(place: Path) -> None:
    """A server that ends by itself is told, with exit code 1."""
    demo = Demo(place, once=False, steps=SCENARIO[:1])
    demo.read_until("Ctrl-C ends the demo")
    for entry in Path("/proc").glob("[0-9]*"):
        if is_server_on(place, entry):
            os.kill(int(entry.name), signal.SIGKILL)
    code, output = demo.ended()
    assert code == 1
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
