"""`casebell doctor`: one line for each layer, OK or the next command to run.

It only looks: it makes no file of ours and takes no lock that could keep a server from starting.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from casebell.cli.local_service import NothingStored
from casebell.cli.options import Config
from casebell.cli.preflight import preflight
from casebell.cli.service_client import READ_TIMEOUT, ServiceClient
from casebell.cli.terminal import print_line
from casebell.clock import SystemClock
from casebell.errors import CasebellError, ConfigError, ConfigNotFound
from casebell.runtime import Runtime
from casebell.settings import Settings, load


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerState:
    """The state of one layer."""

    layer: str
    #: "" where all is well.
    wrong: str = ""
    #: The command, or the thing, to do next.
    then: str = ""
    #: 1: it needs attention; 2: the configuration; 3: it cannot be told.
    code: int = 1


def doctor(config: Config = None) -> None:
    """Look at every layer from the configuration to what waits."""
    worst = 0
    for one in _layers(config):
        verdict = f"{one.wrong} → {one.then}" if one.wrong else "OK"
        print_line(f"{one.layer + ':':<15}{verdict}")
        if one.wrong:
            worst = max(worst, one.code)
    if worst:
        raise typer.Exit(worst)


def _layers(config: Path | None) -> Iterator[LayerState]:
    """Each layer; those below one that cannot be looked at are left out."""
    try:
        settings = load(config)
        preflight(settings)
    except ConfigError as error:
        yield _configuration(error)
        return
    yield LayerState(layer="configuration")
    yield _channels(settings)
    client = ServiceClient(config)
    try:
        waiting = client.read("waiting")
    except CasebellError as error:
        yield _storage(error)
        return
    yield LayerState(layer="storage")
    yield _server(client)
    failed, held = waiting["failed"], waiting["held"]
    yield LayerState(
        layer="alerts",
        wrong=f"{failed} failed" if failed else "",
        then="casebell alerts list --state failed",
    )
    yield LayerState(
        layer="held",
        wrong=f"{held} could not be understood" if held else "",
        then="casebell held list",
    )


def _configuration(error: ConfigError) -> LayerState:
    first, *others = error.problems
    key = f"{first.key}: " if first.key else ""
    more = f" (and {len(others)} more)" if others else ""
    return LayerState(
        layer="configuration",
        wrong=f"{key}{first.message.rstrip('.')}{more}",
        # Where no file was found there is nothing to check.
        then="casebell init" if isinstance(error, ConfigNotFound) else "casebell check",
        code=error.exit_code,
    )


def _channels(settings: Settings) -> LayerState:
    layer = "channels"
    try:
        Runtime(settings, clock=SystemClock())
    except CasebellError:
        return LayerState(layer=layer, wrong="one cannot be loaded", then="casebell check")
    if not settings.channels:
        wrong = "there is none, so nobody is alerted"
        return LayerState(layer=layer, wrong=wrong, then=f"add one to {settings.path}")
    return LayerState(layer=layer)


def _storage(error: CasebellError) -> LayerState:
    if isinstance(error, NothingStored):
        wrong, then = "there is no database yet", "casebell serve"
    else:
        wrong = error.message.rstrip(".")
        then = error.hint or "see that storage.url is right and may be read by this user"
    return LayerState(layer="storage", wrong=wrong, then=then, code=3)


def _server(client: ServiceClient) -> LayerState:
    layer = "server"
    try:
        checks = client.ask_server("checks", timeout=READ_TIMEOUT)
    except CasebellError:
        wrong = "it does not answer"
        return LayerState(layer=layer, wrong=wrong, then="look at its log, restart it", code=3)
    if checks is None:
        return LayerState(layer=layer, wrong="it does not run", then="casebell serve", code=3)
    failing = [name for name, state in checks.items() if state != "ok"]
    if failing:
        wrong = f"not ready: {', '.join(failing)}"
        return LayerState(layer=layer, wrong=wrong, then="look at its log")
    return LayerState(layer=layer)
