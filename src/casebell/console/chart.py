"""Bars by month as numbers for an SVG: where each bar, line and label goes.

The template draws them. Colours are classes of the style sheet; nothing is told by colour alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

#: Of the picture, in its own units: about a pixel on a phone.
WIDTH, HEIGHT = 340, 130
#: Beside the bars: numbers on the left, and half of the last month's name.
_LEFT, _RIGHT = 42, 18
#: Where the bars stand, with the months below it, and how tall one can be.
_BOTTOM, _TALL = HEIGHT - 22, HEIGHT - 30
#: Lines across above zero, and labels below, at most.
_MAX_LINES = 4
_MAX_LABELS = 6
#: Of the room of a month, what its bar takes; and the most that it takes.
_BAR, _MAX_BAR = 0.72, 28
#: The least height of a bar that is not zero: one that can be seen.
_LEAST = 1.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """The number of a month; None where there is none."""

    month: str
    value: float | None
    #: Whether it is not all that happened.
    partial: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One bar, for whoever points at it with its month and number."""

    x: float
    y: float
    width: float
    height: float
    partial: bool
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """A text with the place that it belongs to."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """A picture of bars."""

    title: str
    #: What somebody is told who does not see it.
    description: str
    bars: tuple[Bar, ...]
    #: The lines across with their numbers, from the lowest; the first is zero.
    lines: tuple[Label, ...]
    #: Below the bars, under their middles.
    months: tuple[Label, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    bottom: float = _BOTTOM


def chart_of(title: str, points: Sequence[Point]) -> Chart:
    """The picture of a number by month.

    Args:
        title: what is counted.
        points: oldest first; at least one.
    """
    highest = max((one.value for one in points if one.value is not None), default=0.0)
    step = _step(highest)
    lines = max(ceil(highest / step), 1)
    scale = _TALL / (lines * step)
    room = (WIDTH - _LEFT - _RIGHT) / len(points)
    return Chart(
        title=title,
        description=_described(title, points),
        bars=tuple(_bars(points, room=room, scale=scale)),
        lines=tuple(
            Label(at=round(_BOTTOM - step * place * scale, 1), text=_short(step * place))
            for place in range(lines + 1)
        ),
        months=tuple(_labels(points, room=room)),
    )


def _bars(points: Sequence[Point], *, room: float, scale: float) -> Iterator[Bar]:
    width = min(room * _BAR, _MAX_BAR)
    for place, one in enumerate(points):
        if not one.value:
            continue
        height = max(one.value * scale, _LEAST)
        partial = ", partial" if one.partial else ""
        yield Bar(
            x=round(_LEFT + (place + 0.5) * room - width / 2, 1),
            y=round(_BOTTOM - height, 1),
            width=round(width, 1),
            height=round(height, 1),
            partial=one.partial,
            text=f"{one.month}: {_whole(one.value)}{partial}",
        )


def _labels(points: Sequence[Point], *, room: float) -> Iterator[Label]:
    """The months, with so many left out between two that they do not touch; the last is there."""
    step = ceil(len(points) / _MAX_LABELS)
    for place, one in enumerate(points):
        if (len(points) - 1 - place) % step == 0:
            yield Label(at=round(_LEFT + (place + 0.5) * room, 1), text=one.month)


def _step(highest: float) -> float:
    """From line to line: 1, 2 or 5 of some power of ten, so that there are few lines."""
    least = max(highest / _MAX_LINES, 1)
    power = 10 ** floor(log10(least))
    return next(float(one * power) for one in (1, 2, 5, 10) if one * power >= least)


def _described(title: str, points: Sequence[Point]) -> str:
    known = [one for one in points if one.value is not None]
    span = f"{title} by month, {points[0].month} to {points[-1].month}."
    highest = max(known, key=lambda one: one.value or 0.0, default=None)
    if highest is None or not highest.value:
        return f"{span} There are none."
    return f"{span} The highest is {_whole(highest.value)}, in {highest.month}."


def _whole(value: float) -> str:
    """A number as it is: `1,203`, `12.5`."""
    return f"{value:,.1f}".removesuffix(".0")


def _short(value: float) -> str:
    """A number in few characters: `1,200`, `25k`, `1.5M`."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        # 1,500 is as short as 1.5k.
        if value >= max(unit, 1e4):
            return f"{value / unit:,.12g}{letter}"
    return f"{value:,.0f}"
