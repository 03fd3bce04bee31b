"""Loads the services of a channel's URLs, or raises their problems.

Apprise is lenient when it loads a URL: it drops a mistyped address, makes up a recipient or a
sender where none is named, and would run a program on this machine. Here each of these is a
`Problem`, as is what `apprise_url` and `apprise_route` find. A problem never repeats a URL or a
part of one (docs/decisions/0021-channels-are-read-strictly.md).

Reaches into apprise: attributes of plug-ins, of the class (schemas, templates) and of the instance
(host, login, port, secured mail, format, limits, decorations, time-outs).
"""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import quote

from apprise import Apprise, AppriseAsset
from apprise.exception import AppriseImproperlyConfigured
from apprise.plugins.base import NotifyBase

from casebell.alerts import PERSONAL
from casebell.errors import ConfigError, Problem
from casebell.networks import is_loopback
from casebell.notify.apprise_forms import complete, form_of
from casebell.notify.apprise_mail import MailTransport
from casebell.notify.apprise_plugin import PlugInTransport
from casebell.notify.apprise_route import (
    MAIL,
    SEPARATORS,
    expect_a_recipient,
    expect_one_recipient,
    is_mail,
    name_recipient,
    refuse_mail,
    route_of,
)
from casebell.notify.apprise_urgency import COLORS, urgent_parts
from casebell.notify.apprise_url import NotUsable, plugins, read_url, schemas_of
from casebell.notify.apprise_warnings import kept_warnings, mute_loggers, without_url
from casebell.notify.channel import Route
from casebell.notify.transport import Transport
from casebell.settings import ChannelSettings

#: Share of the channel's timeout that one wait on a socket may take. Less than 1, so that a service
#: that does not answer is reported as such, and not as an abandoned thread.
_SOCKET_SHARE = 0.9

