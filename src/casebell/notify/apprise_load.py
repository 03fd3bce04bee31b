"""Loads the services of a channel's URLs, or raises their problems.

Apprise is lenient when it loads a URL: it drops a mistyped address, accepts options that turn a
failure into a success, and would run a program on this machine. Here each of these is a `Problem`.
A problem never repeats a URL or a part of one.

Reaches into apprise: its table of plug-ins, and attributes of plug-ins, of the class (schemas,
templates, recipients) and of the instance (host, secured mail, format, decorations, time-outs).
"""

import hashlib
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from typing import Any

from apprise import Apprise, AppriseAsset, NotifyFormat
from apprise.exception import AppriseImproperlyConfigured
from apprise.manager_plugins import NotificationManager
from apprise.plugins import url_to_dict
from apprise.plugins.base import NotifyBase

from casebell.errors import ConfigError, Problem
from casebell.notify.apprise_warnings import kept_warnings, mute_loggers, without_url
from casebell.settings import ChannelSettings

#: Share of the channel's timeout that one wait on a socket may take. Less than 1, so that a service
#: that does not answer is reported as such, and not as an abandoned thread.
_SOCKET_SHARE = 0.9

#: URL parameters that are refused, and why.
_REFUSED_PARAMETERS: Mapping[str, str] = {
    "optional": "it would report a failure as a success",
    "retry": "Casebell retries by itself",
    "wait": "Casebell retries by itself",
    "template": "messages are made by Casebell's own templates",
    "format": "messages are plain text",
    "overflow": "a message is sent whole",
    "cto": "the channel's `timeout` decides",
    "rto": "the channel's `timeout` decides",
    "cc": "each recipient is a target of its own: name it in `to`",
    "bcc": "each recipient is a target of its own: name it in `to`",
}

