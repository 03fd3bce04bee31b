"""`casebell check`: would this configuration do what the firm means?"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from casebell.alerts import Alert, AlertKind
from casebell.cli.local_service import store_for_reading
from casebell.cli.options import Config, unusable_is_no
from casebell.cli.otherwise import print_otherwise
from casebell.cli.preflight import preflight
from casebell.cli.terminal import print_json, print_line, print_rows
from casebell.clock import SystemClock, iso
from casebell.errors import CasebellError
from casebell.events import Case, Delivery, VerifiedDelivery
from casebell.http.certificate import Certificate
from casebell.notify.channel import Channel, Channels, Policy
from casebell.notify.load import policies
from casebell.notify.render import CaseFacts, render_case
from casebell.people.calendars import calendars_of
from casebell.receive.understand import understand
from casebell.route.classification import Meanings, classify_event
from casebell.route.rules import compile_rules
from casebell.runtime import Runtime
from casebell.sandbox.deliveries import SAMPLES, body_of
from casebell.service.reach import Reach, reach_of
from casebell.service.rules import Coverage, who_hears
from casebell.service.rules_in_words import heard, reached
from casebell.settings import ChannelSettings, Settings, SourceSettings, load
from casebell.settings.calendars import Elapsed
from casebell.settings.models import Escalation
from casebell.settings.sources import WEBHOOKS
from casebell.times import counted, lasting, local_time


def check(
    as_json: Annotated[
        bool, typer.Option("--json", help="Who hears of what, one JSON object a line.")
    ] = False,
    over: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help='What this file would have decided otherwise, of the changes of the last "30d".',
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Check configuration, channels and messages; print who hears of each status and tag."""
    with unusable_is_no():
        settings = load(config)
        preflight(settings)
        runtime = Runtime(settings, clock=SystemClock())
    if over is not None:
        print_otherwise(runtime, over=over, as_json=as_json)
        return
    covered = who_hears(settings)
    channels = runtime.dispatcher.channels
    reach, unknown = _reach(settings, channels)
    if as_json:
        for row in _rows(settings, channels, covered, reach):
            print_json(row)
        return
    count = _render_samples(policies(settings))
    _print_settings(settings, channels.by_name)
    print_rows(
        list(map(heard, covered)),
        {"OF": "of", "WHO HEARS": "who", "BY RULE": "by", "NOTE": "note"},
        as_json=False,
        empty="There are no rules.",
        whole=True,
    )
    print_line()
    if reach is None:
        print_line(f"How many cases each rule reaches is not known: {unknown}")
    else:
        print_rows(
            list(reached(reach)),
            {"TODAY": "of", "REACHES": "reaches"},
            as_json=False,
            empty="There are no rules.",
            whole=True,
        )
    print_line()
    for warning in (*runtime.in_force.wiring.warnings, *_doubts_of_certificate(settings)):
        print_line(f"Warning: {warning}")
    print_line(f"{count} sample messages rendered." if count else "No channel: nobody is alerted.")
    print_line("The configuration is good.")


def _reach(settings: Settings, channels: Channels) -> tuple[Reach | None, str]:
    """How many cases are reached; or why that is not known."""

    async def look() -> Reach:
        async with store_for_reading(settings) as store, store.read() as connection:
            rules = compile_rules(settings.rules)
            return await reach_of(connection, rules, roster=channels.roster)

    try:
        return asyncio.run(look()), ""
    except CasebellError as error:
        return None, error.message


def _rows(
    settings: Settings,
    channels: Channels,
    covered: Sequence[Coverage],
    reach: Reach | None,
) -> Iterator[Mapping[str, Any]]:
    """Who hears of what, and how many cases are reached, as objects of the same keys."""
    whole = reach and reach.cases
    nothing: dict[str, Any] = {"from": [], "to": [], "cases": None, "of": None}
    for row in covered:
        yield {**row, **nothing}
    for rule in settings.rules:
        yield {
            "kind": "rule",
            "value": rule.name,
            "channels": list(rule.notify),
            "rules": [rule.name],
            "note": "",
            **nothing,
            "cases": reach and reach.rules[rule.name],
            "of": whole,
        }
    for channel in channels.by_name.values():
        owners = reach and reach.owners.get(channel.name)
        yield {
            "kind": "channel",
            "value": channel.name,
            "channels": [channel.name],
            "rules": [rule.name for rule in settings.rules if channel.name in rule.notify],
            "note": "",
            "from": _senders(channel),
            "to": _recipients(channel),
            "cases": owners,
            "of": None if owners is None else whole,
        }


def _senders(channel: Channel) -> list[str]:
    return list(dict.fromkeys(route.sender for route in channel.routes.values() if route.sender))


