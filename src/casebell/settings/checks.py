"""Checks across keys: names that do not exist, methods without secrets.

The configuration that is checked may lack the parts of the file in which errors were found already.
Therefore `names` are taken from the file itself.
"""

from collections.abc import Collection, Iterator, Sequence
from urllib.parse import urlsplit

import msgspec

from casebell.networks import is_loopback
from casebell.settings import expressions, follow_up, people, source_secrets, time_zones, wordings
from casebell.settings.models import ChannelSettings, Document, Escalation, Rule, ServerSettings
from casebell.settings.places import Finding
from casebell.settings.sources import SourceSettings
from casebell.settings.upstream import UpstreamSettings
from casebell.settings.values import nearest

#: Headers that HTTP itself or a proxy writes: they carry nobody's secret.
NOT_FOR_SECRETS = frozenset(
    {"host", "content-length", "content-type", "content-encoding", "transfer-encoding",
     "connection", "keep-alive", "expect", "upgrade", "te", "trailer", "date", "via", "forwarded",
     "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "proxy-authorization",
     "proxy-connection"}
)  # fmt: skip

#: What is said in place of a source's name where there is none; see `casebell.store.streaks`.
NO_SOURCES = ("unknown", "noise")


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """The names of the file's sources and channels, including those with errors."""

    sources: Collection[str]
    channels: Collection[str]
    people: Collection[str]
    calendars: Collection[str]
    #: The channels that name a webhook, be it a wrong one.
    webhooks: Collection[str]


def check(document: Document, names: Names) -> Iterator[Finding]:
    """The errors between keys that are valid by themselves."""
    yield from _server(document.server)
    yield from _oidc(document)
    if not names.sources:
        yield Finding(
            loc=("sources",),
            message="There is no source: nobody could deliver anything.",
            hint="Begin with [sources.parley]; config.example.toml shows how.",
        )
    for source in document.sources.values():
        yield from _source(source)
    for channel in document.channels.values():
        yield from _channel(channel, document, names)
    yield from people.findings(document, channels=names.channels, known=names.people)
    yield from _rules(document.rules, names, section="rules")
    yield from _rules(document.escalations, names, section="escalations")
    yield from follow_up.findings(document, channels=names.channels, known=names.calendars)
    for place, channel_name in enumerate(document.ops.notify):
        if channel_name not in names.channels:
            yield _no_channel(("ops", "notify", place), channel_name, names)
    for upstream in document.upstream.values():
        yield from _upstream(upstream, document, names)


def _server(server: ServerSettings) -> Iterator[Finding]:
    if (server.tls_cert is None) != (server.tls_key is None):
        missing = "tls_cert" if server.tls_cert is None else "tls_key"
        yield Finding(
            loc=("server", missing),
            message="A certificate and its key are needed together.",
            hint="Set both for TLS here, or neither behind a proxy.",
        )


def _oidc(document: Document) -> Iterator[Finding]:
    if (oidc := document.console.oidc) is None:
        return
    if document.people_url is None:
        yield Finding(
            loc=("console", "public_url"),
            message="The identity provider sends people back to this address, and there is none.",
            hint="Set it, or server.public_url, to how people reach the pages; tell the provider "
            "<public_url>/sign-in/oidc/callback.",
        )
    if not (oidc.roles or oidc.emails):
        yield Finding(
            loc=("console", "oidc"),
            message="Nobody would get in: no group, app role or address has a role.",
            hint='Write roles = { "the group" = "viewer" }, or emails.',
        )


def _upstream(upstream: UpstreamSettings, document: Document, names: Names) -> Iterator[Finding]:
    loc = ("upstream", upstream.name)
    if upstream.source not in names.sources:
        yield Finding(
            loc=(*loc, "source"),
            message="There is no such source.",
            hint=nearest(upstream.source, names.sources),
        )
    if upstream.prefix and upstream.base.endswith(upstream.prefix):
        yield Finding(
            loc=(*loc, "base"),
            message="This ends with the version, which `prefix` adds once more.",
            hint=f"Take {upstream.prefix} away from its end.",
        )
    source = document.sources.get(upstream.source)
    if upstream.secret_file is not None and source is not None and "hmac" not in source.auth:
        yield Finding(
            loc=(*loc, "secret_file"),
            message="The secret of a subscription signs, and the source verifies no signatures.",
            hint=f'Add "hmac" to auth of [sources.{source.name}], or name another source.',
        )


def _source(source: SourceSettings) -> Iterator[Finding]:
    loc = ("sources", source.name)
    if source.name in NO_SOURCES:
        yield Finding(
            loc=loc,
            message="Logs, metrics and messages have this name for deliveries to no source.",
            hint="Name the source after its provider.",
        )
    if source.max_age < source.tolerance:
        yield Finding(loc=(*loc, "max_age"), message="This is shorter than `tolerance`.")
    yield from _headers(source)
    yield from source_secrets.findings(source)
    yield from _volatile(source)


