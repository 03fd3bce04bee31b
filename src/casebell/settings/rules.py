"""Who must hear of what: conditions and the channels they lead to."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from casebell.settings import expressions
from casebell.settings.values import (
    KnownFlag,
    KnownStatus,
    KnownTag,
    Part,
    ReceiptGlobs,
    Text,
    Texts,
    as_list,
)


def _text_pattern(value: str) -> str:
    """A substring, or a regular expression between slashes that can be compiled."""
    if (expression := expressions.inside(value)) is not None:
        expressions.compiled(expression)
    return value


Patterns = Annotated[tuple[Annotated[Text, AfterValidator(_text_pattern)], ...], as_list]


class When(Part):
    """One condition: keys are and-ed, the values of a key or-ed; an empty key is not asked."""

    source: Texts = ()
    type: Texts = ()
    status: Annotated[tuple[KnownStatus, ...], as_list] = ()
    tags: Annotated[tuple[KnownTag, ...], as_list] = ()
    #: Globs over the canonical receipt number, in upper case.
    receipt: ReceiptGlobs = ()
    #: Case-insensitive substrings, or `/regular expressions/`.
    text: Patterns = ()
    owner: Texts = ()
    team: Texts = ()
    matter: Texts = ()
    label: Texts = ()
    flags: Annotated[tuple[KnownFlag, ...], as_list] = ()

    @property
    def asks_nothing(self) -> bool:
        """Whether every change meets it."""
        return not any(getattr(self, key) for key in type(self).model_fields)


def _as_conditions(value: object) -> object:
    return [value] if isinstance(value, Mapping | When) else value


class Rule(Part):
    """A named condition and whom it notifies."""

    name: Text
    #: Met when any of these is. Must be written: `when = {}` is every change.
    when: Annotated[tuple[When, ...], BeforeValidator(_as_conditions), Field(min_length=1)]
    #: Channels. Must be written: `notify = []` is nobody, on purpose (E15).
    notify: Texts
    #: Its alerts go before others and are told to someone else when they fail.
    urgent: bool = False
