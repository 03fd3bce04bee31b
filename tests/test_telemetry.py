"""What logs and metrics say, and what never gets into them."""

import asyncio
import gc
import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import generate_latest

import casebell
from casebell.clock import iso
from casebell.errors import StorageUnavailable
from casebell.notify.apprise_warnings import SILENT
from casebell.telemetry import STAGES, Metrics, configure_logging, get_logger

SECRET = "vermilion-5e6f"
URL = f"https://user:{SECRET}@hooks.example.com/services/{SECRET}"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class NarrowTerminal(io.TextIOWrapper):
    """A terminal that knows few characters."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Key:
    """A value that hides itself."""

    text: str

    def __repr__(self) -> str:
        return "Key(…)"


class Unshowable:
    """A value that fails whoever looks at it."""

    def __repr__(self) -> str:
        raise ValueError(SECRET)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Logging is the process's own; other tests find it as it was."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    levels = {name: logging.getLogger(name).level for name in ("apprise", "requests", "asyncio")}
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raising
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.fixture
def stream() -> io.StringIO:
    """Where the log goes, which is configured."""
    stream = io.StringIO()
    configure_logging(stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """The log as values."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def choke() -> None:
    """What foreign code does: it quotes what it choked on."""
    raise ValueError(f"cannot read {URL}")


class TestOurLines:
    """`log.info("delivery.received", …)`."""

    def test_a_line_is_one_json_object(self, stream: io.StringIO) -> None:
        """Name, level, UTC time and fields stand in one object on one line, line ends and all."""
        get_logger().info("delivery.received", source="parley", ms=1.5, said="a\nb\u2028\ud800")
        assert stream.getvalue().count("\n") == 1
        (line,) = lines(stream)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("at"))
        assert line == {
            "event": "delivery.received",
            "level": "info",
            "source": "parley",
            "ms": 1.5,
            "said": "a\nb\u2028\ud800",
        }

    def test_no_character_breaks_a_line(self, stream: io.StringIO) -> None:
        """Letters, line ends and halves of characters are ASCII in the line, and come back."""
        said = 'Ánimo \u2028\x85\u202e 🔔 \ud83d \x00\x9b"\\'
        get_logger().info("delivery.received", said=said, row=2**70, names=[said])
        assert stream.getvalue().isascii()
        (line,) = lines(stream)
        assert (line["said"], line["row"], line["names"]) == (said, 2**70, [said])

    def test_a_value_shows_what_it_shows_of_itself(self, stream: io.StringIO) -> None:
        """What is no JSON is told as its repr, which hides what it hides; no field is read."""
        get_logger().info("delivery.received", key=Key(text=SECRET), keys=[Key(text=SECRET)])
        (line,) = lines(stream)
        assert (line["key"], line["keys"]) == ("Key(…)", ["Key(…)"])
        assert SECRET not in stream.getvalue()

    def test_a_value_that_cannot_be_shown_costs_its_line_the_fields(
        self, stream: io.StringIO
    ) -> None:
        """The line says that it happened, and the work goes on."""
        get_logger().error("event.defect", row=3, key=Unshowable())
        (line,) = lines(stream)
        assert set(line) == {"event", "level", "at"}
        assert (line["event"], line["level"]) == ("event.defect", "error")

    def test_an_error_is_its_class_and_its_place(self, stream: io.StringIO) -> None:
        """Of an exception the class and the frames are told, its text never."""
        try:
            choke()
        except ValueError as error:
            get_logger().error("event.defect", row=3, error=error)
        (line,) = lines(stream)
        assert line["error"] == "ValueError"
        assert re.fullmatch(
            r"test_telemetry\.test_an_error_\w+:\d+ > test_telemetry\.choke:\d+", line["at_line"]
        )
        assert SECRET not in stream.getvalue()

    def test_neither_is_the_text_of_its_cause(self, stream: io.StringIO) -> None:
        """What an error was raised from is not told either."""
        try:
            try:
                choke()
            except ValueError as error:
                raise StorageUnavailable(SECRET) from error
        except StorageUnavailable as error:
            get_logger().error("event.defect", error=error)
        (line,) = lines(stream)
        assert line["error"] == "StorageUnavailable"
        assert SECRET not in stream.getvalue()

    def test_a_deep_error_is_told_briefly(self, stream: io.StringIO) -> None:
        """Of a deep recursion the last few frames are told."""

        def deep(left: int) -> None:
            if left:
                deep(left - 1)
            choke()

        try:
            deep(50)
        except ValueError as error:
            get_logger().error("event.defect", error=error)
        (line,) = lines(stream)
        assert line["at_line"].count(" > ") == 5
        assert line["at_line"].rpartition(" > ")[2].startswith("test_telemetry.choke:")

    def test_a_reason_that_is_no_exception_stays(self, stream: io.StringIO) -> None:
        """A word given as the error is a word."""
        get_logger().info("delivery.received", error="signature_mismatch")
        assert lines(stream)[0]["error"] == "signature_mismatch"

    def test_a_turn_of_the_loop_is_one_write(self) -> None:
        """What a loop says in one turn is written together, in order; outside it, at once."""
        stream = Counted()
        configure_logging(stream)

        async def say() -> None:
            for number in range(3):
                get_logger().info("event.routed", row=number)
            assert stream.writes == 0
            # One turn of the loop is what is promised.
            await asyncio.sleep(0)
            assert stream.writes == 1
            get_logger().info("event.routed", row=3)

        asyncio.run(say())
        get_logger().info("server.stopped")
        assert [line.get("row") for line in lines(stream)] == [0, 1, 2, 3, None]

    def test_people_read_text(self) -> None:
        """On a terminal a line is text with the same words, and colours."""
        stream = Terminal()
        configure_logging(stream)
        get_logger().info("delivery.received", source="parley")
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
        plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
        first, second = plain.splitlines()
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT[\d:.]+Z \[info +\] delivery\.received +source=parley", first
        )
        assert "Invalid HTTP request received." in second
        assert plain != stream.getvalue()

    def test_text_that_a_terminal_cannot_show(self) -> None:
        """What its encoding has no bytes for is spelled out, half a character too."""
        raw = io.BytesIO()
        stream = NarrowTerminal(raw, encoding="latin-1")
        configure_logging(stream)
        get_logger().info("delivery.received", said="é \u2028 \ud83d 🔔")
        plain = re.sub(r"\x1b\[[0-9;]*m", "", raw.getvalue().decode("latin-1"))
        assert plain.endswith("é \\u2028 \\ud83d \\U0001f514'\n")

    def test_a_reader_that_went_away_stops_nothing(self) -> None:
        """A stream that somebody closed costs lines and no work."""
        configure_logging(Closed())
        get_logger().info("delivery.received", source="parley")
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_disk_stops_nothing(self) -> None:
        """A log that cannot be written for want of room costs lines and no work."""
        with pytest.raises(OSError, match="No space"), Path("/dev/full").open("w") as stream:  # noqa: PT012 - it is raised by closing, which shows that nothing was written
            configure_logging(stream)
            get_logger().info("delivery.received", source="parley")
            get_logger().error("event.defect")
            logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
            worked = True
        assert worked


