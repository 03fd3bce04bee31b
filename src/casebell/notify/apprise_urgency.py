"""How urgency reaches a service: by apprise's type of message, and by a priority where it has one.

An urgent message is a `warning`, any other an `info`; nothing that Casebell tells is a failure of
the service itself. What a service makes of the type, such as a colour, is apprise's.

The priority is a parameter of the URL. Where the URL gives none, urgent messages go with the value
that the loaded plug-in itself lists under one of `_WORDS`: no list of services can go stale.

Reaches into apprise: the parameters that a plug-in lists, and their values.
"""

from collections.abc import Mapping
from typing import Any, Final

from apprise import NotifyType
from apprise.plugins.base import NotifyBase

from casebell.alerts import Message
from casebell.notify.apprise_url import schemas_of

#: The names that plug-ins give to the parameter.
_PARAMETERS: Final = ("priority", "urgency", "importance", "level", "severity")
#: The values that interrupt somebody, best first: an emergency may ring until somebody answers.
_WORDS: Final = ("high", "urgent", "timesensitive", "critical", "emergency")
#: Services of which apprise sends the value "high" as P4, which they call low.
_UPSIDE_DOWN: Final = frozenset({"opsgenie", "jira"})
#: The colours of messages, where a service shows one: as in mail.
COLORS: Final = {NotifyType.INFO: "#1d5fa8", NotifyType.WARNING: "#b3261e"}


def type_of(message: Message) -> NotifyType:
    """What kind of message it is to apprise."""
    return NotifyType.WARNING if message.urgent else NotifyType.INFO


def urgent_parts(parts: Mapping[str, Any], plugin: type[NotifyBase]) -> dict[str, Any] | None:
    """A URL's parts with the priority of urgent messages; None where they are as the others."""
    listed: Mapping[str, Mapping[str, Any]] = plugin.template_args
    if not _UPSIDE_DOWN.isdisjoint(schemas_of(plugin)[1]):
        return None
    for name in _PARAMETERS:
        if name not in listed:
            continue
        word = _word_in(listed[name].get("values"))
        other_names = {
            other
            for other, spec in listed.items()
            if name in (other, spec.get("alias_of"), spec.get("map_to"))
        }
        if word is not None and other_names.isdisjoint(parts.get("qsd", {})):
            return {**parts, listed[name].get("map_to", name): word}
    return None


def _word_in(values: Any) -> str | None:
    """The best word among a parameter's values, as the plug-in spells it."""
    named = values.values() if isinstance(values, Mapping) else values or ()
    spelled = {
        word.lower().replace("_", "").replace("-", ""): word
        for word in named
        if isinstance(word, str)
    }
    return next((spelled[word] for word in _WORDS if word in spelled), None)