def _headers(source: SourceSettings) -> Iterator[Finding]:
    loc = ("sources", source.name)
    given = source.model_fields_set
    both = len(set(source.auth)) > 1
    if "header" in given and (both or given & {"signature_header", "secret_header"}):
        yield Finding(
            loc=(*loc, "header"),
            message="`header` speaks for a source with one method and no other header key.",
            hint="Write signature_header and secret_header instead.",
        )
    elif "shared-secret" in source.auth and source.secret_header is None:
        yield Finding(
            loc=(*loc, "secret_header" if both else "header"),
            message="The header that carries the shared secret must be named.",
            hint="The provider's onboarding pack says which; there is no usual one.",
        )
    for key in ("header", "signature_header", "secret_header"):
        if str(getattr(source, key)).lower() in NOT_FOR_SECRETS and key in given:
            yield Finding(
                loc=(*loc, key),
                message="This header can carry neither a signature nor a secret.",
                hint="HTTP or a proxy writes it. The provider's onboarding pack names the header.",
            )
    unused = {"hmac": "signature_header", "shared-secret": "secret_header"}
    for method, key in unused.items():
        if method not in source.auth and key in given:
            yield Finding(
                loc=(*loc, key),
                message=f"This source does not use {method}.",
                hint="Take the key out, or add the method to `auth`.",
            )


def _volatile(source: SourceSettings) -> Iterator[Finding]:
    """Paths whose change would no longer be seen, though it is one of the case."""
    fields = source.fields
    telling = [*fields.type, *fields.receipt, *fields.status, *fields.category, *fields.text]
    telling += fields.occurred_at
    for place, path in enumerate(source.volatile):
        covers = {path} if "." in path else {path, f"data.{path}"}
        if any(f"{told}.".startswith(f"{one}.") for told in telling for one in covers):
            yield Finding(
                loc=("sources", source.name, "volatile", place),
                message="This holds what the source says of a case: a change of it would be muted.",
                hint="Name only fields that say nothing of a case, such as a counter of attempts.",
            )


def _channel(channel: ChannelSettings, document: Document, names: Names) -> Iterator[Finding]:
    loc = ("channels", channel.name)
    if channel.name in names.webhooks:
        yield from _webhook(channel, document)
        yield from _fallback(channel, document, names)
        return
    if channel.secret:
        yield Finding(
            loc=(*loc, "secret"),
            message="Only a webhook is signed, and this channel has none.",
            hint="Write the address in `webhook`, or take the secret out.",
        )
    if {"url", "urls"} <= channel.model_fields_set:
        yield Finding(loc=(*loc, "urls"), message="Write either `url` or `urls`, not both.")
    elif not channel.urls:
        yield Finding(
            loc=(*loc, "url"),
            message="This channel leads nowhere.",
            hint='Write url = "${VARIABLE}", or `webhook` for a program that takes JSON; '
            "docs/add-a-channel.md shows both.",
        )
    if channel.to and len(channel.urls) > 1:
        yield Finding(
            loc=(*loc, "to"),
            message="Recipients belong to a single URL, and this channel has several.",
            hint="Make a channel of each URL.",
        )
    given = {"user", "password"} & channel.model_fields_set
    for key in sorted(given):
        if len(channel.urls) > 1:
            yield Finding(
                loc=(*loc, key),
                message="A login belongs to a single URL, and this channel has several.",
                hint="Make a channel of each URL.",
            )
    if len(given) == 1:
        missing = "password" if "user" in given else "user"
        yield Finding(
            loc=(*loc, missing),
            message="A user and its password are needed together.",
            hint="Without both there would be no login.",
        )
    heard: set[str] = set()
    for place, recipient in enumerate(channel.to):
        if recipient.strip().casefold() in heard:
            yield Finding(loc=(*loc, "to", place), message="This recipient is there already.")
        heard.add(recipient.strip().casefold())
    yield from _fallback(channel, document, names)


#: By key that has no meaning beside `webhook`, why.
_NOT_WITH_WEBHOOK = {
    "url": ("Write either `url` or `webhook`, not both.", "Make a channel of each."),
    "urls": ("Write either `urls` or `webhook`, not both.", "Make a channel of each."),
    "to": (
        "A webhook has no recipients: its receiver is the one target.",
        "Take the key out.",
    ),
    "digest": (
        "A program reads each alert by itself.",
        "Take the key out; `quiet_outside` works for a webhook, too.",
    ),
    "unassigned": (
        "A webhook has no recipients: its receiver is the one target.",
        "Take the key out.",
    ),
    "user": ("A webhook takes no login.", "`secret` signs what is sent."),
    "password": ("A webhook takes no login.", "`secret` signs what is sent."),
    "disclose": (
        "A webhook carries the whole alert and its event, whatever this says.",
        "Take the key out; for less use a channel with a `url`.",
    ),
}


