"""Who is reached by a loaded service, and from whom: nobody that apprise made up.

Reaches into apprise: attributes of a plug-in's instance (recipients, mode, mail and its sender,
headers and PGP).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apprise.plugins.base import NotifyBase
from apprise.utils.parse import is_email

from casebell.notify.apprise_url import NotUsable, schemas_of, takes_recipients
from casebell.notify.channel import Route
from casebell.notify.mail import OWN_HEADERS

#: Services whose URL says by itself who is reached: an account's own devices, those on call, the
#: room of a webhook. Any other that takes recipients and is given none would reach nobody, or a
#: place that apprise makes up: the sender's own mailbox or telephone, #general, everybody.
_REACH_WITHOUT_RECIPIENTS = frozenset(
    {"betterstack", "dingtalk", "flock", "jira", "opsgenie", "pbul", "pover", "psafer", "pushed",
     "pushplus", "spush", "xmatters"}
)  # fmt: skip
#: Modes of services, such as Slack, in which the URL is that of a room.
_MODES_WITH_A_ROOM = frozenset({"hook", "gov-hook", "webhook", "workflow", "trigger", "t2bot"})
#: The schema of mail, which is sent by ourselves.
MAIL = "mailto"
#: A mail plug-in's mode without PGP. Its constant is in a module whose import imports PGP.
_NO_PGP = "no"
#: A mailbox or a telephone, which is no secret.
_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+|\+?\d{6,15}")
#: Between recipients in one string.
SEPARATORS = re.compile(r"[,;\s]")


def is_mail(instance: NotifyBase) -> bool:
    """Whether it speaks to a mail server."""
    return hasattr(instance, "smtp_host")


def name_recipient(parts: dict[str, Any], plugin: type[NotifyBase], recipient: str) -> None:
    """Make the recipient the only one."""
    if not takes_recipients(plugin):
        raise NotUsable("is for services that take recipients; this one takes none", key="to")
    if parts.get("targets"):
        raise NotUsable("names a recipient as well", "Name recipients in `to` only.")
    parts["targets"] = [recipient]


def expect_a_recipient(instance: NotifyBase, *, named: bool) -> None:
    """Refuse a service that would reach nobody, or a place that apprise makes up."""
    plugin = type(instance)
    plain, secure = schemas_of(plugin)
    by_itself = (
        not takes_recipients(plugin)
        or not _REACH_WITHOUT_RECIPIENTS.isdisjoint((*plain, *secure))
        or getattr(instance, "mode", None) in _MODES_WITH_A_ROOM
    )
    if not named and not by_itself:
        raise NotUsable("names no recipient", "Name who gets it in the channel's key `to`.")


def expect_one_recipient(instance: NotifyBase, recipient: str | None) -> None:
    """Refuse several, and one of which apprise dropped a part."""
    if recipient is None:
        if len(instance) != 1:
            raise NotUsable("names several recipients", "Name each of them in `to`.")
        return
    # "Jane Chan <jchan@example.com>" is one; elsewhere a blank separates two.
    mail = is_mail(instance)
    whole = _is_whole(instance, recipient) if mail else not SEPARATORS.search(recipient)
    if len(instance) != 1 or not whole:
        raise NotUsable(f"{recipient!r} is not one recipient", "Give each its own entry.", key="to")


def _is_whole(instance: NotifyBase, recipient: str) -> bool:
    """Whether nothing of the entry was dropped: apprise reads "j chan@firm" as chan@firm."""
    addresses: Sequence[tuple[object, str]] = getattr(instance, "targets", ())
    folded = recipient.casefold()
    return all(folded == a.casefold() or folded.endswith(f"<{a.casefold()}>") for _, a in addresses)


def refuse_mail(instance: NotifyBase, parts: Mapping[str, Any]) -> None:
    """Refuse a mail service without a server or a sender of its own, or with a login of no use."""
    mail: Any = instance
    given = [mail.user, mail.password]
    if any(text and not text.isascii() for text in given):
        raise NotUsable(
            "has a login that mail servers are not sent: it holds a letter beyond ASCII",
            "Ask for a password of ASCII characters.",
        )
    if not mail.smtp_host:
        raise NotUsable("names no mail server", "Write it after the `@`: mailtos://host.")
    if OWN_HEADERS.intersection(name.strip().lower() for name in parts.get("qsd+", {})):
        raise NotUsable("sets a header of the mail itself", "Remove it; `from=` names the sender.")
    if not all(name.isprintable() and text.isprintable() for name, text in mail.headers.items()):
        raise NotUsable("sets a header that holds a control character", "Remove it.")
    if mail.protocol == MAIL and mail.pgp_mode != _NO_PGP:
        raise NotUsable("asks for PGP, with which no mail is sent", "Remove `pgp=` and `wkd=`.")
    # A provider that apprise knows has another server than the domain of its addresses.
    by_provider = mail.user and not parts.get("smtp_host") and mail.smtp_host != mail.host
    if not by_provider and not _from_in(parts):
        raise NotUsable(
            "names no sender, so that apprise would make one up of user and server",
            "Add from=casebell@example-firm.com; a name before it, as in Case Bell "
            "<casebell@example-firm.com>, writes `&` as %26.",
        )


def _from_in(parts: Mapping[str, Any]) -> bool:
    """Whether the URL has one sender's address, and not the name alone."""
    given = parts.get("from_addr") or ""
    email_in: Callable[[str], object] = is_email
    return bool(email_in(given)) and given.count("@") == 1


def route_of(instance: NotifyBase, parts: Mapping[str, Any], *, to: str) -> Route:
    """From whom and to whom messages go; `to` where the URL does not say it."""
    return Route(to=_named_in(parts) or to, sender=_sender(instance))


def _named_in(parts: Mapping[str, Any]) -> str:
    """The one address that the URL names as recipient; "" for a room, which may be a secret."""
    targets: Any = parts.get("targets") or ""
    only = targets if isinstance(targets, str) else targets[0] if len(targets) == 1 else ""
    return only if isinstance(only, str) and _ADDRESS.fullmatch(only) else ""


def _sender(instance: NotifyBase) -> str:
    """In whose name a message goes, where that is a mailbox or a telephone; else ""."""
    for attribute in ("from_addr", "from_email", "source"):
        given: Any = getattr(instance, attribute, None)
        name, address = given if isinstance(given, list | tuple) else ("", given)
        if isinstance(address, str) and _ADDRESS.fullmatch(address):
            return f"{name} <{address}>" if name else address
    return ""
