"""Fits a message to what a service takes, before the service refuses it for good: pure functions.

The official text is shortened first; then the lines of IT go, the rules among the first, and what
the firm calls the case. What happened, that an answer is owed, the receipt, the link and the notice
stay while there is room for them; where there is not, their short forms do, the title's receipt for
that of the body. Each cut is visible.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from casebell.alerts import Line, Message, Part
from casebell.notify.inert_text import TRUNCATION_MARK, inert, one_line

#: Characters of a title before it is fitted; the longest of ours have 150.
_UNCUT = 1_000
#: Characters that a line keeps when it is cut, by whether the line may go altogether.
_MIN_SPARE = 80
_MIN_NEEDED = 24
#: The same of a title.
_MIN_TITLE = 60
#: Stands where lines were left out.
_LEFT_OUT = Line(TRUNCATION_MARK.strip())


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a service takes."""

    #: Characters of a title that stands apart; 0 where it stands above the body.
    title: int
    #: Characters of the body.
    body: int
    #: Lines of the body; 0 for any number.
    lines: int


def fitted(
    message: Message,
    limits: Limits,
    *,
    max_title: int,
    max_body: int,
    length: Callable[[str, Sequence[Line]], int],
) -> Message:
    """The message within the limits: title and lines are inert, and the body is what they say.

    Args:
        max_title: characters of a title, whatever the service takes.
        max_body: characters of a body, before it is escaped for the service.
        length: what title and lines, as the service gets them, count towards the limit of the body.
    """
    longest = min(limits.title or max_title, max_title)
    title = one_line(message.title, limit=_UNCUT)
    if message.short_title and len(title) > longest:
        # A cut would take the receipt, which stands at the end.
        title = message.short_title
    title = one_line(title, limit=longest)

    def few(lines: Sequence[Line]) -> list[Line]:
        if not limits.lines or len(lines) <= limits.lines:
            return list(lines)
        return [Line(" · ".join(line.text for line in lines if line.text))]

    def excess(lines: Sequence[Line]) -> int:
        sent = few(lines)
        return max(length(title, sent) - limits.body, len(text_of(sent)) - max_body)

    given = message.lines or tuple(map(Line, inert(message.body, limit=max_body).split("\n")))
    lines = [replace(line, text=inert(line.text, limit=max_body)) for line in given]
    if few(lines) == lines and excess(lines) <= 0:
        return replace(message, title=title, body=text_of(lines), lines=tuple(lines))
    lines = _with_fewer_items(lines, excess)
    # Blank lines are the first to go.
    lines = _without_spare([line for line in lines if line.text], excess)
    if not limits.title and message.short_title and excess(lines) > 0:
        title = one_line(message.short_title, limit=longest)
    lines = _cut(_shortened(lines, excess), excess, least=_MIN_NEEDED)
    if not limits.title and (over := excess(lines)) > 0:
        # A title above the body leaves room for the link.
        title = one_line(title, limit=max(len(title) - over, _MIN_TITLE))
    if excess(lines) > 0 and _LEFT_OUT not in lines:
        lines.insert(len(lines) - 1, _LEFT_OUT)
    while excess(lines) > 0 and len(lines) > 1:
        kept = [place for place, line in enumerate(lines) if line is not _LEFT_OUT]
        # The link and the notice stand at the end.
        del lines[kept[-3] if len(kept) > 2 else kept[-1]]
    lines = few(lines)
    shortest = len(TRUNCATION_MARK)
    while (over := excess(lines)) > 0 and len(body := text_of(lines)) > shortest:
        lines = [Line(inert(body, limit=max(len(body) - over, shortest)))]
    while (over := excess(lines)) > 0 and len(title) > shortest:
        title = one_line(title, limit=max(len(title) - over, shortest))
    return replace(message, title=title, body=text_of(lines), lines=tuple(lines))


def text_of(lines: Sequence[Line]) -> str:
    """The lines as plain text."""
    return "\n".join(line.text for line in lines)


def _with_fewer_items(lines: list[Line], excess: Callable[[Sequence[Line]], int]) -> list[Line]:
    """The lines without as many items at their end as it takes, saying how many those are."""
    starts = [place for place, line in enumerate(lines) if line.part is Part.ITEM]
    if not starts:
        return lines
    end = next(
        (at for at in range(starts[-1], len(lines)) if lines[at].part is Part.RULE), len(lines)
    )

    def first(kept: int) -> list[Line]:
        if kept == len(starts):
            return lines
        more = Line(f"… and {len(starts) - kept} more.", part=Part.WARNING)
        return [*lines[: starts[kept]], more, *lines[end:]]

    fitting = bisect_right(range(len(starts) + 1), 0, key=lambda kept: excess(first(kept)))
    return first(max(fitting - 1, 0))


def _without_spare(lines: list[Line], excess: Callable[[Sequence[Line]], int]) -> list[Line]:
    """Cut the longest lines that may go; then leave them out, in their order, until it fits."""
    fitting = _cut(lines, excess, least=_MIN_SPARE, spare=True)
    for rank in sorted({line.spare for line in lines if line.spare}, reverse=True):
        if excess(fitting) <= 0:
            break
        first = next(place for place, line in enumerate(lines) if line.spare == rank)
        mark = [] if _LEFT_OUT in lines else [_LEFT_OUT]
        lines = lines[:first] + mark + [line for line in lines[first:] if line.spare != rank]
        fitting = _cut(lines, excess, least=_MIN_SPARE, spare=True)
    return fitting


def _shortened(lines: list[Line], excess: Callable[[Sequence[Line]], int]) -> list[Line]:
    """The lines, of which those with a short form take it until all fit, the longest gain first."""
    by_gain = sorted(
        (place for place, line in enumerate(lines) if line.short is not None),
        key=lambda place: len(lines[place].short or "") - len(lines[place].text),
    )
    shorter = list(lines)
    for place in by_gain:
        if excess(shorter) <= 0:
            break
        shorter[place] = replace(lines[place], text=lines[place].short or "")
    return [line for line in shorter if line.text]


def _cut(
    lines: Sequence[Line],
    excess: Callable[[Sequence[Line]], int],
    *,
    least: int,
    spare: bool = False,
) -> list[Line]:
    """The lines, of which the longest is cut until all fit or none is longer than `least`."""
    lines = list(lines)
    while (over := excess(lines)) > 0:
        lengths = {
            place: len(line.text)
            for place, line in enumerate(lines)
            if len(line.text) > least and (line.spare or not spare) and not _is_link(line)
        }
        if not lengths:
            break
        place = max(lengths, key=lambda place: lengths[place])
        kept = max(lengths[place] - over, least)
        lines[place] = replace(lines[place], text=inert(lines[place].text, limit=kept))
    return lines


def _is_link(line: Line) -> bool:
    return line.text.startswith(("https://", "http://"))
