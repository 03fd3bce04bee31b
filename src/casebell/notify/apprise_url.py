"""Reads a channel's URL strictly: apprise ignores what it does not know, and cuts passwords.

Reaches into apprise: its table of plug-ins, and the parameters that a plug-in lists.
"""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import unquote

from apprise.manager_plugins import NotificationManager
from apprise.plugins import url_to_dict
from apprise.plugins.base import NotifyBase

from casebell.notify.apprise_warnings import kept_warnings
from casebell.settings.values import nearest

#: URL parameters that are refused, and why.
REFUSED_PARAMETERS: Mapping[str, str] = {
    "optional": "it would report a failure as a success",
    "retry": "Casebell retries by itself",
    "wait": "Casebell retries by itself",
    "template": "messages are made by Casebell's own templates",
    "blocks": "Slack takes less in blocks, and its notification would not show the subject",
    "format": "messages are plain text",
    "overflow": "Casebell fits a message to the service",
    "cto": "the channel's `timeout` decides",
    "rto": "the channel's `timeout` decides",
    "cc": "each recipient is a target of its own: name it in `to`",
    "bcc": "each recipient is a target of its own: name it in `to`",
}

_TEAMS_HINT = (
    "Microsoft has retired these connectors: make a Workflow (Power Automate) with the trigger "
    '"When a Teams webhook request is received" and use its URL.'
)
_ENCODE_HINT = (
    "Write ${NAME|url}, which encodes a value for a URL, or give a login in the channel's keys "
    "`user` and `password`, which need no encoding."
)
_VALUE_HINT = "Inside a value write `&` as %26 and `;` as %3B."
#: Parameters that apprise takes for a login of any service, and decodes twice.
_LOGIN = frozenset({"user", "password", "pass"})
#: A percent sign that encodes nothing.
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: A `#` at which apprise cuts a URL; it reads `/#channel`.
_CUTS = re.compile(r"(?<!/)#")


class NotUsable(Exception):
    """A problem of one URL or recipient."""

    def __init__(self, message: str, hint: str = "", *, key: str = "") -> None:
        self.message, self.hint, self.key = message, hint, key
        super().__init__(message)


def read_url(url: str) -> dict[str, Any]:
    """The parts of a URL as apprise's plug-ins take them.

    Raises:
        NotUsable: it is no URL of a service, or apprise would read it otherwise than it is meant.
    """
    if ".webhook.office.com/" in url.lower() or url.lower().startswith("msteams://"):
        raise NotUsable("is a retired kind of Teams webhook", _TEAMS_HINT)
    _refuse_ambiguous(url)
    parts = _parsed(url)
    if parts is None:
        raise NotUsable(
            "is not the URL of a known service",
            "Give the URL the service shows, or one as apprise documents it: slack://…; special "
            "characters in it are percent-encoded.",
        )
    _refuse_parameters(url, parts)
    return parts


@cache
def plugins() -> Mapping[str, type[NotifyBase]]:
    """Apprise's services by schema; the first call imports them all."""
    manager: Any = NotificationManager
    found: Any = manager()
    with warnings.catch_warnings():
        # Warnings about their imports are not ours to correct.
        warnings.simplefilter("ignore", DeprecationWarning)
        found.load_modules()
    known: Mapping[str, type[NotifyBase]] = found
    return known


def _parsed(url: str) -> dict[str, Any] | None:
    parse: Callable[[str], dict[str, Any] | None] = url_to_dict
    with kept_warnings() as complaints:
        try:
            parts = parse(url)
        except Exception:  # noqa: BLE001 - a plug-in may raise anything at a wrong URL
            return None
    return None if complaints else parts


def _refuse_ambiguous(url: str) -> None:
    """Refuse what apprise would cut: the rest of a password would go out as a name to look up."""
    schema, _, rest = url.partition("://")
    place = rest.partition("?")[0]
    authority = place.partition("/")[0]
    login, at, host = authority.rpartition("@")
    if _CONTROL.search(url):
        raise NotUsable("holds a line end or another control character", "Write it on one line.")
    mail = schema.lower().startswith("mailto")
    # What stands before a raw `/` or `?` of a password looks like host and port, …
    odd_port = mail and not at and not host.partition(":")[2].isdigit() and ":" in host
    # … and what stands after it like a recipient.
    odd_path = mail and not at and "@" in place
    cut = login.count(":") > 1 or "@" in login or _CUTS.search(place) is not None
    if cut or odd_port or odd_path or _STRAY_PERCENT.search(rest):
        raise NotUsable(
            "has a character in it that a URL reads as its own: one of `@ : / ? # %`", _ENCODE_HINT
        )


