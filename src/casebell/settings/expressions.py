"""Compiles what is looked for in official texts: parts of them, and regular expressions.

RE2 reads the expressions, in time linear in the text: Python's `re` can take for ever over an
ordinary text, and cannot be stopped (docs/decisions/0015-linear-expressions.md). RE2 has no
look-around and no back-references. An expression that it cannot compile is an error with the
reason; a notation with another meaning than in Python is a warning. No message quotes an
expression, which may come from a secret: only an operator of a few characters.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Protocol, cast

import msgspec
import re2
from pydantic import AfterValidator

from casebell.settings.values import Text, as_list, complaint
from casebell.uscis.sentences import decoded


class _Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A notation that RE2 does not support."""

    #: The beginning of its error message; the group is the notation.
    says: str
    #: The reason; `{}` is the notation.
    because: str
    hint: str = ""


class _Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A notation with another meaning than in Python's expressions."""

    notation: str
    #: The rest of a sentence that begins with the notation.
    means: str
    #: Whether it has its meaning only outside brackets.
    outside_brackets: bool = False


_REFUSALS = (
    _Refusal(
        says=r"invalid perl operator: (\(\?<?[=!])",
        because="it looks ahead or behind, with `{}`",
        hint="Take that part out: list two values of `text`, or give `when` a list of conditions.",
    ),
    _Refusal(
        says=r"invalid perl operator: \(\?P",
        because="it refers back to an earlier group, with `(?P=`",
        hint="Write the repeated part out.",
    ),
    _Refusal(
        says=r"invalid escape sequence: (\\[1-9])",
        because="it refers back to an earlier group, with `{}`",
        hint="Write the repeated part out.",
    ),
    _Refusal(
        says=r"invalid perl operator: (\(\?>)|bad repetition operator: ([*+?]\+)",
        because="it forbids going back, with `{}`",
        hint="Write it without: expressions never go back here.",
    ),
    _Refusal(
        says=r"invalid perl operator: (\(\?\()",
        because="it has a condition, with `{}`",
        hint="Write two values.",
    ),
    _Refusal(
        says=r"invalid perl operator: (\(\?#)",
        because="it has a comment, with `{}`",
        hint="Take the comment out.",
    ),
    _Refusal(
        says=r"invalid perl operator: (\(\?x)",
        because="blanks in it would not count, with `{}`",
        hint="Write it without that option, and without blanks and comments.",
    ),
    _Refusal(
        says=r"invalid perl operator: (\(\?[a-zA-Z])",
        because="it has an option that is not known here, with `{}`",
        hint="Take the option out.",
    ),
    _Refusal(
        says=r"invalid escape sequence: (\\Z)",
        because="the end is not `{}` here",
        hint="Write `$`.",
    ),
    _Refusal(
        says=r"invalid escape sequence: (\\[uUN])",
        because="it names a character with `{}`",
        hint="Write the character itself.",
    ),
    _Refusal(says=r"invalid escape sequence: (\\.)", because="`{}` means nothing here"),
    _Refusal(says=r"missing \)", because="a `(` is not closed"),
    _Refusal(says=r"unexpected \)", because="a `)` closes nothing"),
    _Refusal(says=r"missing \]", because="a `[` is not closed"),
    _Refusal(says=r"trailing \\", because="a backslash stands at its end"),
    _Refusal(says="no argument for repetition", because="a repetition has nothing to repeat"),
    _Refusal(says="bad repetition operator", because="two repetitions follow each other"),
    _Refusal(
        says="invalid repetition size",
        because="the numbers of a repetition are out of bounds",
        hint="At most 1,000 times, nested ones multiplied; the smaller number stands first.",
    ),
    _Refusal(
        says="invalid character class range",
        because="a range between brackets, or a class, is not known",
    ),
    _Refusal(
        says="pattern too large", because="it is too large", hint="Split it into several values."
    ),
)
_TOO_OFTEN = _Refusal(
    says=r".*\{\d*,?\d{4,}",
    because="the numbers of a repetition are out of bounds",
    hint="At most 1,000 times.",
)

