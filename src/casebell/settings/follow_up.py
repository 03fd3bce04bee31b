"""Checks of calendars and escalations, and of what refers to them."""

from collections.abc import Collection, Iterable, Iterator
from itertools import chain, pairwise

from casebell.events import Status, Tag
from casebell.settings.models import Document, Escalation, When
from casebell.settings.places import Finding, Loc
from casebell.settings.values import nearest
from casebell.times import lasting

#: Seconds of a day by the clock.
_DAY = 86_400
#: Where somebody must see a change: an answer is owed.
_OWED = frozenset[str]({Status.RFE_ISSUED, Tag.DEADLINE})


def findings(
    document: Document, *, channels: Collection[str], known: Collection[str]
) -> Iterator[Finding]:
    """The errors between calendars, channels and escalations.

    Args:
        channels, known: the names of all channels and calendars, including those with errors.
    """
    for channel in document.channels.values():
        loc: Loc = ("channels", channel.name)
        if channel.quiet_outside is not None and channel.quiet_outside not in known:
            yield _no_calendar((*loc, "quiet_outside"), channel.quiet_outside, known)
        if channel.digest is not None and channel.digest.calendar not in known:
            yield _no_calendar((*loc, "digest", "calendar"), channel.digest.calendar, known)
    for number, escalation in enumerate(document.escalations):
        yield from _steps(("escalations", number), escalation, channels, known)


def _steps(
    loc: Loc, escalation: Escalation, channels: Collection[str], known: Collection[str]
) -> Iterator[Finding]:
    for number, step in enumerate(escalation.steps):
        if step.of is not None and step.of not in known:
            yield _no_calendar((*loc, "steps", number, "of"), step.of, known)
        for place, name in enumerate(step.notify):
            if name not in channels:
                yield Finding(
                    loc=(*loc, "steps", number, "notify", place),
                    message="There is no such channel.",
                    hint=nearest(name, channels),
                )
    for number, (before, step) in enumerate(pairwise(escalation.steps), start=1):
        if before.of == step.of and step.after <= before.after:
            yield Finding(
                loc=(*loc, "steps", number, "after"),
                message="This step would not come after the one before it.",
                hint="`after` counts from the change, in every step.",
            )

    for number, step in enumerate(escalation.steps):
        # No calendar is faster than the clock.
        if step.after.days * _DAY + step.after.seconds >= escalation.stop:
            yield Finding(
                loc=(*loc, "steps", number, "after"),
                message="This step never comes: the escalation stops before it.",
                hint=f"`stop` is {lasting(escalation.stop)} after the change: raise it.",
            )


def remarks(document: Document) -> Iterator[str]:
    """Sentences on what works, but may be a mistake."""
    yield from _told_late(document)
    asked = [when for escalation in document.escalations for when in escalation.when]
    covered = _covered(asked)
    for rule in document.rules:
        marks = {mark for when in rule.when for mark in (*when.status, *when.tags)}
        if rule.notify and (left := marks & _OWED - covered):
            yield (
                f"No escalation covers what rule “{rule.name}” tells of "
                f"({', '.join(sorted(left))}): where nobody acknowledges it, nobody is told again. "
                "Write [[escalations]], as config.example.toml does."
            )


def _told_late(document: Document) -> Iterator[str]:
    """What asks for an answer, and waits for hours wherever it is told."""
    waiting = {
        name
        for name, channel in document.channels.items()
        if channel.quiet_outside is not None or channel.digest is not None
    }
    told = (rule.when for rule in document.rules if rule.urgent and rule.notify)
    urgent = _covered(chain.from_iterable(told))
    for rule in document.rules:
        marks = {mark for when in rule.when for mark in (*when.status, *when.tags)}
        late = marks & _OWED - urgent
        if late and rule.notify and not rule.urgent and waiting.issuperset(rule.notify):
            yield (
                f"What rule “{rule.name}” tells of ({', '.join(sorted(late))}) asks for an answer, "
                f"and waits for the hours or the digest of {', '.join(rule.notify)}. "
                "Write `urgent = true` in the rule: then it never waits."
            )


def _covered(conditions: Iterable[When]) -> set[str]:
    """What must be answered, and is covered by one of these conditions for sure."""
    conditions = list(conditions)
    if any(when.is_empty for when in conditions):
        return set(_OWED)
    marks = {mark for when in conditions for mark in _sure(when)}
    # Every request for evidence has a deadline.
    return marks | {Status.RFE_ISSUED} if Tag.DEADLINE in marks else marks


def _sure(when: When) -> tuple[str, ...]:
    """The marks of which any alone is enough for a condition, whatever else is so."""
    asked = {key for key in type(when).model_fields if getattr(when, key)}
    if asked == {"status"}:
        return when.status
    return when.tags if asked == {"tags"} else ()


def _no_calendar(loc: Loc, given: str, known: Collection[str]) -> Finding:
    return Finding(
        loc=loc,
        message="There is no such calendar.",
        hint=nearest(given, known)
        or 'Write [calendars.office] with open = ["mon-fri 08:00-18:00"].',
    )
