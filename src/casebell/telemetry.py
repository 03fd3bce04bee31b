"""Logs and metrics: one wide log line per unit of work, and a registry made per server.

Neither ever holds a body, a secret, a channel's URL, a header value or a whole receipt number.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

#: A logger as the stages use it: `log.info("delivery.received", source=…)`.
Log = structlog.typing.FilteringBoundLogger


def configure_logging(stream: TextIO = sys.stdout) -> None:
    """JSON lines on `stream`; readable text where it is a terminal.

    Our own events pass through structlog; other libraries' warnings through the same renderer.
    Libraries that log message texts or URLs below WARNING (apprise, requests) stay silent.
    """
    terminal = stream.isatty()
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True)
        if terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    structlog.configure(
        processors=[*shared, _error_without_values, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_traceback,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for noisy in ("apprise", "requests", "urllib3", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def get_logger() -> Log:
    """The log of the running process."""
    logger: Log = structlog.get_logger()
    return logger


def _error_without_values(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """An exception passed as `error=` is logged by its class and where it arose, never by its text.

    Foreign exceptions quote what they choked on: a URL, a body, a secret.
    """
    error = event.get("error")
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        trace = error.__traceback__
        frames = []
        while trace is not None:
            code = trace.tb_frame.f_code
            frames.append(f"{code.co_name}:{trace.tb_lineno}")
            trace = trace.tb_next
        event["at_line"] = " > ".join(frames[-6:])
    return event


def _without_traceback(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A library's exception is logged by its class alone, for the same reason."""
    info = event.pop("exc_info", None)
    if isinstance(info, tuple) and info[0] is not None:
        event["error"] = info[0].__name__
    return event


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