def _recipients(channel: Channel) -> list[str]:
    return [route.to for route in channel.routes.values()]


def _written(channel: Channel) -> str:
    """Whom a channel reaches, people as the configuration names them: they may be hundreds."""
    routes, recipients = channel.routes, channel.recipients
    to, otherwise = (
        ", ".join(routes[one].to if one in routes else one for one in some)
        for some in (recipients.to, recipients.unassigned)
    )
    return f"{to}; unassigned {otherwise}" if otherwise else to


def _waits(channel: ChannelSettings) -> str:
    """For what the ordinary alerts of a channel wait."""
    waits = [f"quiet outside {channel.quiet_outside}"] if channel.quiet_outside else []
    if channel.digest:
        waits.append(f"digest at {channel.digest.at} of {channel.digest.calendar}")
    return "".join(f"; {one}" for one in waits)


def _steps(escalation: Escalation) -> str:
    """Who is told again of what nobody has acknowledged, and when."""
    steps = []
    for step in escalation.steps:
        of = f" of {step.of}" if step.of else ""
        steps.append(f"{_lasting(step.after)}{of} → {', '.join(step.notify)}")
    if escalation.repeat:
        steps.append(f"again each {_lasting(escalation.repeat)}")
    return "; ".join([*steps, f"{lasting(escalation.stop)} → operations"])


def _lasting(elapsed: Elapsed) -> str:
    days = [counted(elapsed.days, "day")] if elapsed.days else []
    return " ".join([*days, *([lasting(elapsed.seconds)] if elapsed.seconds else [])])


def _doubts_of_certificate(settings: Settings) -> Iterator[str]:
    if settings.server.tls_cert:
        certificate = Certificate.read(settings.server.tls_cert)
        url, now = settings.server.public_url, SystemClock().now()
        yield from certificate.doubts(public_url=url, now=now)


def _print_settings(settings: Settings, channels: Mapping[str, Channel]) -> None:
    print_line(f"Configuration {settings.path}")
    print_line(f"Storage       {settings.storage.sqlite_path or settings.storage.kind}")
    for name, source in settings.sources.items():
        methods, secrets = " and ".join(source.auth), counted(len(source.secrets), "secret")
        print_line(f"Source        {name}: {methods}, {secrets}, {WEBHOOKS}{name}")
    for name, channel in channels.items():
        sender = f"from {', '.join(_senders(channel))} " if _senders(channel) else ""
        waits = _waits(settings.channels[name])
        print_line(f"Channel       {name}: {sender}to {_written(channel)}{waits}")
    if settings.server.tls_cert:
        certificate = Certificate.read(settings.server.tls_cert)
        ends_at = local_time(iso(certificate.ends_at), settings.server.timezone)
        print_line(f"Certificate   {', '.join(certificate.names)}, until {ends_at}")
    if settings.outward:
        print_line(f"Sending by    {', '.join(settings.outward)}")
    print_line(f"Operations    {', '.join(settings.ops.notify) or 'nobody'}")
    now = SystemClock().now()
    for name, calendar in calendars_of(settings.calendars).items():
        opens = "open now"
        if not calendar.is_open(now):
            opens = f"closed until {calendar.in_words(calendar.opens_at(now), now=now)}"
        print_line(f"Calendar      {name}: {opens}")
    for escalation in settings.escalations:
        print_line(f"Escalation    {escalation.name}: {_steps(escalation)}")
    print_line()


def _render_samples(policies: Mapping[str, Policy]) -> int:
    """Classify and render every sample for each channel; return how many messages were made.

    A mistake shows before a real delivery comes.
    """
    count = 0
    now = SystemClock().now()
    for kind, sample in SAMPLES.values():
        source = SourceSettings(name=kind.name, kind=kind.name, header="X-Sample")
        delivery = Delivery(
            source=kind.name,
            body=body_of(kind, sample, now=now),
            headers=(),
            address="",
            received_at=now,
            request_id="sample",
        )
        verified = VerifiedDelivery(delivery=delivery, secret_label=kind.name)
        event = understand(verified, source)
        classified = classify_event(event, Meanings(kinds={kind.name: kind.name}))
        for name, policy in policies.items():
            alert = Alert(
                id=0,
                kind=AlertKind.CASE,
                subject="sample",
                channel=name,
                target=name,
                rules=("sample",),
                urgent=False,
                attempts=1,
                created_at=now,
                may_repeat=False,
                event_id=0,
                change_id=0,
            )
            facts = CaseFacts(event_id=0, event=classified, case=Case(receipt=event.receipt))
            render_case(alert, facts, policy.style)
            count += 1
    return count
