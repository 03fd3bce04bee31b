"""Logs and metrics: one wide log line per unit of work, and a registry made per server.

Neither ever holds a body, a secret, a channel's URL, a header value or a whole receipt number.
"""

import asyncio
import contextlib
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TextIO, TypeAlias, cast

import casebell
from casebell.clock import iso
from casebell.json_text import ascii_line

#: In a library's message, the first character that may begin a value.
_VALUES = re.compile(r"[<({\['\":%\n]")

_Fields: TypeAlias = MutableMapping[str, Any]
#: A function that structlog calls with the logger, the level and the line.
_Processor: TypeAlias = Callable[[Any, str, _Fields], Any]


class Log(Protocol):
    """The logger of all rooms: `log.info("delivery.received", source=…)`.

    Values are given by name only.
    """

    def info(self, event: str, **fields: Any) -> None:
        """Log an action."""
        ...

    def warning(self, event: str, **fields: Any) -> None:
        """Log a condition that an operator should examine some day."""
        ...

    def error(self, event: str, **fields: Any) -> None:
        """Log a condition that an operator should examine; pass an exception as `error`."""
        ...


def configure_logging(stream: TextIO = sys.stdout) -> None:
    """Log JSON lines to `stream`; readable text if it is a terminal.

    Our own events pass through structlog. The warnings of libraries may quote data, so only their
    first words, logger and exception class go through the same processors. A line that cannot be
    written is lost: a full disk behind the log must not stop the server.
    """
    import structlog  # noqa: PLC0415 - imports rich, a quarter of a second; most commands log nothing

    processors: list[_Processor] = [_stamp]
    if stream.isatty():
        renderer = structlog.dev.ConsoleRenderer(colors=True, timestamp_key="at")
        processors += [cast("_Processor", renderer), _writable(stream.encoding or "utf-8")]
    else:
        processors.append(_as_json)
    lines = _Lines(stream)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Foreign(lines, processors)]
    root.setLevel(logging.WARNING)
    # Otherwise a record that cannot be written is printed with its arguments.
    logging.raiseExceptions = False
    # At a lower level asyncio logs slow callbacks. The logging of apprise and its libraries is
    # turned off when they are loaded.
    logging.getLogger("asyncio").setLevel(logging.ERROR)


def get_logger() -> Log:
    """The log of the running process."""
    import structlog  # noqa: PLC0415 - as above

    # Bound at once to the configuration in force: otherwise each line would look it up.
    return cast("Log", structlog.get_logger().bind())


class _Lines:
    """Prints lines: those of one turn of an event loop in one write."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        #: The loop that will print the lines that wait.
        self._printer: asyncio.AbstractEventLoop | None = None

    def info(self, line: str) -> None:
        """Print one line: at the end of the loop's turn, or at once without a loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        with self._lock:
            self._waiting.append(line)
            scheduled, self._printer = self._printer is loop, loop
        if loop is None:
            self.print()
        elif not scheduled:
            loop.call_soon(self.print)

    # structlog calls the method with the level's name.
    warning = error = info

    def print(self) -> None:
        """Print the lines that wait."""
        with contextlib.suppress(OSError, ValueError), self._lock:
            lines, self._waiting, self._printer = self._waiting, [], None
            if lines:
                self._file.write("\n".join([*lines, ""]))
                self._file.flush()


class _Foreign(logging.Handler):
    """Writes the records of libraries as lines of ours, at once."""

    def __init__(self, lines: _Lines, processors: Sequence[_Processor]) -> None:
        super().__init__()
        self._lines = lines
        self._processors = processors

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record without values: of its message only the template's first words."""
        try:
            words = _VALUES.split(str(record.msg), maxsplit=1)[0].strip()
            line: Any = {"event": words, "logger": record.name}
            if record.exc_info and record.exc_info[1] is not None:
                line["error"] = record.exc_info[1]
            for process in self._processors:
                line = process(None, record.levelname.lower(), line)
            self._lines.info(line)
            self._lines.print()
        except Exception:  # noqa: BLE001 - as logging's own handlers: a line must not stop the work
            self.handleError(record)


