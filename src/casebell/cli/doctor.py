"""`casebell doctor`: one line for each layer, OK or the next command to run.

It only looks: it makes no file of ours and takes no lock that could keep a server from starting.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import typer

from casebell.cli.asking import READ_TIMEOUT, Asking
from casebell.cli.here import NothingStored
from casebell.cli.options import Config, settings_for
from casebell.cli.startable import see_startable
from casebell.cli.terminal import line
from casebell.clock import SystemClock
from casebell.errors import CasebellError, ConfigError
from casebell.runtime import Runtime
from casebell.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What is known of one layer."""

    layer: str
    #: "" where all is well.
    wrong: str = ""
    #: The command, or the thing, to do next.
    then: str = ""
    #: 1: it needs attention; 2: the configuration; 3: it cannot be told.
    code: int = 1


def doctor(context: typer.Context, config: Config = None) -> None:
    """Look at every layer from the configuration to what waits."""
    try:
        settings = settings_for(context, config)
        see_startable(settings)
    except ConfigError as error:
        found = [_configuration(error)]
    else:
        found = [Finding(layer="configuration"), _channels(settings)]
        found += _running(Asking(context, config))
    for one in found:
        verdict = f"{one.wrong} → {one.then}" if one.wrong else "OK"
        line(f"{one.layer + ':':<15}{verdict}")
    worst = max((one.code for one in found if one.wrong), default=0)
    if worst:
        raise typer.Exit(worst)


def _configuration(error: ConfigError) -> Finding:
    first, *others = error.problems
    key = f"{first.key}: " if first.key else ""
    more = f" (and {len(others)} more)" if others else ""
    return Finding(
        layer="configuration",
        wrong=f"{key}{first.message.rstrip('.')}{more}",
        # Where no file was found there is nothing to check.
        then="casebell check" if first.key or "/" in first.where else "casebell init",
        code=error.exit_code,
    )


def _channels(settings: Settings) -> Finding:
    layer = "channels"
    try:
        Runtime(settings, clock=SystemClock())
    except CasebellError:
        return Finding(layer=layer, wrong="one cannot be loaded", then="casebell check")
    if not settings.channels:
        wrong = "there is none, so nobody is alerted"
        return Finding(layer=layer, wrong=wrong, then=f"add one to {settings.path}")
    return Finding(layer=layer)


def _running(asking: Asking) -> list[Finding]:
    try:
        waiting = asking.read("waiting")
    except NothingStored:
        wrong = "there is no database yet"
        return [Finding(layer="storage", wrong=wrong, then="casebell serve", code=3)]
    except CasebellError as error:
        then = error.hint or "see that storage.url is right and may be read by this user"
        return [Finding(layer="storage", wrong=error.message.rstrip("."), then=then, code=3)]
    return [Finding(layer="storage"), _server(asking), *_waiting(waiting)]


def _server(asking: Asking) -> Finding:
    layer = "server"
    try:
        checks = asking.server("checks", timeout=READ_TIMEOUT)
    except CasebellError:
        wrong = "it does not answer"
        return Finding(layer=layer, wrong=wrong, then="look at its log, restart it", code=3)
    if checks is None:
        return Finding(layer=layer, wrong="it does not run", then="casebell serve", code=3)
    failing = [name for name, state in checks.items() if state != "ok"]
    if failing:
        wrong = f"not ready: {', '.join(failing)}"
        return Finding(layer=layer, wrong=wrong, then="look at its log")
    return Finding(layer=layer)


def _waiting(waiting: Mapping[str, int]) -> list[Finding]:
    failed, held = waiting["failed"], waiting["held"]
    return [
        Finding(
            layer="alerts",
            wrong=f"{failed} failed" if failed else "",
            then="casebell alerts list --state failed",
        ),
        Finding(
            layer="held",
            wrong=f"{held} could not be understood" if held else "",
            then="casebell held list",
        ),
    ]