def _refuse_parameters(url: str, parts: Mapping[str, Any]) -> None:
    given = parts.get("qsd", {})
    for name in given:
        if name in REFUSED_PARAMETERS:
            raise NotUsable(
                f"has the parameter `{name}`", f"Remove it: {REFUSED_PARAMETERS[name]}."
            )
    if not parts.get("verify", True):
        raise NotUsable(
            "turns off certificate checks",
            "Remove `verify=no`, and let SSL_CERT_FILE name your own CA.",
        )
    if given.get("redirect", "no").lower() not in ("no", "false", "off", "0"):
        raise NotUsable(
            "has the parameter `redirect`", "Remove it: a redirect would carry messages elsewhere."
        )
    schema = url.partition("://")[0].lower()
    if schema in plugins():
        # The query of a service's own URL is the service's.
        _refuse_unknown(url, parts, plugins()[schema])


def _refuse_unknown(url: str, parts: Mapping[str, Any], plugin: type[NotifyBase]) -> None:
    """Refuse a parameter that apprise would ignore; it is not shown, as it may end a secret."""
    address, _, query = url.partition("?")
    pairs = re.split("[&;]", query) if query else []
    names = [_name(pair) for pair in pairs]
    listed: Mapping[str, Any] = plugin.template_args
    kwargs: Mapping[str, Mapping[str, str]] = plugin.template_kwargs
    prefixes = {spec["prefix"] for spec in kwargs.values()}
    usual = [name for name in listed if name not in REFUSED_PARAMETERS]
    for number, (name, pair) in enumerate(zip(names, pairs, strict=True), start=1):
        which = f"parameter {number} of the URL"
        if not name:
            raise NotUsable(f"has no name for {which}", f"An `&` is too many. {_VALUE_HINT}")
        if names.count(name) > 1:
            raise NotUsable(f"gives {which} twice", "Give it once; recipients belong in `to`.")
        if name[0] == ":" and ":" in prefixes and not pair.partition("=")[2]:
            raise NotUsable(f"leaves {which} out of messages", "Give it a value, or remove it.")
        if name in _LOGIN and name not in listed:
            raise NotUsable(f"has a login in {which}", "Write it in `user` and `password`.")
        once = unquote(pair.partition("=")[2])
        if unquote(once) != once:
            raise NotUsable(
                f"has a percent sign in {which} that apprise would decode twice",
                "Such a value cannot be given there: have the service make another one.",
            )
        if name in listed or name[0] in prefixes:
            continue
        others = [other for other in pairs if other is not pair]
        without = _parsed("?".join([address, "&".join(others)] if others else [address]))
        # Plug-ins read names that they do not list, and take one that begins with a blank for a
        # header.
        if name != name.strip() or without is None or _read(without) == _read(parts):
            meant = nearest(name.strip(), usual)
            raise NotUsable(
                f"has {which}, which this service does not know", f"{meant} {_VALUE_HINT}".strip()
            )


def _name(pair: str) -> str:
    return unquote(pair.partition("=")[0]).lower()


def _read(parts: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a plug-in made of a URL, without the URL itself."""
    raw = ("url", "qsd", "qsd+", "qsd-", "qsd:")
    return {name: value for name, value in parts.items() if name not in raw}


def takes_recipients(plugin: type[NotifyBase]) -> bool:
    """Whether the service is told whom to reach."""
    tokens = {**plugin.template_tokens, **plugin.template_args}
    return "targets" in {spec.get("map_to", name) for name, spec in tokens.items()}


def schemas_of(plugin: type[NotifyBase]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The service's schemas without and with encryption."""

    def listed(schemas: Any) -> Sequence[str]:
        return (schemas,) if isinstance(schemas, str) else tuple(schemas or ())

    return tuple(listed(plugin.protocol)), tuple(listed(plugin.secure_protocol))
