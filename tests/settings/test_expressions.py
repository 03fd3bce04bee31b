"""Regular expressions of rules: what they can say, what they cannot, and how long they take."""

import contextlib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from casebell.settings.expressions import compiled, differences_from_python, inside
from settings.loading import ReadConfig, ReadProblems
from settings.test_rules import rules


def told(expression: str) -> tuple[str, str]:
    """Why an expression cannot be used, and what helps."""
    with pytest.raises(PydanticCustomError) as caught:
        compiled(expression)
    context = caught.value.context or {}
    return context["message"], context["hint"]


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        ("/a/", "a"),
        ("//", ""),
        ("/and/or/", "and/or"),
        ("/", None),
        ("/a", None),
        ("a/", None),
        ("a", None),
        ("", None),
    ],
)
def test_what_is_an_expression(value: str, expression: str | None) -> None:
    """What stands between two slashes; anything else is a part of the text."""
    assert inside(value) == expression


@pytest.mark.parametrize(
    ("expression", "why", "hint"),
    [
        ("a(?=b)", "looks ahead or behind, with `(?=`", "conditions"),
        ("a(?!b)", "looks ahead or behind, with `(?!`", "conditions"),
        ("(?<=a)b", "looks ahead or behind, with `(?<=`", "conditions"),
        ("(?<!a)b", "looks ahead or behind, with `(?<!`", "conditions"),
        (r"(a)\1", r"refers back to an earlier group, with `\1`", "Write"),
        ("(?P<n>a)(?P=n)", "refers back to an earlier group, with `(?P=`", "Write"),
        ("(?>a)", "forbids going back, with `(?>`", "without"),
        ("a++", "forbids going back, with `++`", "without"),
        ("(a)?(?(1)b|c)", "has a condition, with `(?(`", "two values"),
        ("(?#note)a", "has a comment, with `(?#`", "comment"),
        ("(?x)a b", "blanks in it would not count, with `(?x`", "without blanks"),
        ("(?a)a", "option that is not known here, with `(?a`", "Take the option out"),
        (r"a\Z", r"the end is not `\Z` here", "`$`"),
        (r"\u00f1", r"names a character with `\u`", "the character itself"),
        (r"\e", r"`\e` means nothing here", ""),
        ("(a", "a `(` is not closed", ""),
        ("a)", "a `)` closes nothing", ""),
        ("[a", "a `[` is not closed", ""),
        ("a\\", "a backslash stands at its end", ""),
        ("*a", "a repetition has nothing to repeat", ""),
        ("a**", "two repetitions follow each other", ""),
        ("a{2000}", "numbers of a repetition are out of bounds", "At most 1,000 times"),
        ("a{99999999999999999999}", "numbers of a repetition are out of bounds", "1,000"),
        ("a{1,99999999999999999999}", "numbers of a repetition are out of bounds", "1,000"),
        ("((a{100}){100}){100}", "numbers of a repetition are out of bounds", "multiplied"),
        ("a{3,2}", "numbers of a repetition are out of bounds", "the smaller number"),
        ("[z-a]", "a range between brackets", ""),
        ("\ud800", "half a character", ""),
        ("", "is empty", ""),
    ],
)
def test_what_it_cannot_say(expression: str, why: str, hint: str) -> None:
    """Each is an error that names the notation and what helps, and quotes nothing else."""
    message, helps = told(f"Zanzibar|{expression}" if expression else expression)
    assert why in message
    assert hint in helps
    assert "Zanzibar" not in message + helps