class Counted(io.StringIO):
    """A stream that counts."""

    writes = 0

    def write(self, text: str) -> int:
        """Write and count."""
        self.writes += 1
        return super().write(text)


class Closed(io.StringIO):
    """A stream that somebody closed after it was configured."""

    def write(self, _text: str) -> int:
        raise ValueError("I/O operation on closed file")


class TestForeignLines:
    """What libraries log."""

    async def test_a_task_that_nobody_awaited(self, stream: io.StringIO) -> None:
        """The event loop's report of a lost exception does not repeat its text."""

        async def lost() -> None:
            choke()

        task = asyncio.create_task(lost(), name=SECRET)
        await asyncio.wait([task])
        del task
        gc.collect()
        (line,) = lines(stream)
        assert line["event"] == "Task exception was never retrieved"
        assert (line["logger"], line["error"], line["level"]) == ("asyncio", "ValueError", "error")
        assert line["at_line"].endswith("choke:" + line["at_line"].rpartition(":")[2])
        assert SECRET not in stream.getvalue()

    async def test_a_callback_that_failed(self, stream: io.StringIO) -> None:
        """The report of a failing callback does not repeat its arguments."""

        def callback(_argument: str) -> None:
            choke()

        loop = asyncio.get_running_loop()
        loop.call_soon(callback, SECRET)
        after: asyncio.Future[None] = loop.create_future()
        loop.call_soon(after.set_result, None)
        await after
        (line,) = lines(stream)
        assert line["event"].startswith("Exception in callback")
        assert SECRET not in stream.getvalue()

    @pytest.mark.parametrize(
        ("template", "arguments", "shown"),
        [
            ("Invalid HTTP request received.", (), "Invalid HTTP request received."),
            ("Retrying %s after %r", (URL, SECRET), "Retrying"),
            (f"Cannot reach {URL}", (), "Cannot reach https"),
            (f"Bad value '{SECRET}'", (), "Bad value"),
            ("Broken {}", (), "Broken"),
            (f"First line\n{SECRET}", (), "First line"),
            # Arguments that do not fit would be printed by logging itself.
            ("One %d", (SECRET,), "One"),
            ("None", (SECRET,), "None"),
        ],
    )
    def test_only_its_own_words(
        self,
        stream: io.StringIO,
        capfd: pytest.CaptureFixture[str],
        template: str,
        arguments: tuple[str, ...],
        shown: str,
    ) -> None:
        """A library's message is told up to where values begin; its arguments never."""
        logging.getLogger("some.library").warning(template, *arguments)
        (line,) = lines(stream)
        assert (line["event"], line["logger"]) == (shown, "some.library")
        out, err = capfd.readouterr()
        assert SECRET not in stream.getvalue() + out + err

    def test_an_exception_with_its_traceback(
        self, stream: io.StringIO, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """A logged exception is told by its class and place; neither text nor source lines."""
        try:
            choke()
        except ValueError:
            logging.getLogger("uvicorn.error").exception(
                "Exception in ASGI application\n", stack_info=True
            )
        (line,) = lines(stream)
        assert line["event"] == "Exception in ASGI application"
        assert line["error"] == "ValueError"
        assert "test_telemetry.choke:" in line["at_line"]
        assert set(line) == {"event", "level", "at", "logger", "error", "at_line"}
        out, err = capfd.readouterr()
        assert SECRET not in stream.getvalue() + out + err

    def test_exc_info_without_an_exception(self, stream: io.StringIO) -> None:
        """A record that asks for an exception where there is none is a line like others."""
        record = logging.makeLogRecord(
            {"name": "some.library", "levelno": 40, "msg": "No", "exc_info": (None, None, None)}
        )
        logging.getLogger("some.library").handle(record)
        (line,) = lines(stream)
        assert "error" not in line

    def test_the_event_loop_is_heard_of_errors_only(self, stream: io.StringIO) -> None:
        """It warns of slow callbacks, with their arguments."""
        logging.getLogger("asyncio").warning("a warning")
        logging.getLogger("asyncio.part").info("a word")
        assert stream.getvalue() == ""

    @pytest.mark.parametrize("name", ["apprise", "requests", "urllib3", "urllib3.connectionpool"])
    def test_what_was_turned_off_stays_off(self, name: str) -> None:
        """Libraries that log messages and URLs are silenced where they are loaded, not here."""
        logger = logging.getLogger(name)
        level = logger.level
        logger.setLevel(SILENT)
        try:
            configure_logging(io.StringIO())
            assert not logger.isEnabledFor(logging.CRITICAL)
        finally:
            logger.setLevel(level)

    def test_information_is_left_out(self, stream: io.StringIO) -> None:
        """Other libraries' information is not logged, only what went wrong."""
        logging.getLogger("uvicorn.error").info("Started server process [%d]", 1)
        assert stream.getvalue() == ""

    def test_configured_again(self, stream: io.StringIO) -> None:
        """A second configuration replaces the first: no line comes twice."""
        again = io.StringIO()
        configure_logging(again)
        logging.getLogger("some.library").error("Once")
        get_logger().info("server.started")
        assert stream.getvalue() == ""
        assert len(lines(again)) == 2


class TestMetrics:
    """The registry of one server."""

    def test_what_is_shown(self) -> None:
        """Every metric is ours by name, documented, and there before anything happened."""
        text = generate_latest(Metrics().registry).decode()
        names = re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE)
        assert {name for name, _ in names} == {
            "casebell_deliveries_total",
            "casebell_delivery_seconds",
            "casebell_decisions_total",
            "casebell_changes_delivered_total",
            "casebell_changes_found_by_reconciliation_total",
            "casebell_alert_attempts_total",
            "casebell_alert_seconds",
            "casebell_waiting",
            "casebell_refused_since_authentic",
            "casebell_refused_pushed_out",
            "casebell_storage_errors_total",
            "casebell_api_requests_total",
            "casebell_api_seconds",
            "casebell_console_requests_total",
            "casebell_console_seconds",
            "casebell_build_info",
            "casebell_last_delivery_timestamp_seconds",
            "casebell_oldest_waiting_alert_seconds",
            "casebell_last_backup_timestamp_seconds",
            "casebell_certificate_expiry_timestamp_seconds",
            "casebell_heartbeats_total",
        }
        assert all(words.endswith(".") for _, words in names)

    def test_every_stage_is_there_from_the_start(self) -> None:
        """Whoever counts failures of the storage is listed."""
        used = "".join(path.read_text() for path in Path(casebell.__file__).parent.rglob("*.py"))
        assert set(re.findall(r'storage_errors\.labels\("(\w+)"', used)) == set(STAGES)

    def test_each_server_has_its_own(self) -> None:
        """What one server counts is not counted for another in the same process."""
        one, other = Metrics(), Metrics()
        one.decisions.labels("nobody").inc()
        sample = {"outcome": "nobody"}
        assert one.registry.get_sample_value("casebell_decisions_total", sample) == 1.0
        assert other.registry.get_sample_value("casebell_decisions_total", sample) is None


def test_who_logs_nothing_does_not_wait_for_the_terminals_library() -> None:
    """Every command imports the module; what draws and what counts is imported where it is used."""
    program = (
        "import sys, casebell.telemetry; "
        "print({'rich', 'structlog', 'prometheus_client'} & {*sys.modules})"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "set()\n"


def test_times_in_the_log_are_utc(stream: io.StringIO) -> None:
    """The time of a line reads like every other time Casebell writes."""
    get_logger().info("server.started")
    (line,) = lines(stream)
    assert len(line["at"]) == len(iso(0))