_TEAMS_HINT = (
    "Microsoft has retired these connectors: make a Workflow (Power Automate) with the trigger "
    '"When a Teams webhook request is received" and use its URL.'
)
#: A mail plug-in's mode without TLS. Its constant is in a module whose import imports PGP.
_INSECURE_MAIL = "insecure"
#: Schemas that plug-ins call secure, although they open a bare socket.
_NEVER_ENCRYPTED = frozenset({"aprs", "smpps"})
#: Between recipients in one string.
_SEPARATORS = re.compile(r"[,;\s]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """One loaded service with one recipient."""

    #: Its schema, without the mark for TLS: "slack", "mailto".
    kind: str
    #: Its `notify` sends.
    apprise: Apprise = field(repr=False)
    #: The format of its texts.
    format: NotifyFormat
    #: Whether it uses a library whose exchanges are recorded.
    watched: bool


class _NotUsable(Exception):
    """A problem of one URL or recipient."""

    def __init__(self, message: str, hint: str = "", *, key: str = "") -> None:
        self.message, self.hint, self.key = message, hint, key
        super().__init__(message)


def load_services(settings: ChannelSettings, *, schemas: Sequence[str]) -> dict[str, Service]:
    """The services by safe label, in the order of the configuration.

    `schemas` are those that the operator allows; empty allows all that do not act on this machine.

    Raises:
        ConfigError: with every problem.
    """
    mute_loggers()
    _plugins()
    where = f"channels.{settings.name}"
    several = len(settings.urls) > 1
    recipients: Sequence[str | None] = [entry.strip() for entry in settings.to] or [None]
    services: dict[str, Service] = {}
    problems: list[Problem] = []
    for place, secret in enumerate(settings.urls, start=1):
        url = secret.get_secret_value().strip()
        url_key = f"urls[{place}]" if several else "url"
        for recipient in recipients:
            try:
                service = _load(url, recipient, settings=settings, schemas=schemas)
            except _NotUsable as wrong:
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


def _load(
    url: str, recipient: str | None, *, settings: ChannelSettings, schemas: Sequence[str]
) -> Service:
    parts = _parse(url)
    plugin = _plugins()[parts["schema"]]
    _refuse_schema(parts["schema"], plugin, schemas=schemas)
    _refuse_parameters(parts)
    if recipient is not None:
        _address(parts, plugin, recipient)
    instance = _instantiate(parts, url, recipient)
    if not settings.insecure and _travels_in_plain_text(instance, schema=parts["schema"]):
        raise _NotUsable(
            "sends messages as plain text over the network",
            "Use the service's encrypted URL (jsons://, mailtos://), or set `insecure = true`.",
        )
    _expect_one_recipient(instance, recipient)
    _settle(instance, timeout=settings.timeout)
    apprise = Apprise(asset=_asset())
    apprise.add(instance)
    module = sys.modules[type(instance).__module__]
    plain, secure = _schemas_of(plugin)
    return Service(
        # "json" for jsons:// too, "workflows" for workflow:// too.
        kind=max(plain or secure, key=len),
        apprise=apprise,
        format=instance.resolve_format(NotifyFormat.TEXT),
        watched=hasattr(module, "requests") or hasattr(module, "smtplib"),
    )


def _parse(url: str) -> dict[str, Any]:
    if ".webhook.office.com/" in url.lower() or url.lower().startswith("msteams://"):
        raise _NotUsable("is a retired kind of Teams webhook", _TEAMS_HINT)
    parse: Callable[[str], dict[str, Any] | None] = url_to_dict
    with kept_warnings() as complaints:
        try:
            parts = parse(url)
        except Exception:  # noqa: BLE001 - as for the constructors below
            parts = None
    if parts is None or complaints:
        raise _NotUsable(
            "is not the URL of a known service",
            "Give the URL the service shows, or one as apprise documents it: slack://…",
        )
    return parts


@cache
def _plugins() -> Mapping[str, type[NotifyBase]]:
    """Apprise's services by schema; the first call imports them all."""
    manager: Any = NotificationManager
    plugins = manager()
    with warnings.catch_warnings():
        # Warnings about their imports are not ours to correct.
        warnings.simplefilter("ignore", DeprecationWarning)
        plugins.load_modules()
    found: Mapping[str, type[NotifyBase]] = plugins
    return found


def _refuse_schema(schema: str, plugin: type[NotifyBase], *, schemas: Sequence[str]) -> None:
    templates: Sequence[str] = plugin.templates
    if any(template.rstrip("/") == "{schema}:" for template in templates):
        # Apprise's own sign of a service that needs no address: it acts on this machine.
        raise _NotUsable(f"{schema}:// would act on this machine", "Use a service on the network.")
    plain, secure = _schemas_of(plugin)
    aliases = secure if schema in secure else plain
    if schemas and not {allowed.lower() for allowed in schemas}.intersection(aliases):
        raise _NotUsable(f"{schema}:// is not among the schemas allowed here")
    if not plugin.enabled:
        raise _NotUsable(
            f"{schema}:// needs a Python package that is not installed",
            f"Install what apprise documents for {schema}://.",
        )


def _refuse_parameters(parts: Mapping[str, Any]) -> None:
    given = parts.get("qsd", {})
    for name in given:
        if name in _REFUSED_PARAMETERS:
            raise _NotUsable(
                f"has the parameter `{name}`", f"Remove it: {_REFUSED_PARAMETERS[name]}."
            )
    if not parts.get("verify", True):
        raise _NotUsable(
            "turns off certificate checks",
            "Remove `verify=no`, and let SSL_CERT_FILE and REQUESTS_CA_BUNDLE name your own CA.",
        )
    if given.get("redirect", "no").lower() not in ("no", "false", "off", "0"):
        raise _NotUsable(
            "has the parameter `redirect`", "Remove it: a redirect would carry messages elsewhere."
        )


def _address(parts: dict[str, Any], plugin: type[NotifyBase], recipient: str) -> None:
    """Make the recipient the only one."""
    tokens = {**plugin.template_tokens, **plugin.template_args}
    if "targets" not in {spec.get("map_to", name) for name, spec in tokens.items()}:
        raise _NotUsable("is for services that take recipients; this one takes none", key="to")
    if parts.get("targets"):
        raise _NotUsable("names a recipient as well", "Name recipients in `to` only.")
    parts["targets"] = [recipient]


def _instantiate(parts: dict[str, Any], url: str, recipient: str | None) -> NotifyBase:
    instance: NotifyBase | None = None
    with kept_warnings() as complaints:
        try:
            instance = Apprise.instantiate(parts, asset=_asset(), suppress_exceptions=False)
        except AppriseImproperlyConfigured as error:
            complaints.append(str(error))
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything at a wrong URL
            complaints.append(f"it is not complete ({type(error).__name__})")
    words = [word for word in _SEPARATORS.split(recipient or "") if word]
    if any(word in complaint for word in words for complaint in complaints):
        raise _NotUsable(f"{recipient!r} is not a recipient of this service", key="to")
    if complaints or instance is None:
        raise _NotUsable(
            "cannot be used: " + without_url((complaints or ["it does not load"])[0], url)
        )
    return instance


def _travels_in_plain_text(instance: NotifyBase, *, schema: str) -> bool:
    """Whether messages would cross a network unencrypted, by the plug-in's attributes.

    True if the host is not known.
    """
    if _is_mail(instance):
        mail: Any = instance
        # The domain of an address need not be the host that accepts its mail.
        return mail.secure_mode == _INSECURE_MAIL and not _is_loopback(mail.smtp_host)
    plain, secure = _schemas_of(type(instance))
    address = str(getattr(instance, "notify_url", ""))
    if address.startswith("http:") or schema in _NEVER_ENCRYPTED:
        return True
    if not secure and address.startswith("https:"):
        # A service with one schema and one address, which is encrypted.
        return False
    return schema in plain and not _is_loopback(instance.host or "")


def _is_mail(instance: NotifyBase) -> bool:
    return hasattr(instance, "smtp_host")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _expect_one_recipient(instance: NotifyBase, recipient: str | None) -> None:
    if recipient is None:
        if len(instance) != 1:
            raise _NotUsable("names several recipients", "Name each of them in `to`.")
        return
    # "Jane Chan <jchan@example.com>" is one; elsewhere a blank separates two.
    mail = _is_mail(instance)
    whole = _is_whole(instance, recipient) if mail else not _SEPARATORS.search(recipient)
    if len(instance) != 1 or not whole:
        raise _NotUsable(
            f"{recipient!r} is not one recipient", "Give each its own entry.", key="to"
        )


def _is_whole(instance: NotifyBase, recipient: str) -> bool:
    """Whether nothing of the entry was dropped: apprise reads "j chan@firm" as chan@firm."""
    addresses: Sequence[tuple[object, str]] = getattr(instance, "targets", ())
    folded = recipient.casefold()
    return all(folded == a.casefold() or folded.endswith(f"<{a.casefold()}>") for _, a in addresses)


def _settle(instance: NotifyBase, *, timeout: float) -> None:
    """Set what must hold for every service, whatever its URL or class says."""
    # Casebell paces channels; apprise would sleep inside the send.
    instance.request_rate_per_sec = 0
    instance.socket_connect_timeout = instance.socket_read_timeout = timeout * _SOCKET_SHARE
    for decoration in ("include_image", "include_footer", "include_timestamp"):
        if hasattr(instance, decoration):
            setattr(instance, decoration, False)


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


def _schemas_of(plugin: type[NotifyBase]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The service's schemas without and with encryption."""

    def listed(schemas: Any) -> tuple[str, ...]:
        return (schemas,) if isinstance(schemas, str) else tuple(schemas or ())

    return listed(plugin.protocol), listed(plugin.secure_protocol)
