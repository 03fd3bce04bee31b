"""Sentences that several kinds of reader have: on a terminal, on a page.

A sentence is made of pieces. Times, numbers of events and whatever is filled in are pieces of their
own, so that each reader has them its own way: a terminal in the zone of the configuration and
without what would act on it, a page as links, in its visitor's zone and set apart from our words.
"""

from collections.abc import Callable
from dataclasses import dataclass
from string import Formatter
from typing import Any, TypeAlias


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A time: one of our ISO stamps."""

    stamp: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EventNumber:
    """The number of an event."""

    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Filled:
    """What is filled in; it may be from outside."""

    text: str


#: A text is our own words.
Piece: TypeAlias = str | Moment | EventNumber | Filled


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentence:
    """A sentence in pieces."""

    pieces: tuple[Piece, ...]

    def text(self, time: Callable[[str], str]) -> str:
        """The sentence as text; `time` writes a stamp."""
        return "".join(_text(piece, time) for piece in self.pieces)


def says(form: str, **filled: Any) -> Sentence:
    """A sentence of ours with what is filled in by name."""
    pieces: list[Piece] = []
    for words, name, _, _ in Formatter().parse(form):
        if words:
            pieces.append(words)
        if name is not None:
            pieces += _pieces(filled[name])
    return Sentence(pieces=tuple(pieces))


def _pieces(value: Any) -> tuple[Piece, ...]:
    match value:
        case Sentence():
            return value.pieces
        case Moment() | EventNumber() | Filled():
            return (value,)
        case _:
            return (Filled(text=str(value)),) if value != "" else ()


def _text(piece: Piece, time: Callable[[str], str]) -> str:
    match piece:
        case Moment():
            return time(piece.stamp)
        case EventNumber():
            return str(piece.number)
        case Filled():
            return piece.text
        case _:
            return piece
