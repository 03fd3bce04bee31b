"""The table of official texts, `statuses.toml`, compiled into rows.

How a row is written stands at the top of that file.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from casebell.events import Status, Tag

#: The row of a text that no row of the table matches.
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The status and tags of a text."""

    status: Status
    tags: frozenset[Tag]
    #: False if the table guessed, or if USCIS's own wording leaves the outcome open.
    certain: bool
    #: The table row that decided, for explanations.
    row: str
    #: A sentence of the text is read by no row: it may say more than this.
    unread: bool = False

    @property
    def known(self) -> bool:
        """Whether any row of the table reads this wording."""
        return self.row != UNKNOWN

    @property
    def complete(self) -> bool:
        """Whether rows read all of it."""
        return self.known and not self.unread


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of the table, compiled."""

    reading: Reading
    says: re.Pattern[str]
    unless: re.Pattern[str] | None
    #: It replaces the row of an earlier sentence.
    decisive: bool
    #: What it replaces beyond that: a "step" against the case, a "deadline".
    undoes: frozenset[str]

    def matches(self, padded: str) -> bool:
        """Whether it matches a statement, given with a blank at either end."""
        return self.says.search(padded) is not None and (
            self.unless is None or self.unless.search(padded) is None
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """The rows in order; a row of `whole` must match the entire text."""

    whole: tuple[Row, ...]
    rows: tuple[Row, ...]
    #: It matches a step against the case, once `beside` is taken out of the statement.
    step: re.Pattern[str]
    #: What is undone, or concerns something beside the case.
    beside: re.Pattern[str]
    #: It matches an aside on something beside the case.
    reason: re.Pattern[str]
    #: It matches a statement that tells nothing of the case.
    ordinary: re.Pattern[str]
    #: What rows see as one word, with that word.
    phrases: tuple[tuple[re.Pattern[str], str], ...]

    def with_phrases_named(self, padded: str) -> str:
        """A statement as rows see it."""
        padded = marked(padded)
        for phrase, name in self.phrases:
            padded = phrase.sub(name, padded)
        return padded

    def is_its_reason(self, padded: str) -> bool:
        """Whether an aside says why something beside the case ended, and no more."""
        return self.reason.search(padded) is not None

    def is_ordinary(self, padded: str) -> bool:
        """Whether a statement is one of those that notices end with, whatever they are about."""
        return self.ordinary.search(padded) is not None

    def tells_of_a_step(self, padded: str) -> bool:
        """Whether a statement has words against the case itself that nothing in it undoes."""
        return self.step.search(self.beside.sub(" ", padded)) is not None

    def row_of(self, padded: str) -> Row | None:
        """The first row that matches a statement."""
        return next((row for row in self.rows if row.matches(padded)), None)


#: Words that turn the sense of what follows. Rows see them with a mark, so that no `\w+` passes
#: over them: a look-ahead at each word took a sixth of the time of compiling.
_TURN = r"(not|no|never|nor|nothing|none|neither|without|which|that|who|whose)"
_TURN_IN_PATTERN = re.compile(rf"(?<![\\\w]){_TURN}(?!\w)")
_TURN_IN_STATEMENT = re.compile(rf" {_TURN}(?= )")


def marked(padded: str) -> str:
    """A text with a mark before each word that turns the sense."""
    return _TURN_IN_STATEMENT.sub(r" ~\1", padded)


def source() -> dict[str, Any]:
    """`statuses.toml` as it is written."""
    return tomllib.loads(files("casebell.uscis").joinpath("statuses.toml").read_text("utf-8"))


def word_lists(data: dict[str, Any]) -> dict[str, str]:
    """The patterns that `{name}` stands for."""
    words: dict[str, str] = {}
    for name, listed in data["words"].items():
        words[name] = f"(?:{_expand(listed, words)})"
    return words


@cache
def table() -> Table:
    """`statuses.toml`, compiled once."""
    data = source()
    words = word_lists(data)
    compiled = [(_compile(row, words), bool(row.get("whole"))) for row in data["row"]]
    return Table(
        whole=tuple(row for row, whole in compiled if whole),
        rows=tuple(row for row, whole in compiled if not whole),
        step=pattern(_strings(data["step"]["says"]), words),
        beside=pattern(_strings(data["step"]["beside"]), words),
        reason=pattern(_strings(data["step"]["reason"]), words),
        ordinary=pattern(_strings(data["ordinary"]["says"]), words),
        phrases=tuple(
            (pattern(_strings(says), words), f" {name}") for name, says in data["phrases"].items()
        ),
    )


def _compile(row: dict[str, object], words: dict[str, str]) -> Row:
    says, unless = _strings(row["says"]), _strings(row.get("unless", []))
    return Row(
        reading=Reading(
            status=Status(str(row.get("status", Status.OTHER))),
            tags=frozenset(map(Tag, _strings(row.get("tags", [])))),
            certain=bool(row.get("certain", True)),
            row=str(row["id"]),
        ),
        says=pattern(says, words),
        unless=pattern(unless, words) if unless else None,
        decisive=bool(row.get("decisive", False)),
        undoes=frozenset(_strings(row.get("undoes", []))),
    )


def _strings(value: object) -> list[str]:
    if not isinstance(value, list):
        msg = f"statuses.toml: a list is missing: {value!r}"
        raise TypeError(msg)
    return [str(item) for item in value]


def pattern(alternatives: list[str], words: dict[str, str]) -> re.Pattern[str]:
    """Whole words of a statement between blanks; a leading blank makes the search twice as fast."""
    either = "|".join(_expand(text, words) for text in alternatives)
    return re.compile(f" (?:{either})(?= )")


def _expand(pattern: str, words: dict[str, str]) -> str:
    """`{name}` is a word list; `<3>` is up to three words, none of which turns the sense."""
    pattern = _TURN_IN_PATTERN.sub(r"~\1", pattern)
    pattern = re.sub(r"\{([a-z_]+)\}", lambda m: words[m[1]], pattern)
    pattern = pattern.replace("^", "(?<=^ )").replace("$", "(?= $)")
    # "sent<3> notice" stands between words, "^<3>rejected" before one.
    pattern = re.sub(r"<([0-9])>(?= )", r"(?: \\w+){0,\1}", pattern)
    return re.sub(r"<([0-9])>", r"(?:\\w+ ){0,\1}", pattern)
