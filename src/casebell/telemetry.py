"""Logs and metrics: one wide log line per unit of work, and a registry made per server.

Neither ever holds a body, a secret, a channel's URL, a header value or a whole receipt number.
"""

import asyncio
import contextlib
import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from casebell.clock import iso

#: For what is not plain in a line.
_JSON = json.JSONEncoder(default=repr)
#: What most values are; no number in a line is infinite.
_PLAIN: dict[type, Callable[[Any], str]] = {
    str: json.encoder.encode_basestring_ascii,
    int: int.__repr__,
    float: float.__repr__,
}

#: Where a library's message may go over from its own words to values that it met.
_VALUES = re.compile(r"[<({\['\":%\n]")


def configure_logging(stream: TextIO = sys.stdout) -> None:
    """JSON lines on `stream`; readable text where it is a terminal.

    Our own events pass through structlog; of other libraries' warnings only the first words, the
    logger and the exception's class go through the same renderer, for they quote what they choked
    on. A line that cannot be written is lost: a full disk behind the log must not stop the work.
    """
    terminal = stream.isatty()
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True, timestamp_key="at") if terminal else _as_json
    )
    shared: list[Any] = [_stamp]
    lines = _Lines(stream)
    structlog.configure(
        processors=[*shared, _error_without_values, renderer],
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            # A message is its template: the arguments are values.
            use_get_message=False,
            processors=[
                _foreign_without_values,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # Else a record that cannot be written is printed with its arguments.
    logging.raiseExceptions = False
    # Below it asyncio tells of slow callbacks; what apprise and its libraries say is turned off
    # where they are loaded.
    logging.getLogger("asyncio").setLevel(logging.ERROR)


class Log(structlog.BoundLoggerBase):
    """A logger as the stages use it: `log.info("delivery.received", source=…)`.

    The library's own binds contexts and formats messages, which a line of ours has none of.
    Reaches into structlog: the processors and the logger that it was bound to.
    """

    def info(self, event: str, **fields: Any) -> None:
        """Say what was done."""
        self._say("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Say what an operator should look at some day."""
        self._say("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Say what an operator should look at; an exception is passed as `error`."""
        self._say("error", event, fields)

    def often(self, event: str, *names: str) -> Callable[..., None]:
        """`info` for what is said of every delivery, its values in the order of these names.

        The names are put into the line once; each value must be a str, an int or a float.
        """
        fields = "".join(f'"{name}": %s, ' for name in names)
        template = f'{{{fields}"event": "{event}", "level": "info", "at": "%s"}}'

        def say(*values: Any) -> None:
            processors: Any = self._processors
            if processors[-1] is _as_json:
                plain = [_PLAIN[type(value)](value) for value in values]
                self._logger.msg(template % (*plain, _now()))
            else:
                self.info(event, **dict(zip(names, values, strict=True)))

        return say

    def _say(self, level: str, event: str, fields: dict[str, Any]) -> None:
        fields["event"] = event
        line: Any = fields
        try:
            for process in self._processors:
                line = process(self._logger, level, line)
        except structlog.DropEvent:
            return
        self._logger.msg(line)


def get_logger() -> Log:
    """The log of the running process."""
    # Bound at once, to the configuration in force: else every line would look for it again.
    logger: Log = structlog.wrap_logger(None, wrapper_class=Log).bind()
    return logger


class _Lines:
    """Prints lines, where that is possible: what one turn of an event loop says, in one write."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        #: The loop that will print what waits.
        self._printer: asyncio.AbstractEventLoop | None = None

    def msg(self, message: str) -> None:
        """Print one line: at the end of the loop's turn, or at once where no loop runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        with self._lock:
            self._waiting.append(message)
            scheduled, self._printer = self._printer is loop, loop
        if loop is None:
            self._print()
        elif not scheduled:
            loop.call_soon(self._print)

    def _print(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._lock:
            lines, self._waiting, self._printer = self._waiting, [], None
            if lines:
                self._file.write("\n".join([*lines, ""]))
                self._file.flush()


def _as_json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    # The names are ours, and most values plain: an encoder for the whole takes twice as long.
    parts = [
        f'"{name}": {_PLAIN.get(type(value), _JSON.encode)(value)}' for name, value in event.items()
    ]
    return f"{{{', '.join(parts)}}}"


def _stamp(
    _logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    event["level"] = method
    event["at"] = _now()
    return event


def _now() -> str:
    return iso(time.time_ns() // 1000)


def _error_without_values(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """An exception passed as `error=` is logged by its class and where it arose, never by its text.

    Foreign exceptions quote what they choked on: a URL, a body, a secret.
    """
    error = event.get("error")
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["at_line"] = _place(error.__traceback__)
    return event


def _foreign_without_values(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A library's record, reduced to what cannot hold a value."""
    event["event"] = _VALUES.split(str(event["event"]), maxsplit=1)[0].strip()
    event["logger"] = event["_record"].name
    event.pop("stack_info", None)
    info = event.pop("exc_info", None)
    if isinstance(info, tuple) and info[0] is not None:
        event["error"] = info[0].__name__
        event["at_line"] = _place(info[2])
    return event


def _place(trace: TracebackType | None) -> str:
    """The innermost frames of a traceback: `router._run:99 > cases.history:61`."""
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{Path(code.co_filename).stem}.{code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " > ".join(frames[-6:])


class Metrics:
    """What `/metrics` shows."""

    def __init__(self) -> None:
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
        self.storage_errors = Counter(
            "casebell_storage_errors", "Storage failures met by each stage.", ["stage"], **make
        )
