"""`casebell doctor`: one line for each layer, OK or the next command to run.

It only looks: it makes no file of ours and takes no lock that could keep a server from starting.
"""

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from casebell.cli.options import Config
from casebell.cli.preflight import preflight
from casebell.cli.service_client import READ_TIMEOUT, ServiceClient
from casebell.cli.terminal import print_line
from casebell.clock import SystemClock
from casebell.errors import (
    CasebellError,
    ConfigError,
    ConfigNotFound,
    NothingStored,
)
from casebell.http.certificate import Certificate
from casebell.networks import host_of
from casebell.route.coverage import gaps_of
from casebell.runtime import Runtime
from casebell.service import troubles
from casebell.service.oidc.failures import OTHER_ISSUER, ProviderUnavailable
from casebell.service.troubles import Trouble
from casebell.settings import Settings, exposed, load, load_stored
from casebell.settings.models import Oidc

#: Bytes on the database's disk below which a week of an ordinary firm's traffic might not fit.
LOW_ROOM = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What is wrong with a layer."""

    what: str
    #: The command, or the thing, to do next.
    then: str
    #: 1: it needs attention; 2: the configuration; 3: it cannot be told.
    code: int = 1


def _fault(trouble: Trouble) -> Fault:
    return Fault(what=trouble.what, then=trouble.then)


def doctor(config: Config = None) -> None:
    """Look at every layer from the configuration to what waits."""
    worst = 0
    for layer, fault in _layers(config):
        verdict = f"{fault.what} → {fault.then}" if fault else "OK"
        print_line(f"{layer + ':':<15}{verdict}")
        worst = max(worst, fault.code if fault else 0)
    if worst:
        raise typer.Exit(worst)


def _layers(config: Path | None) -> Iterator[tuple[str, Fault | None]]:
    """Each layer by its name; those below one that cannot be looked at are left out."""
    try:
        settings = load(config)
        preflight(settings)
    except ConfigError as error:
        fault = _unusable(error)
        if not all(problem.absent for problem in error.problems):
            yield "configuration", fault
            return
        # As from cron: the rest can be looked at all the same, if the storage is known.
        try:
            settings = load_stored(config)
        except ConfigError:
            yield "configuration", fault
            return
        client = ServiceClient(config)
        yield "configuration", _known_to_server(fault) if _server(client) is None else fault
    else:
        found = next(exposed(settings.path), None)
        yield "configuration", Fault(what=found.what, then=found.then) if found else None
        yield "channels", _channels(settings)
        if settings.console.oidc is not None:
            yield "sign-in", _provider(settings.console.oidc)
        if not settings.ops.notify:
            for gap in gaps_of(settings):
                yield "rules", Fault(what=gap.what, then=gap.then)
        client = ServiceClient(config)
    try:
        waiting = client.read("waiting")
    except NothingStored:
        yield "storage", Fault(what="there is no database yet", then="casebell serve", code=3)
        return
    except CasebellError as error:
        then = error.hint or "see that storage.url is right and may be read by this user"
        unread = Fault(what=error.message.rstrip("."), then=then, code=3)
        yield "storage", replace(_storage(client, settings) or unread, code=3)
        return
    sound = _soundness(client)
    yield "storage", _storage(client, settings) or _altered(sound)
    server = _server(client)
    yield "server", server
    if server is None or server.code == 1:
        yield from _doubts(client)
    yield from _certificate(client, settings)
    failed, held = waiting["failed"], waiting["held"]
    list_failed, list_held = "casebell alerts list --outstanding", "casebell held list"
    for trouble in troubles.of_outbox(sound):
        yield "outbox", _fault(trouble)
    yield "alerts", Fault(what=f"{failed} failed", then=list_failed) if failed else None
    yield "held", Fault(what=f"{held} could not be understood", then=list_held) if held else None
    yield from _people(client)
    yield from _upstreams(client, settings)
    yield from _watched(client)
    yield from _refused(client)


def _unusable(error: ConfigError) -> Fault:
    first, *others = error.problems
    key = f"{first.key}: " if first.key else ""
    more = f" (and {len(others)} more)" if others else ""
    # Where no file was found there is nothing to check.
    then = "casebell init" if isinstance(error, ConfigNotFound) else "casebell check"
    return Fault(what=f"{key}{first.message.rstrip('.')}{more}", then=then, code=error.exit_code)


def _known_to_server(fault: Fault) -> Fault:
    """The same where a server runs: it was given what this command lacks."""
    return Fault(
        what=f"{fault.what}; the running server has it",
        then="to check it here too, run this with the server's environment",
        code=0,
    )


def _channels(settings: Settings) -> Fault | None:
    try:
        Runtime(settings, clock=SystemClock())
    except CasebellError:
        return Fault(what="one cannot be loaded", then="casebell check")
    if not settings.channels:
        return Fault(what="there is none, so nobody is alerted", then=f"add one to {settings.path}")
    if settings.alerts.pilot is None:
        return None
    return Fault(
        what=f"alerts.pilot is set: every message goes to {settings.alerts.pilot} alone",
        then="once the rules are right, take it out and casebell reload",
    )


def _provider(oidc: Oidc) -> Fault | None:
    """What keeps people from signing in over the identity provider, as this machine sees it."""
    # Authlib takes 0.2 s, and most have no provider.
    from casebell.service.oidc.id_token import LEEWAY
    from casebell.service.oidc.identity_provider import IdentityProvider

    host = host_of(oidc.issuer)
    provider = IdentityProvider(oidc, redirect_uri="", clock=SystemClock())
    try:
        ahead = asyncio.run(provider.look()).ahead or 0.0
    except ProviderUnavailable as error:
        mistaken = error.cause == OTHER_ISSUER
        then = "write it so, casebell reload" if mistaken else f"see that {host} can be reached"
        return Fault(what=f"nobody can sign in over {host}: {error.detail}", then=then)
    if abs(ahead) > LEEWAY:
        where = "ahead of" if ahead > 0 else "behind"
        apart = f"its clock is {abs(ahead):,.0f} s {where} this machine's"
        return Fault(what=f"nobody can sign in over {host}: {apart}", then="timedatectl")
    return None


def _storage(client: ServiceClient, settings: Settings) -> Fault | None:
    room = _room(settings)
    free = "" if room is None else f" {room / 2**20:,.1f} MiB of its disk are free."
    try:
        state = client.ask_server("storage", timeout=READ_TIMEOUT)
    except CasebellError:
        # What the server has to say of it is told by the next layer.
        state = None
    for trouble in troubles.of_storage(state or {"failing": False}):
        return Fault(what=f"{trouble.what}.{free}".rstrip("."), then=trouble.then)
    if room is not None and room < LOW_ROOM:
        folder = settings.storage.sqlite_path.parent if settings.storage.sqlite_path else ""
        return Fault(what=f"only{free}".rstrip("."), then=f"make room: df -h {folder}")
    return None


def _soundness(client: ServiceClient) -> Mapping[str, Any]:
    try:
        return dict(client.read("soundness"))
    except CasebellError:
        # A server of an earlier release does not know the question.
        return {"differences": (), "untold_changes": ()}


def _altered(sound: Mapping[str, Any]) -> Fault | None:
    return next(map(_fault, troubles.of_tables(sound)), None)


def _room(settings: Settings) -> int | None:
    """Bytes that are free where the database lies; None where that is not known."""
    if (database := settings.storage.sqlite_path) is None:
        return None
    try:
        return shutil.disk_usage(database.parent).free
    except OSError:
        return None


def _server(client: ServiceClient) -> Fault | None:
    try:
        checks = client.ask_server("checks", timeout=READ_TIMEOUT)
    except CasebellError:
        return Fault(what="it does not answer", then="look at its log, restart it", code=3)
    if checks is None:
        return Fault(what="it does not run", then="casebell serve", code=3)
    return next(map(_fault, troubles.of_checks(checks)), None)


def _certificate(client: ServiceClient, settings: Settings) -> Iterator[tuple[str, Fault | None]]:
    """The certificate that the server uses, else the one that it would."""
    file = settings.server.tls_cert
    if file is None:
        return
    now, url = SystemClock().now(), settings.server.public_url
    try:
        live = client.ask_server("certificate", timeout=READ_TIMEOUT)
        used = Certificate.told(live) if live else Certificate.read(file)
    except (CasebellError, OSError):
        # What the server has to say of it is told by another layer.
        return
    found = list(used.doubts(public_url=url, now=now))
    if live and live["fault"]:
        found.append(f"A renewed one cannot be used: {live['fault']}.")
    then = "renew it; the server uses new files by itself"
    yield "certificate", Fault(what=" ".join(found).rstrip("."), then=then) if found else None


def _people(client: ServiceClient) -> Iterator[tuple[str, Fault | None]]:
    """Who cannot be told, and the open changes to which nobody may see."""
    try:
        people, owners = client.read("list_people"), client.read("owners_in_doubt")
    except CasebellError:
        # A server of an earlier release does not know the questions.
        return
    if not people:
        # Whose a case is makes no difference to whom alerts go.
        return
    faults = [_fault(one) for one in (*troubles.of_people(people), *troubles.of_owners(owners))]
    away = [replace(_fault(one), code=0) for one in troubles.of_absent_owners(owners)]
    for fault in (*faults, *away) or (None,):
        yield "people", fault


def _upstreams(client: ServiceClient, settings: Settings) -> Iterator[tuple[str, Fault | None]]:
    """The provider's APIs: a running server asks whether each is there; without one nobody does."""
    if not settings.upstream:
        return
    try:
        found = client.ask_server("list_upstreams", timeout=READ_TIMEOUT)
    except CasebellError:
        # A server of an earlier release does not know the question.
        return
    if found is None:
        return
    for fault in list(map(_fault, troubles.of_upstreams(found))) or (None,):
        yield "upstream", fault