def _webhook(channel: ChannelSettings, document: Document) -> Iterator[Finding]:
    loc = ("channels", channel.name)
    for key, (message, hint) in _NOT_WITH_WEBHOOK.items():
        if key in channel.model_fields_set:
            yield Finding(loc=(*loc, key), message=message, hint=hint)
    if not channel.secret:
        yield Finding(
            loc=(*loc, "secret"),
            message="A webhook is signed, and there is no secret for it.",
            hint='Write secret = "${VARIABLE}"; `echo "whsec_$(openssl rand -base64 32)"` makes '
            "one.",
        )
    address = urlsplit(channel.webhook.get_secret_value() if channel.webhook else "")
    allowed = [schema.lower() for schema in document.alerts.schemas]
    if allowed and channel.webhook and address.scheme not in allowed:
        yield Finding(
            loc=(*loc, "webhook"),
            message=f"{address.scheme}:// is not among the schemas allowed here.",
            hint="`alerts.schemas` lists them.",
        )
    if (
        address.scheme == "http"
        and not channel.insecure
        and not is_loopback(address.hostname or "")
    ):
        yield Finding(
            loc=(*loc, "webhook"),
            message="This sends alerts as plain text over the network.",
            hint="Write https://, or set `insecure = true`.",
        )


def _fallback(channel: ChannelSettings, document: Document, names: Names) -> Iterator[Finding]:
    loc = ("channels", channel.name, "fallback")
    if channel.fallback is None:
        return
    if channel.fallback not in names.channels:
        yield _no_channel(loc, channel.fallback, names)
        return
    passed = [channel.name]
    following: str | None = channel.fallback
    while following is not None and following not in passed:
        passed.append(following)
        next_channel = document.channels.get(following)
        following = None if next_channel is None else next_channel.fallback
    # A longer ring is reported once: at its first channel in the file.
    order = list(document.channels)
    if following == channel.name and channel.name == min(passed, key=order.index):
        ring = "itself" if len(passed) == 1 else "itself in a ring"
        yield Finding(
            loc=loc,
            message=f"This channel falls back to {ring}.",
            hint="Name a channel that fails for other reasons, or none.",
        )


def _rules(rules: Sequence[Rule | Escalation], names: Names, *, section: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for number, rule in enumerate(rules):
        if rule.name in seen:
            yield Finding(
                loc=(section, number, "name"),
                message=f"Another {section.removesuffix('s')} has the same name.",
                hint="`casebell why` tells them apart by their names.",
            )
        seen.add(rule.name)
        for choice, when in enumerate(rule.when):
            for place, source in enumerate(when.source):
                if source not in names.sources:
                    yield Finding(
                        loc=(section, number, "when", choice, "source", place),
                        message="There is no such source.",
                        hint=nearest(source, names.sources),
                    )
        for place, channel in enumerate(rule.notify if isinstance(rule, Rule) else ()):
            if channel not in names.channels:
                yield _no_channel((section, number, "notify", place), channel, names)


def _no_channel(loc: tuple[str | int, ...], given: str, names: Names) -> Finding:
    return Finding(
        loc=loc, message="There is no such channel.", hint=nearest(given, names.channels)
    )


def warnings(document: Document) -> Iterator[str]:
    """Sentences on settings that work, but may be mistakes."""
    if not document.ops.notify:
        yield "ops.notify is empty: nobody hears of held deliveries or failing channels."
    if not any(rule.notify and any(w.is_empty for w in rule.when) for rule in document.rules):
        yield (
            "No rule with `when = {}` notifies a channel: a change that meets no other rule "
            "reaches nobody."
        )
    if document.console.listen and document.server.public_url and not document.console.public_url:
        yield (
            "console.listen keeps the pages off the address of deliveries, and the links of alerts "
            "lead to server.public_url: set console.public_url, or pass /events there on to it."
        )
    zones = {"server": document.server.timezone} | {
        f"sources.{name}": source.timezone for name, source in document.sources.items()
    }
    for section, zone in zones.items():
        if meant := time_zones.without_summer_time(zone):
            yield (
                f"{section}.timezone = {zone!r} never has summer time. Where people have it, write "
                f"{meant!r}."
            )
    yield from people.remarks(document)
    yield from follow_up.remarks(document)
    yield from source_secrets.remarks(document.sources.values())
    yield from wordings.remarks(document.wordings)
    for rule in document.rules:
        for notice in dict.fromkeys(_read_otherwise(rule)):
            yield f"Rule “{rule.name}”: {notice}"
    if document.alerts.pilot is not None:
        yield (
            f"alerts.pilot is set: every message goes to channels.{document.alerts.pilot} alone, "
            "and nobody whom the rules name is told."
        )
    for channel in document.channels.values():
        if channel.insecure:
            yield f"channels.{channel.name} may send alerts in plain text (insecure = true)."


def _read_otherwise(rule: Rule) -> Iterator[str]:
    for when in rule.when:
        for value in when.text:
            if expression := expressions.inside(value):
                yield from expressions.differences_from_python(expression)
