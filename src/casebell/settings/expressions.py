"""Regular expressions of rules: read by RE2, whose work is linear in the text it searches.

Python's own can take for ever over an ordinary text, and cannot be stopped
(docs/decisions/0015-linear-expressions.md). RE2 knows no look-around and no back-references. What
it cannot say is an error with the reason; what it reads otherwise than Python is a warning. No
message quotes an expression, which may come from a secret: only an operator of a few characters.
"""

import re
from collections.abc import Iterator
from typing import Any, Protocol, cast

import re2

from casebell.settings.values import complaint

#: What RE2 says of an expression that it cannot read, why that is, and what helps.
_CANNOT: tuple[tuple[str, str, str], ...] = (
    (
        r"invalid perl operator: (\(\?<?[=!])",
        "it looks ahead or behind, with `{0}`",
        "Take that part out: list two values of `text`, or give `when` a list of conditions.",
    ),
    (
        r"invalid perl operator: (\(\?P)|invalid escape sequence: (\\[1-9])",
        "it refers back to an earlier group, with `{0}`",
        "Write the repeated part out.",
    ),
    (
        r"invalid perl operator: (\(\?>)|bad repetition operator: ([*+?]\+)",
        "it forbids going back, with `{0}`",
        "Write it without: expressions never go back here.",
    ),
    (r"invalid perl operator: (\(\?\()", "it has a condition, with `{0}`", "Write two values."),
    (r"invalid perl operator: (\(\?#)", "it has a comment, with `{0}`", "Take the comment out."),
    (
        r"invalid perl operator: (\(\?[a-zA-Z])",
        "it has an option that is not known here, with `{0}`",
        "Take it out: case is ignored anyway.",
    ),
    (r"invalid escape sequence: (\\Z)", "the end is not `{0}` here", "Write `$`."),
    (
        r"invalid escape sequence: (\\[uUN])",
        "it names a character with `{0}`",
        "Write the character itself, or `\\x{{00f1}}`.",
    ),
    (r"invalid escape sequence: (\\.)", "`{0}` means nothing here", ""),
    (r"missing \)", "a `(` is not closed", ""),
    (r"unexpected \)", "a `)` closes nothing", ""),
    (r"missing \]", "a `[` is not closed", ""),
    (r"trailing \\", "a backslash stands at its end", ""),
    (r"no argument for repetition", "a repetition has nothing to repeat", ""),
    (r"bad repetition operator", "two repetitions follow each other", ""),
    (r"invalid repetition size", "a part may be repeated more than 1,000 times", ""),
    (r"invalid character class range", "a range between brackets, or a class, is not known", ""),
    (r"pattern too large", "it is too large", "Split it into several values."),
)

#: What stands for other characters than in Python, and what helps.
_OTHERWISE: tuple[tuple[str, str], ...] = (
    (r"\\[wW]", r"stands for ASCII letters alone here: ñ is none. Write [\pL\d_] for any letter"),
    (r"\\[bB]", "knows ASCII letters alone here: it sees the end of a word before ñ"),
    (r"\\[dD]", r"stands for ASCII digits alone here. Write \p{Nd} for any digit"),
    (r"\{,\d+\}", "stands for itself here. Write {0,n}"),
)
_ESCAPED_BACKSLASH = re.compile(r"\\\\")
#: RE2 takes such a number for a text in braces.
_TOO_OFTEN = re.compile(r"(?<!\\)\{\d*,?\d{4,}")


class Expression(Protocol):
    """A compiled expression."""

    def search(self, text: str) -> object | None:
        """Where it is found; None where it is not.

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
        PydanticCustomError: it cannot be used; says why.
    """
    if not expression:
        raise complaint("This regular expression is empty.")
    if _TOO_OFTEN.search(expression):
        raise _unusable("a part may be repeated more than 1,000 times")
    options: Any = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    # It would print the expression.
    options.log_errors = False
    try:
        return cast("Expression", re2.compile(expression, options))
    except re2.error as error:
        (said,) = error.args
        raise _reason(
            said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        ) from None
    except UnicodeEncodeError:
        raise _unusable("it holds half a character") from None


def otherwise(expression: str) -> Iterator[str]:
    """What of an expression means something else than in Python's, as the ends of sentences."""
    shown = _ESCAPED_BACKSLASH.sub("", expression)
    for notation, meaning in _OTHERWISE:
        if found := re.search(notation, shown):
            yield f"{found[0]} {meaning}."


def _reason(said: str) -> Exception:
    for pattern, why, hint in _CANNOT:
        if found := re.match(pattern, said):
            operator = next(filter(None, found.groups()), "")
            return _unusable(why.format(operator), hint.format())
    return complaint("This regular expression cannot be read.")


def _unusable(why: str, hint: str = "") -> Exception:
    return complaint(f"This regular expression cannot be used: {why}.", hint)