_DIFFERENCES = (
    _Difference(
        notation=r"\\[wW]",
        means=r"knows ASCII letters and digits alone here: ñ is none. Any letter is \pL",
    ),
    _Difference(
        notation=r"\\[bB]",
        means="knows ASCII letters alone here: it sees the end of a word before ñ",
    ),
    _Difference(notation=r"\\[dD]", means=r"knows ASCII digits alone here. Any digit is \p{Nd}"),
    _Difference(notation=r"\[:\^?[a-z]+:\]", means="is a class of ASCII characters here"),
    _Difference(
        notation=r"\{,\d+\}",
        means="stands for itself here. Write {0,n}",
        outside_brackets=True,
    ),
)
_APOSTROPHES = str.maketrans(dict.fromkeys("`\u00b4\u2018\u2019\u201b\u02bc\u2032\uff07", "'"))
_WHITE_SPACE = re.compile(r"\s+")
_ESCAPED_BACKSLASH = re.compile(r"\\\\")
_ESCAPED_OR_IN_BRACKETS = re.compile(r"\\.|\[\^?\]?(?:\[:[^\]]*:\]|\\.|[^\]\\])*\]", re.DOTALL)


class Expression(Protocol):
    """A compiled expression."""

    def search(self, text: str) -> object | None:
        """The first match; None without one.

        Raises:
            UnicodeEncodeError: the text holds a lone surrogate.
        """
        ...


def inside(value: str) -> str | None:
    """The expression in a value between two slashes; None for any other value."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == "/" else None


def compiled(expression: str) -> Expression:
    """An expression that ignores case.

    Raises:
        PydanticCustomError: it cannot be compiled; with the reason.
    """
    if not expression:
        raise complaint("This regular expression is empty.")
    # RE2 would read such a repetition as literal text.
    if re.match(_TOO_OFTEN.says, _ESCAPED_OR_IN_BRACKETS.sub("", expression), re.DOTALL):
        raise _unusable(_TOO_OFTEN)
    options: Any = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    # Otherwise it prints the expression.
    options.log_errors = False
    try:
        return cast("Expression", re2.compile(expression, options))
    except re2.error as error:
        (said,) = error.args
        raise _reason(
            said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        ) from None
    except UnicodeEncodeError:
        raise complaint("This regular expression holds half a character.") from None


def passage(value: str) -> Expression:
    """What is looked for, in a `readable` text and in the text itself.

    Raises:
        PydanticCustomError: it is an expression that cannot be compiled.
    """
    if (expression := inside(value)) is not None:
        return compiled(expression)
    return re.compile(f"{re.escape(readable(value))}|{re.escape(value)}", re.IGNORECASE)


def readable(text: str) -> str:
    """The text that is searched: entities decoded, apostrophes and white space normalised."""
    return _WHITE_SPACE.sub(" ", decoded(text).translate(_APOSTROPHES)).strip()


def differences_from_python(expression: str) -> Iterator[str]:
    """A sentence for each notation of an expression with another meaning than in Python."""
    outside = _ESCAPED_OR_IN_BRACKETS.sub("", expression)
    whole = _ESCAPED_BACKSLASH.sub("", expression)
    for one in _DIFFERENCES:
        if found := re.search(one.notation, outside if one.outside_brackets else whole):
            yield f"{found[0]} {one.means}."


def _reason(said: str) -> Exception:
    for refusal in _REFUSALS:
        if found := re.match(refusal.says, said):
            return _unusable(refusal, notation=next(filter(None, found.groups()), ""))
    return complaint("This regular expression cannot be read.")


def _unusable(refusal: _Refusal, *, notation: str = "") -> Exception:
    why = refusal.because.replace("{}", notation)
    return complaint(f"This regular expression cannot be used: {why}.", refusal.hint)


def _usable(value: str) -> str:
    passage(value)
    return value


#: Parts of a text in any case, or `/regular expressions/`.
Passages = Annotated[tuple[Annotated[Text, AfterValidator(_usable)], ...], as_list]
