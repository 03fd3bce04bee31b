"""What the firm says that official texts mean, before a release of Casebell knows them.

An entry counts before the classifier's own table, so that it can mend a reading as well. But it
takes no deadline and no step against a case from a text that the table reads so: unless one of its
own texts reads like that, which `casebell check` then says (docs/decisions/upstream.md, D13).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from casebell.events import Status, Tag
from casebell.kinds import KINDS
from casebell.settings import expressions
from casebell.settings.expressions import Expression, Passages
from casebell.settings.values import KnownStatus, KnownTag, Part, as_list, complaint
from casebell.uscis.classify import classify_text
from casebell.uscis.new_wordings import in_general
from casebell.uscis.sentences import text_key
from casebell.uscis.table import Reading

#: A status and its tags.
_Meaning: TypeAlias = tuple[Status, frozenset[Tag]]

#: Tags that no text gets: one would silence its alerts, the other is for receipts.
_NOT_OF_A_TEXT = frozenset({Tag.NO_INFO, Tag.TEST})


def _of_a_text(tag: Tag) -> Tag:
    if tag in _NOT_OF_A_TEXT:
        raise complaint("A wording cannot have this tag: its changes would reach nobody.")
    return tag


class Wording(Part):
    """The meaning of an official text."""

    #: Any of these is in the text: parts of it, or `/regular expressions/`, as in rules.
    says: Annotated[Passages, Field(min_length=1)]
    #: Required, so that `other` is meant.
    status: KnownStatus
    tags: Annotated[tuple[Annotated[KnownTag, AfterValidator(_of_a_text)], ...], as_list] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    """A wording, ready to be looked for."""

    passages: tuple[Expression, ...]
    reading: Reading
    #: Graver meanings that its own texts have by the table. The firm knows, and means otherwise.
    in_place_of: frozenset[_Meaning]

    def is_in(self, *spellings: str) -> bool:
        return any(
            passage.search(text) is not None for text in spellings for passage in self.passages
        )


class Wordings:
    """Reads official texts by the firm's wordings and by the table of `casebell.uscis`.

    Args:
        wordings: in the order of the configuration; the first that fits counts.
    """

    def __init__(self, wordings: Sequence[Wording] = ()) -> None:
        self._entries = tuple(
            _Entry(
                passages=tuple(map(expressions.passage, one.says)),
                reading=_reading(one, number),
                in_place_of=frozenset(
                    _meaning(known)
                    for known in _known(one)
                    if _reassures(_reading(one, number), known)
                ),
            )
            for number, one in enumerate(wordings, 1)
        )

    def read(self, text: str) -> Reading:
        """Status and tags of a text."""
        known = classify_text(text)
        if not self._entries:
            return known
        spellings = expressions.readable(text), text
        for entry in self._entries:
            if entry.is_in(*spellings) and (
                not _reassures(entry.reading, known) or _meaning(known) in entry.in_place_of
            ):
                return entry.reading
        return known


def remarks(wordings: Sequence[Wording]) -> Iterator[str]:
    """Sentences on entries that work, but may be mistakes. None quotes a text."""
    for number, wording in enumerate(wordings, 1):
        reading, place = _reading(wording, number), f"wordings[{number}]"
        for known in _known(wording):
            if _reassures(reading, known):
                yield (
                    f"{place} makes {_spelled(reading)} of a text that Casebell reads as "
                    f"{_spelled(known)}: rules for the latter do not hear of it."
                )
            elif known.complete and _meaning(known) == _meaning(reading):
                yield f"{place} says what Casebell knows by itself, and can go."
        if wide := next(_others_that_fit(wording), None):
            yield (
                f"{place} fits texts of other meanings, too, such as “{wide}”: new ones would be "
                "read by it. Write more of the text."
            )
        for expression in filter(None, map(expressions.inside, wording.says)):
            for difference in expressions.differences_from_python(expression):
                yield f"{place}: {difference}"


@cache
def _samples() -> tuple[str, ...]:
    """Titles that an entry for one wording does not fit; only a check of entries reads them."""
    texts = (sample.text for kind in KINDS.values() for sample in kind.samples.values())
    return tuple(text for text in dict.fromkeys(texts) if classify_text(text).known)


def _others_that_fit(wording: Wording) -> Iterator[str]:
    passages = [expressions.passage(one) for one in wording.says]
    meant = {text.casefold() for text in wording.says}
    for sample in _samples():
        known = classify_text(sample)
        if (
            sample.casefold() not in meant
            and _meaning(known) != (wording.status, frozenset(wording.tags))
            and any(passage.search(sample) is not None for passage in passages)
        ):
            yield sample


def _known(wording: Wording) -> list[Reading]:
    """How the table reads the texts of an entry, where it knows them or a word in them."""
    plain = [text for text in wording.says if expressions.inside(text) is None]
    readings = map(classify_text, plain)
    return [reading for reading in readings if reading.known or reading.tags]


def _reading(wording: Wording, number: int) -> Reading:
    return Reading(
        status=wording.status,
        tags=frozenset(wording.tags),
        certain=True,
        row=f"wordings[{number}]",
    )


def _meaning(reading: Reading) -> _Meaning:
    return reading.status, reading.tags


def _reassures(new: Reading, known: Reading) -> bool:
    """Whether the new reading takes away what must not be missed of the known one."""
    before, after = _grave(known), _grave(new)
    if Tag.ADVERSE in after:
        # A denial says more than that a filing was sent back.
        after |= {Tag.REJECTED}
    return bool(before - after) or (bool(before) and new.status is Status.APPROVED)


def _grave(reading: Reading) -> frozenset[Tag]:
    """What must not be missed of a reading; a status says it without a tag as well."""
    said = {
        Tag.DEADLINE: reading.status is Status.RFE_ISSUED,
        Tag.ADVERSE: reading.status is Status.DENIED,
        Tag.REJECTED: False,
    }
    return frozenset(tag for tag, by_status in said.items() if by_status or tag in reading.tags)


def _spelled(reading: Reading) -> str:
    tags = f" ({', '.join(sorted(reading.tags))})" if reading.tags else ""
    return f"{reading.status}{tags}"


#: Letters with what may stand between two words, and needs no escape in TOML.
_PLAIN_WORDS = re.compile(r"[^\W\d_]+(?:[ '-]+[^\W\d_]+)*")
_MAX_PART = 120


def telling_part(text: str) -> str:
    """What to write into `says` for texts with the wording of this one.

    A part of it without quotes, numbers and particulars; "" where there is none.
    """
    parts = _PLAIN_WORDS.findall(expressions.readable(text))
    general = f" {in_general(text)} "
    told = (one for one in parts if one.count(" ") >= 3 and f" {text_key(one)} " in general)
    part = next(told, max(parts, key=len, default=""))
    return part if len(part) <= _MAX_PART else part[:_MAX_PART].rpartition(" ")[0]