def _watched(client: ServiceClient) -> Iterator[tuple[str, Fault | None]]:
    """What keeps silent: sources, channels that are seldom used, and the heartbeat.

    Without a server nothing would be heard, or sent: another layer says so.
    """
    try:
        completeness = client.ask_server("completeness", timeout=READ_TIMEOUT)
        channels = client.ask_server("list_channels", timeout=READ_TIMEOUT)
        heartbeat = client.ask_server("heartbeat", timeout=READ_TIMEOUT)
    except CasebellError:
        # A server of an earlier release does not know the questions.
        return
    if completeness is None or channels is None or heartbeat is None:
        return
    for trouble in troubles.of_silence(completeness):
        yield "silence", _fault(trouble)
    for trouble in troubles.of_self_tests(channels, now=SystemClock().now()):
        yield "self-test", _fault(trouble)
    if heartbeat["configured"]:
        yield "heartbeat", next(map(_fault, troubles.of_heartbeat(heartbeat)), None)


def _refused(client: ServiceClient) -> Iterator[tuple[str, Fault | None]]:
    """What was refused of each source since its last authentic delivery, with the likely cause."""
    try:
        found = client.read("refused_in_a_row")
        lost = client.read("pushed_out")
    except CasebellError as error:
        then = error.hint or "casebell refused list"
        yield "refused", Fault(what=error.message.rstrip("."), then=then, code=3)
        return
    if not found and not lost:
        yield "refused", None
    for trouble in troubles.of_lost(lost):
        yield "refused", _fault(trouble)
    noise = {one["error"]: one["count"] for one in found if one.get("noise")}
    if noise:
        counts = ", ".join(f"{error} {count}" for error, count in noise.items())
        what = f"{sum(noise.values())} requests of scanners, none like a delivery ({counts})"
        yield "refused", Fault(what=what, then="nothing: an open port has them", code=0)
    for one in found:
        if one.get("noise"):
            continue
        number, count = one["refused"], one["count"]
        of = (
            f"{count} of source {one['source']} refused as {one['error']} since its last "
            "authentic delivery."
            if one["source"]
            else f"{count} that may have been deliveries, of no source, as {one['error']}."
        )
        kept = "casebell refused list" + (f" --source {one['source']}" if one["source"] else "")
        more = f"casebell refused why {number}" if number else kept
        yield (
            "refused",
            Fault(
                what=f"{of} {one['because'] or ''}".rstrip(". "),
                then=f"{one['next'].rstrip('.')}. More: {more}" if one["next"] else more,
                # A few are a stranger's, or somebody's who is setting up.
                code=1 if one["long"] else 0,
            ),
        )


def _doubts(client: ServiceClient) -> Iterator[tuple[str, Fault]]:
    """What a running server works with, and is probably not meant."""
    for trouble in troubles.of_proxy(client.ask_server("doubts", timeout=READ_TIMEOUT) or {}):
        yield "proxy", _fault(trouble)
