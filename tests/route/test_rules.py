"""What each kind of value in `when` asks for."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from casebell.route.rules import Clause, compile_rules
from casebell.settings import Rule, When
from casebell.settings.expressions import readable

RFE_TEXT = "Response To USCIS&#039; Request For Evidence Was  Received"


def clause(key: str, asked: str) -> Clause:
    """The one clause of a rule that asks one thing."""
    when = When.model_validate({key: [asked]})
    (rule,) = compile_rules([Rule(name="one", when=(when,), notify=())])
    ((compiled,),) = rule.when
    return compiled


def says(asked: str, text: str) -> bool:
    """Whether a text meets a `text` value, asked as `match` asks it."""
    return clause("text", asked).holds((readable(text), text))


@pytest.mark.parametrize(
    ("key", "asked", "fact", "holds"),
    [
        ("source", "parley", "parley", True),
        ("source", "parley", "parley-eu", False),
        ("source", "Parley", "parley", True),
        ("source", "parley*", "parley-eu", False),
        ("status", "rfe_issued", "rfe_issued", True),
        ("status", "rfe_issued", "rfe_received", False),
        ("tags", "deadline", "deadline", True),
        ("flags", "late", "repeat", False),
        ("type", "case.rfe.issued", "Case.RFE.Issued", True),
        ("type", "case.rfe.*", "case.rfe.received", True),
        ("type", "case.rfe.*", "case.rfe", False),
        ("type", "case.rfe.issued", "case-rfe-issued", False),
        ("type", "case.rfe", "case.rfe.issued", False),
        ("receipt", "IOE*", "IOE0912345678", True),
        ("receipt", "ioe09*", "IOE0912345678", True),
        ("receipt", "IOE09", "IOE0912345678", False),
        ("receipt", "IOE091234567?", "IOE0912345678", True),
        ("receipt", "IOE[01]*", "IOE0912345678", True),
        ("receipt", "IOE[!0]*", "IOE0912345678", False),
        ("owner", "jchan@example-firm.com", "JChan@Example-Firm.com", True),
        ("owner", "chan", "jchan@example-firm.com", False),
        ("team", "*", "mobility", True),
        ("team", "*", "", False),
        ("matter", "2025-*", "2025-0113", True),
        ("label", "Acme-*", "acme-o1a", True),
        ("label", "Acme [H-1B]", "Acme [H-1B]", True),
        ("label", "Acme [H-1B]", "Acme H", False),
        ("label", "Acme*", "Acme\nO-1A", True),
        ("label", "Acme", "Acme\n", False),
        ("label", "Müller*", "MÜLLER GmbH", True),
    ],
)
def test_value(key: str, asked: str, fact: str, holds: bool) -> None:
    """A value meets a fact of its key, or not, as the table says."""
    assert clause(key, asked).holds((fact,)) is holds


@pytest.mark.parametrize(
    ("asked", "text", "holds"),
    [
        ("request for evidence", RFE_TEXT, True),
        ("USCIS' Request", RFE_TEXT, True),
        ("USCIS\u2019 Request", RFE_TEXT, True),
        ("uscis&#039; request", RFE_TEXT, True),
        ("was received", RFE_TEXT, True),
        ("USCIS' Request", "Response To USCIS&amp;#039; Request", True),
        ("was   received", "Case Was\n\tReceived", True),
        ("was received", "Case Was&nbsp;Received", True),
        ("evidence", "Case Was Approved", False),
        ("amp;  x", "&amp;  x", True),
        ("a.b", "acb", False),
        ("1 < 2", "where 1 < 2 holds", True),
        ("/request.*evidence/", RFE_TEXT, True),
        ("/^response/", RFE_TEXT, True),
        ("/^request/", RFE_TEXT, False),
        ("/&#039;/", RFE_TEXT, True),
        ("/was received$/", RFE_TEXT, True),
        (r"/biometrics?\b/", "Your Biometric Appointment", True),
        ("/", "and/or", True),
        ("and/or", "and/or", True),
    ],
)
def test_text(asked: str, text: str, holds: bool) -> None:
    """Text is found in any case, spelling of entities, apostrophes and white space."""
    assert says(asked, text) is holds


@given(text=st.text(max_size=60), start=st.integers(0, 60), length=st.integers(1, 60))
def test_any_part_of_a_text_is_found_in_it(text: str, start: int, length: int) -> None:
    """Whatever part of a text an operator copies out of it, it is found there."""
    part = text[start : start + length]
    assume(part.strip())
    assume(not (len(part) > 1 and part.startswith("/") and part.endswith("/")))
    assert says(part, text)


@given(st.text(alphabet="&#0123456789xamp; \u2019\u00a0n", max_size=200))
def test_reading_a_text_never_fails(text: str) -> None:
    """Broken, nested and endless entities are text like any other."""
    assert "\u00a0" not in readable(text)


def test_endless_number_in_an_entity() -> None:
    """An entity with more digits than Python will read as a number does not stop the search."""
    assert says("evidence", "&#" + "9" * 5_000 + "; evidence")


def test_glob_of_many_stars_ends() -> None:
    """Globs take linear time: this one would outlast the test under plain backtracking."""
    assert not clause("type", "*a" * 30 + "*b").holds(("a" * 200,))


def test_every_key_of_the_settings_is_compiled() -> None:
    """A key that the settings know and the rules forget would silently match everything."""
    samples = {"status": "denied", "tags": "card", "flags": "late", "receipt": "IOE*"}
    for key in When.model_fields:
        assert clause(key, samples.get(key, "word")).key == key


def test_values_of_a_key_are_alternatives() -> None:
    """One of several values is enough, and one of several tags of an event."""
    when = When.model_validate({"tags": ["deadline", "adverse"]})
    (rule,) = compile_rules([Rule(name="one", when=(when,), notify=("slack",), urgent=True)])
    ((tags,),) = rule.when
    assert tags.holds(("action", "adverse"))
    assert not tags.holds(("action",))
    assert not tags.holds(())
    assert (rule.name, rule.notify, rule.urgent) == ("one", ("slack",), True)


def test_a_rule_that_asks_nothing_has_an_empty_condition() -> None:
    """`when = {}` compiles to a condition without clauses."""
    (rule,) = compile_rules([Rule(name="all", when=(When(),), notify=())])
    assert rule.when == ((),)