#: A mail plug-in's mode without TLS. Its constant is in a module whose import imports PGP.
_INSECURE_MAIL = "insecure"
#: Schemas that plug-ins call secure, although they open a bare socket.
_NEVER_ENCRYPTED = frozenset({"aprs", "smpps"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """One loaded service with one recipient."""

    #: Its schema, without the mark for TLS: "slack", "mailto".
    kind: str
    plug_in: NotifyBase = field(repr=False)
    transport: Transport = field(repr=False)
    #: Whether it uses a library whose exchanges are recorded.
    watched: bool
    route: Route


def load_services(settings: ChannelSettings, *, schemas: Sequence[str]) -> dict[str, Service]:
    """The services by safe label, in the order of the configuration; people's are not among them.

    `schemas` are those that the operator allows; empty allows all that do not act on this machine.

    Raises:
        ConfigError: with every problem.
    """
    mute_loggers()
    plugins()
    where = f"channels.{settings.name}"
    several = len(settings.urls) > 1
    written = [entry.strip() for entry in (*settings.to, *settings.unassigned)]
    addresses = [entry for entry in written if not entry.startswith(PERSONAL)]
    recipients: Sequence[str | None] = addresses if written else [None]
    services: dict[str, Service] = {}
    problems: list[Problem] = []
    for place, secret in enumerate(settings.urls, start=1):
        url = secret.get_secret_value().strip()
        url_key = f"urls[{place}]" if several else "url"
        for recipient in recipients:
            try:
                service = _load(url, recipient, settings=settings, schemas=schemas)
            except NotUsable as wrong:
                key = f"{where}.{wrong.key or url_key}"
                problems.append(Problem(key=key, message=wrong.message, hint=wrong.hint))
                continue
            label = recipient or service.kind
            if several and not recipient:
                # Not the place of the URL: if the order of `urls` changes, an alert that waits must
                # not go to another chat.
                label += f"-{hashlib.sha256(url.encode()).hexdigest()[:6]}"
            if label in services:
                twice = f"{where}.{'to' if recipient else url_key}"
                problems.append(Problem(key=twice, message=f"names the target {label} twice"))
            services[label] = service
    if problems:
        # A mistake in the URL is found once for each recipient.
        raise ConfigError(list(dict.fromkeys(problems)))
    return services


def load_recipient(
    recipient: str, settings: ChannelSettings, *, schemas: Sequence[str]
) -> Service | None:
    """The service of a person's address; None where this channel does not take it."""
    (url,) = settings.urls
    try:
        return _load(url.get_secret_value().strip(), recipient, settings=settings, schemas=schemas)
    except NotUsable:
        return None


def _load(
    url: str, recipient: str | None, *, settings: ChannelSettings, schemas: Sequence[str]
) -> Service:
    parts = read_url(url)
    plugin = plugins()[parts["schema"]]
    _refuse_schema(parts["schema"], plugin, schemas=schemas)
    if recipient is not None:
        name_recipient(parts, plugin, recipient)
    if settings.user is not None:
        _log_in(parts, plugin, settings)
    named = bool(parts.get("targets"))
    instance = _instantiate(parts, url, recipient)
    if settings.password and instance.password != settings.password.get_secret_value():
        raise NotUsable("is for services that take a login; this one takes none", key="password")
    if instance.port is not None and not 0 < instance.port < 65_536:
        raise NotUsable("has a port that does not exist", "Ports are 1 to 65535.")
    if not settings.insecure and _travels_in_plain_text(instance, schema=parts["schema"]):
        raise NotUsable(
            "sends messages as plain text over the network",
            "Use the service's encrypted URL (jsons://, mailtos://), or set `insecure = true`.",
        )
    expect_a_recipient(instance, named=named)
    expect_one_recipient(instance, recipient)
    if is_mail(instance):
        refuse_mail(instance, parts)
    module = sys.modules[type(instance).__module__]
    plain, secure = schemas_of(plugin)
    # "json" for jsons:// too, "workflows" for workflow:// too.
    kind = max(plain or secure, key=len)
    _settle(instance, kind, timeout=settings.timeout)
    transport: Transport
    if kind == MAIL:
        transport = MailTransport(instance)
    else:
        urgent = instance
        if given := urgent_parts(parts, plugin):
            urgent = _instantiate(given, url, recipient)
            _settle(urgent, kind, timeout=settings.timeout)
        form = form_of(instance, kind)
        transport = PlugInTransport(ordinary=instance, urgent=urgent, form=form)
    return Service(
        kind=kind,
        plug_in=instance,
        transport=transport,
        watched=hasattr(module, "requests") or hasattr(module, "smtplib"),
        route=route_of(instance, parts, to=recipient or kind),
    )


def _refuse_schema(schema: str, plugin: type[NotifyBase], *, schemas: Sequence[str]) -> None:
    templates: Sequence[str] = plugin.templates
    if any(template.rstrip("/") == "{schema}:" for template in templates):
        # Apprise's own sign of a service that needs no address: it acts on this machine.
        raise NotUsable(f"{schema}:// would act on this machine", "Use a service on the network.")
    plain, secure = schemas_of(plugin)
    aliases = secure if schema in secure else plain
    if schemas and not {allowed.lower() for allowed in schemas}.intersection(aliases):
        raise NotUsable(f"{schema}:// is not among the schemas allowed here")
    if not plugin.enabled:
        raise NotUsable(
            f"{schema}:// needs a Python package that is not installed",
            f"Install what apprise documents for {schema}://.",
        )


def _log_in(parts: dict[str, Any], plugin: type[NotifyBase], settings: ChannelSettings) -> None:
    """Give the plug-in the channel's login, whatever characters it has."""
    if not {"user", "password"} <= plugin.template_tokens.keys():
        raise NotUsable("is for services that take a login; this one takes none", key="user")
    if parts.get("user") or parts.get("password"):
        raise NotUsable("names a user as well", "Name it in the channel's key `user` only.")
    password = settings.password.get_secret_value() if settings.password else ""
    # Apprise decodes both once.
    parts |= {"user": quote(settings.user or "", safe=""), "password": quote(password, safe="")}


def _instantiate(parts: dict[str, Any], url: str, recipient: str | None) -> NotifyBase:
    instance: NotifyBase | None = None
    with kept_warnings() as complaints:
        try:
            instance = Apprise.instantiate(parts, asset=_asset(), suppress_exceptions=False)
        except AppriseImproperlyConfigured as error:
            complaints.append(str(error))
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything at a wrong URL
            complaints.append(f"it is not complete ({type(error).__name__})")
    words = [word for word in SEPARATORS.split(recipient or "") if word]
    if any(word in complaint for word in words for complaint in complaints):
        raise NotUsable(f"{recipient!r} is not a recipient of this service", key="to")
    if complaints or instance is None:
        raise NotUsable(
            "cannot be used: " + without_url((complaints or ["it does not load"])[0], url)
        )
    return instance


def _travels_in_plain_text(instance: NotifyBase, *, schema: str) -> bool:
    """Whether messages would cross a network unencrypted, by the plug-in's attributes.

    True if the host is not known.
    """
    if is_mail(instance):
        mail: Any = instance
        # The domain of an address need not be the host that accepts its mail.
        return mail.secure_mode == _INSECURE_MAIL and not is_loopback(mail.smtp_host)
    plain, secure = schemas_of(type(instance))
    address = str(getattr(instance, "notify_url", ""))
    if address.startswith("http:") or schema in _NEVER_ENCRYPTED:
        return True
    if not secure and address.startswith("https:"):
        # A service with one schema and one address, which is encrypted.
        return False
    return schema in plain and not is_loopback(instance.host or "")


def _settle(instance: NotifyBase, kind: str, *, timeout: float) -> None:
    """Set what must hold for every service, whatever its URL or class says."""
    # Casebell paces channels; apprise would sleep inside the send.
    instance.request_rate_per_sec = 0
    instance.socket_connect_timeout = instance.socket_read_timeout = timeout * _SOCKET_SHARE
    for decoration in ("include_image", "include_footer", "include_timestamp"):
        if hasattr(instance, decoration):
            setattr(instance, decoration, False)
    complete(instance, kind)


@cache
def _asset() -> AppriseAsset:
    """Casebell's name, and limits for apprise: no pictures, no files."""
    return AppriseAsset(
        app_id="Casebell",
        app_desc="Casebell",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        image_path_mask="",
        html_notify_map=COLORS,
        async_mode=False,
        secure_logging=True,
        http_redirects=False,
        interpret_emojis=False,
        interpret_escapes=False,
        allow_templates=False,
        pgp_autogen=False,
        pem_autogen=False,
        storage_mode="memory",
        # With a limit of its own, apprise would send in its shared pool of threads.
        service_timeout=0,
    )