@given(st.text(alphabet="ab(?=!<>P)[]{}*+.|\\wdZ1,:^$", max_size=12) | st.text(max_size=20))
def test_any_expression_is_one_or_an_error_of_ours(expression: str) -> None:
    """Whatever an operator writes, it can be searched with, or the error says so in our words."""
    with contextlib.suppress(PydanticCustomError):
        compiled(expression).search("Request for Evidence")
    list(differences_from_python(expression))


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (r"request (\w+\s*)+evidence$", "We sent you a request for additional evidence notice. "),
        ("we.*request.*evidence.*notice.*deadline", "we request evidence notice "),
        (r"(a+)+$", "a" * 40 + "!"),
        (r"(x+x+)+y", "x" * 500),
        (r"^(\d|\s|\w)*$", "a1 " * 200 + "!"),
    ],
)
def test_time_is_linear_in_the_text(expression: str, text: str) -> None:
    """What takes Python's own expressions for ever, or seconds, takes a moment here."""
    long = (text * (20_000 // len(text) + 1))[:20_000]
    found = compiled(expression)
    began = time.process_time()
    found.search(long)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("expression", "notations"),
    [
        (r"\w+ evidence", [r"\w"]),
        (r"biometrics?\b", [r"\b"]),
        (r"I-\d+", [r"\d"]),
        (r"[\W\D]\B", [r"\W", r"\B", r"\D"]),
        ("a{,3}", ["{,3}"]),
        (r"\\w+", []),
        (r"\\\w+", [r"\w"]),
        ("request.*evidence", []),
        (r"\pL+ \s [0-9]{2,3}", []),
        (r"[\w-]+", [r"\w"]),
        ("[[:alpha:]]+", ["[:alpha:]"]),
        (r"\{,5}", []),
        ("[{,3}]", []),
    ],
)
def test_what_it_reads_otherwise(expression: str, notations: list[str]) -> None:
    """Notations that mean something else than in Python are told, each once."""
    assert [
        sentence.partition(" ")[0] for sentence in differences_from_python(expression)
    ] == notations


def test_the_warnings_are_true() -> None:
    """ASCII alone is a letter or a digit; what the warning proposes knows the others."""
    assert compiled(r"^\w+$").search("petición") is None
    assert compiled(r"^[\pL_-]+$").search("petición")
    assert compiled(r"^\d$").search("٣") is None
    assert compiled(r"^\p{Nd}$").search("٣")
    assert compiled(r"a\b").search("añ")
    assert compiled("^a{,3}$").search("aa") is None
    assert re.search("^a{,3}$", "aa")


def test_what_they_propose_is_warned_of_no_more() -> None:
    """Following the advice ends it, and so it does for what is refused."""
    for expression in (r"[\w-]", r"\W", r"\d", r"\D", "a{,3}"):
        for sentence in differences_from_python(expression):
            proposed = re.findall(r"\\p(?:L|\{Nd\})|\{0,n\}", sentence)
            assert proposed
            assert not list(differences_from_python("".join(proposed)))


def test_braces_that_repeat_nothing() -> None:
    """In brackets and behind a backslash they are text like any other."""
    for expression in ("[{12345]", r"\{12345", "[]{12345}]", r"[\]{12345}]"):
        compiled(expression)


def test_case_is_ignored_beyond_ascii() -> None:
    """As everywhere in rules."""
    assert compiled("müller|PETICIÓN").search("MÜLLER")
    assert compiled("müller|PETICIÓN").search("Petición de evidencia")


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """The library would print an expression that it cannot read, and it may hold a secret."""
    told("Zanzibar(")
    compiled("Zanzibar").search("x")
    assert capfd.readouterr() == ("", "")


def test_a_rule_with_such_an_expression(problems: ReadProblems, read: ReadConfig) -> None:
    """An error stands at its value; a warning names the rule; both are told by `check`."""
    found = problems(rules('name = "a"\nnotify = []\nwhen = { text = ["x", \'/a(?=b)/\'] }'))
    assert list(found) == ["rules[1].when.text[2]"]
    settings = read(rules("name = 'RFE'\nnotify = []\nwhen = { text = '/\\w+ evidence/' }"))
    (warning,) = [one for one in settings.warnings if one.startswith("Rule “RFE”")]
    assert r"\w knows ASCII letters and digits alone here" in warning