def _stamp(_logger: object, level: str, line: _Fields) -> _Fields:
    """Add level and time; replace an exception passed as `error=` by its class and place.

    Its text is dropped: exceptions of libraries may quote a URL, a body or a secret.
    """
    line["level"] = level
    line["at"] = iso(time.time_ns() // 1000)
    error = line.get("error")
    if isinstance(error, BaseException):
        line["error"] = type(error).__name__
        line["at_line"] = _place(error.__traceback__)
    return line


def _as_json(_logger: object, _level: str, line: _Fields) -> str:
    try:
        return ascii_line(line)
    except Exception:  # noqa: BLE001 - a value that cannot be encoded costs only the fields of its line
        return ascii_line({name: line[name] for name in ("event", "level", "at")})


def _writable(encoding: str) -> _Processor:
    """Escapes the characters that the stream's encoding cannot write."""
    return lambda _logger, _level, line: (
        str(line).encode(encoding, "backslashreplace").decode(encoding)
    )


def _place(trace: TracebackType | None) -> str:
    """The innermost frames of a traceback: `router._run:99 > cases.history:61`."""
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{Path(code.co_filename).stem}.{code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " > ".join(frames[-6:])


#: Who can meet a failure of the storage.
STAGES = (
    "receive",
    "route",
    "notify",
    "followup",
    "reload",
    "metrics",
    "certificate",
    "api",
    "console",
    "cases",
    "upstream",
)


class Metrics:
    """The metrics of `/metrics`."""

    def __init__(self) -> None:
        # Imported here: only a server has metrics.
        from prometheus_client import (  # noqa: PLC0415
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
            disable_created_metrics,
        )

        # A time of creation beside each counter doubles the page, and nobody asks for it.
        cast("Callable[[], None]", disable_created_metrics)()

        self.registry = CollectorRegistry()
        make: dict[str, Any] = {"registry": self.registry}
        self.deliveries = Counter(
            "casebell_deliveries",
            "Deliveries by source and outcome: stored, duplicate, conflict, held or an error.",
            ["source", "outcome"],
            **make,
        )
        self.delivery_seconds = Histogram(
            "casebell_delivery_seconds",
            "From the last byte of a delivery to its durable acknowledgement.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            **make,
        )
        self.decisions = Counter(
            "casebell_decisions",
            "Routed events by what came of them (notified, nobody, same_change).",
            ["outcome"],
            **make,
        )
        self.changes_delivered = Counter(
            "casebell_changes_delivered",
            "Changes of cases that a webhook of the source brought first.",
            ["source"],
            **make,
        )
        self.changes_found = Counter(
            "casebell_changes_found_by_reconciliation",
            "Changes of cases that no webhook had delivered: asking the provider's API found them.",
            ["source"],
            **make,
        )
        self.attempts = Counter(
            "casebell_alert_attempts",
            "Attempts to send an alert, by channel, outcome and reason.",
            ["channel", "outcome", "reason"],
            **make,
        )
        self.alert_seconds = Histogram(
            "casebell_alert_seconds",
            "From an alert's decision to its arrival at the channel's service.",
            buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 1800, 7200),
            **make,
        )
        self.waiting = Gauge(
            "casebell_waiting",
            "What waits: events without a decision, alerts unsent, alerts failed, deliveries held.",
            ["what"],
            **make,
        )
        self.refused_since_authentic = Gauge(
            "casebell_refused_since_authentic",
            "Deliveries of a source that were refused since its last authentic one, by error.",
            ["source", "error"],
            **make,
        )
        self.refused_pushed_out = Gauge(
            "casebell_refused_pushed_out",
            "Refused deliveries of a source that could have been readmitted, and that the latest "
            "flood of others pushed out; 0 a week after it.",
            ["source"],
            **make,
        )
        self.storage_errors = Counter(
            "casebell_storage_errors", "Storage failures met by each stage.", ["stage"], **make
        )
        self.api_requests = Counter(
            "casebell_api_requests",
            "Requests of the API by method, route and status.",
            ["method", "route", "status"],
            **make,
        )
        self.api_seconds = Histogram(
            "casebell_api_seconds",
            "From the head of a request of the API to its answer.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            **make,
        )
        self.console_requests = Counter(
            "casebell_console_requests",
            "Requests of the console by method, route and status.",
            ["method", "route", "status"],
            **make,
        )
        self.console_seconds = Histogram(
            "casebell_console_seconds",
            "From the head of a request of the console to its answer.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            **make,
        )
        self.heartbeats = Counter(
            "casebell_heartbeats",
            "Times at which `ops.heartbeat` was due: fetched (ok), failed, or withheld because "
            "something else fails.",
            ["outcome"],
            **make,
        )
        self.build = Gauge(
            "casebell_build_info", "The release that runs; always 1.", ["version"], **make
        )
        self.last_delivery = Gauge(
            "casebell_last_delivery_timestamp_seconds",
            "When a source's last authentic delivery came; 0 if none ever did.",
            ["source"],
            **make,
        )
        self.oldest_waiting = Gauge(
            "casebell_oldest_waiting_alert_seconds",
            "Age of the oldest alert that waits for a channel; 0 if none does.",
            ["channel"],
            **make,
        )
        self.last_backup = Gauge(
            "casebell_last_backup_timestamp_seconds",
            "When `casebell backup` last copied this database; 0 if it never did.",
            **make,
        )
        self.certificate_ends = Gauge(
            "casebell_certificate_expiry_timestamp_seconds",
            "When the certificate in use ends; without TLS of our own there is none.",
            ["name"],
            **make,
        )
        self.build.labels(casebell.__version__).set(1)
        for outcome in ("ok", "failed", "withheld"):
            self.heartbeats.labels(outcome)
        for stage in STAGES:
            self.storage_errors.labels(stage)
