"""`casebell doctor`: one line for each layer, OK or the next command to run."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx2
import typer

from casebell.app import Runtime
from casebell.cli.options import Config, door_for, reading, run, settings_for, trust
from casebell.cli.terminal import line
from casebell.clock import SystemClock
from casebell.errors import CasebellError, ConfigError, NotFound
from casebell.settings import Settings
from casebell.store import queries
from casebell.store.engine import is_locked


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What is known of one layer."""

    layer: str
    #: "" where all is well.
    wrong: str = ""
    #: The command, or the thing, to do next.
    then: str = ""
    #: 1: it needs attention; 3: it cannot be told.
    code: int = 1


def doctor(context: typer.Context, config: Config = None) -> None:
    """Look at every layer from the configuration to what waits."""
    try:
        settings = settings_for(context, config)
    except ConfigError as error:
        found = [
            Finding(
                layer="configuration",
                wrong=error.problems[0].message if error.problems else error.message,
                then="casebell check",
                code=error.exit_code,
            )
        ]
    else:
        found = [Finding(layer="configuration"), _channels(settings)]
        found += run(_running(settings))
    for one in found:
        verdict = f"{one.wrong} → {one.then}" if one.wrong else "OK"
        line(f"{one.layer + ':':<15}{verdict}")
    worst = max((one.code for one in found if one.wrong), default=0)
    if worst:
        raise typer.Exit(worst)


def _channels(settings: Settings) -> Finding:
    try:
        Runtime.wire(settings, clock=SystemClock())
    except CasebellError:
        return Finding(layer="channels", wrong="a channel cannot be loaded", then="casebell check")
    if not settings.channels:
        wrong = "there is none, so nobody is alerted"
        return Finding(layer="channels", wrong=wrong, then="add one to the configuration")
    return Finding(layer="channels")


async def _running(settings: Settings) -> list[Finding]:
    try:
        async with reading(settings) as connection:
            waiting = await queries.backlog(connection)
    except NotFound:
        wrong = "there is no database yet"
        return [Finding(layer="storage", wrong=wrong, then="casebell serve", code=3)]
    except CasebellError as error:
        then = error.hint or "check storage.url and the folder's permissions"
        return [Finding(layer="storage", wrong=error.message, then=then, code=3)]
    return [Finding(layer="storage"), await _server(settings), *_waiting(waiting)]


async def _server(settings: Settings) -> Finding:
    layer = "server"
    database = settings.storage.sqlite_path
    if database is not None and not is_locked(database):
        return Finding(layer=layer, wrong="it does not run", then="casebell serve", code=3)
    door = door_for(settings)
    scheme = "https" if settings.server.tls_cert else "http"
    url = door.url if door else f"{scheme}://{settings.server.host}:{settings.server.port}"
    try:
        async with httpx2.AsyncClient(timeout=5, trust_env=False, verify=trust(settings)) as client:
            response = await client.get(f"{url}/ready")
            checks = response.json()["checks"]
    except (httpx2.HTTPError, ValueError, KeyError, OSError):
        wrong = "it does not answer"
        return Finding(layer=layer, wrong=wrong, then="look at its log, restart it", code=3)
    failing = [name for name, state in checks.items() if state != "ok"]
    if failing:
        wrong = f"not ready: {', '.join(failing)}"
        return Finding(layer=layer, wrong=wrong, then="look at its log")
    return Finding(layer=layer)


def _waiting(waiting: Mapping[str, int]) -> list[Finding]:
    told = {
        "failed": ("alerts", "alerts that failed", "casebell alerts list --state failed"),
        "held": ("held", "deliveries held", "casebell held list"),
    }
    return [
        Finding(layer=layer, wrong=f"{waiting[key]} {what}" if waiting[key] else "", then=then)
        for key, (layer, what, then) in told.items()
    ]
