"""Sends over apprise's plug-in for a service.

Reaches into apprise: the result of a send, and how a plug-in escapes a text.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from apprise import Apprise
from apprise.plugins.base import NotifyBase
from apprise.result import AppriseResultStatus

from casebell.alerts import Line, Message
from casebell.notify.apprise_forms import Form, sending
from casebell.notify.apprise_urgency import type_of
from casebell.notify.fit import fitted, text_of
from casebell.notify.transport import MAX_BODY, MAX_TITLE

#: Most that apprise puts between a title and the body below it: a heading's mark, a tag, line ends.
_JOINT: Final = len("<b></b><br />\r\n")


class PlugInTransport:
    """Sends to what one URL names.

    Args:
        urgent: the plug-in for urgent messages; the same one where the service knows no priority.
    """

    def __init__(self, *, ordinary: NotifyBase, urgent: NotifyBase, form: Form) -> None:
        self._plug_in: Any = ordinary
        self._ordinary, self._urgent = _alone(ordinary), _alone(urgent)
        self._form = form

    def fit(self, message: Message) -> Message:
        """Within the limits of the loaded plug-in, as its service counts."""
        form = self._form
        # What the plug-in escapes itself counts, too.
        escaped = partial(self._plug_in.dialect_convert, body_format=form.format)

        def length(title: str, lines: Sequence[Line]) -> int:
            shorter = replace(message, title=title, body=text_of(lines), lines=tuple(lines))
            with_title = len(form.title(title)) + _JOINT if form.title_in_body else 0
            return with_title + len(escaped(form.body(shorter)))

        return fitted(message, form.limits, max_title=MAX_TITLE, max_body=MAX_BODY, length=length)

    def send(self, message: Message) -> bool:
        """Hand the message to the plug-in, and wait for it."""
        plug_in = self._urgent if message.urgent else self._ordinary
        token = sending.set(message)
        try:
            result = plug_in.notify(
                title=self._form.title(message.title),
                body=self._form.body(message),
                body_format=self._form.format.value,
                notify_type=type_of(message),
            )
        finally:
            sending.reset(token)
        attempts = [attempt.status for each in result.results for attempt in each.attempts]
        # Not `bool(result)`: it is true for an optional service that fails.
        return bool(attempts) and attempts[-1] is AppriseResultStatus.SUCCESS


def _alone(plug_in: NotifyBase) -> Apprise:
    apprise = Apprise(asset=plug_in.asset)
    apprise.add(plug_in)
    return apprise
