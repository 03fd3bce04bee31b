"""Who would hear of each status and tag."""

import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from casebell.events import Flag, Status, Tag
from casebell.route.classification import IMPLIED_TAGS, classify_fields
from casebell.route.coverage import CoverageRow, Gap, coverage, gaps
from casebell.route.rules import CompiledRule, compile_rules
from casebell.settings import Rule


def compiled(rules: Iterable[tuple[str, Any, list[str]]]) -> Sequence[CompiledRule]:
    """The rules."""
    return compile_rules(
        Rule.model_validate({"name": name, "when": when, "notify": to}) for name, when, to in rules
    )


def table(
    *rules: tuple[str, Any, list[str]], ops: Sequence[str] = ()
) -> dict[tuple[str, str], CoverageRow]:
    """The rows for rules written as (name, when, notify), by kind and value."""
    return {(row.kind, row.value): row for row in coverage(compiled(rules), ops=ops)}


def found(*rules: tuple[str, Any, list[str]], ops: Sequence[str] = ()) -> list[Gap]:
    """The gaps of such rules, with two sources."""
    return list(gaps(compiled(rules), sources=["parley", "torch"], ops=ops))


def test_every_status_and_tag_has_one_row() -> None:
    """Nothing of the taxonomy is left out, statuses first, a new wording last."""
    expected = [("status", str(one)) for one in Status] + [("tag", str(one)) for one in Tag]
    assert list(table()) == [*expected, ("flag", "unknown_wording")]


def test_without_rules_nobody_hears() -> None:
    """Every row says so."""
    for row in table().values():
        assert row.channels == ()
        assert row.rules == ()
        assert row.note.startswith(("nobody", "operations only"))


def test_channels_and_rules_of_a_status() -> None:
    """All rules that match are named, each channel once, and no others."""
    rows = table(
        ("RFE", {"status": "rfe_issued"}, ["slack", "email"]),
        ("Deadlines", {"tags": "deadline"}, ["email", "phone"]),
        ("Denied", {"status": "denied"}, ["teams"]),
    )
    assert rows["status", "rfe_issued"] == CoverageRow(
        kind="status",
        value="rfe_issued",
        channels=("slack", "email", "phone"),
        rules=("RFE", "Deadlines"),
        note="",
    )
    assert rows["tag", "deadline"].rules == ("Deadlines",)
    assert rows["status", "approved"].note == "nobody"


def test_a_rule_that_tells_nobody_on_purpose_is_named() -> None:
    """A catch-all without channels covers nothing, but shows."""
    row = table(("Everything else", {}, []))["status", "denied"]
    assert (row.channels, row.rules, row.note) == ((), ("Everything else",), "nobody")


def test_keys_that_depend_on_the_case_are_notes() -> None:
    """A rule that also asks for a receipt or a team covers some changes only."""
    rows = table(
        ("Acme RFEs", {"status": "rfe_issued", "receipt": "IOE*", "team": "acme"}, ["acme"]),
        ("Denied", {"status": "denied"}, ["teams"]),
        ("Cards", {"tags": "card", "text": "mailed"}, []),
    )
    assert rows["status", "rfe_issued"].channels == ()
    assert rows["status", "rfe_issued"].note == (
        'nobody for certain: sometimes acme by "Acme RFEs", depending on receipt, team'
    )
    assert rows["status", "denied"].note == ""
    assert rows["tag", "card"].note == "nobody"


def test_a_certain_and_an_uncertain_rule() -> None:
    """Who hears in every case stands in the row, who hears sometimes in its note."""
    row = table(
        ("Denied", {"status": "denied"}, ["teams"]),
        ("Big client", {"label": "Acme-*"}, ["teams", "partner"]),
        ("Wording that is new", {"flags": "unknown_wording"}, ["teams"]),
    )["status", "denied"]
    assert row.channels == ("teams",)
    assert row.note == 'sometimes partner by "Big client", depending on label'


def test_operations_hear_of_what_must_not_be_missed() -> None:
    """Where no rule tells anybody for certain; of anything else they do not."""
    rows = table(
        ("Acme RFEs", {"status": "rfe_issued", "team": "acme"}, ["acme"]),
        ("Denied", {"status": "denied"}, ["teams"]),
        ("Silence", {}, []),
        ops=["it", "phone"],
    )
    told = {value: row for (_, value), row in rows.items() if "operations" in row.note}
    assert set(told) == {
        *("rfe_issued", "deadline", "adverse", "rejected", "unknown_wording"),
        Tag.TEST.value,
    }
    for value in ("deadline", "adverse", "rejected", "unknown_wording"):
        assert told[value].channels == ("it", "phone")
        assert told[value].note == "operations, as no rule tells anybody"
    assert told["rfe_issued"].channels == ()
    assert told["rfe_issued"].note == (
        'nobody for certain: sometimes acme by "Acme RFEs", depending on team; otherwise operations'
    )
    assert rows["status", "approved"].note == "nobody"


def test_who_hears_of_a_new_wording() -> None:
    """A rule that asks for the flag, one for everything, and none that asks for another flag."""
    row = table(
        ("New", {"flags": "unknown_wording"}, ["partner"]),
        ("Late", {"flags": ["late"]}, ["slack"]),
        ("Rest", {}, ["email"]),
        ops=["it"],
    )["flag", Flag.UNKNOWN_WORDING]
    assert (row.channels, row.rules, row.note) == (("partner", "email"), ("New", "Rest"), "")


def test_any_of_several_conditions_covers() -> None:
    """One condition without further keys is enough for certainty."""
    row = table(("Denied", [{"status": "denied", "team": "a"}, {"tags": "adverse"}], ["teams"]))[
        "status", "denied"
    ]
    assert (row.channels, row.note) == (("teams",), "")


class TestGaps:
    """What must not be missed, and nobody is sure to hear of."""

    def test_the_cure_closes_it(self) -> None:
        """Rules that leave an RFE and a revocation unheard; the conditions named close the gap."""
        heard = [("Denied", {"status": "denied"}, ["teams"])]
        (gap,) = found(*heard)
        assert str(gap) == (
            "Nobody is sure to hear of status rfe_issued; tag deadline, adverse, rejected; flag "
            "unknown_wording: no rule tells anybody in every case. Have a rule notify a channel "
            'with when = [{ status = ["rfe_issued"] }, { tags = ["deadline", "adverse", '
            '"rejected"] }, { flags = ["unknown_wording"] }].'
        )
        cure = tomllib.loads(gap.then.removeprefix("Have a rule notify a channel with "))
        assert found(*heard, ("Cure", cure["when"], ["slack"])) == []

    @pytest.mark.parametrize(
        "rules",
        [
            [("Everything", {}, ["slack"])],
            [("Of one", {"source": "parley"}, ["a"]), ("Of the other", {"source": "torch"}, ["b"])],
        ],
    )
    def test_where_there_is_none(self, rules: list[tuple[str, Any, list[str]]]) -> None:
        """One rule for all sources, or one for each, tells somebody in every case."""
        assert found(*rules) == []

    def test_of_one_source(self) -> None:
        """The source that no rule has is named; a rule that tells nobody closes nothing."""
        rules = [("Of one", {"source": "parley"}, ["a"]), ("Of the other", {"source": "torch"}, [])]
        (gap,) = found(*rules)
        assert "unknown_wording from torch: no rule" in gap.what

    def test_what_depends_on_the_case(self) -> None:
        """A rule for some clients leaves the others unheard."""
        (gap,) = found(("Acme", {"team": "acme"}, ["acme"]))
        assert gap.what.startswith("Nobody is sure to hear of status rfe_issued, denied; tag ")

    def test_operations_hear_of_it(self) -> None:
        """Where operations read a channel, they are told; nobody else is."""
        (gap,) = found(ops=["it"])
        assert gap.what.startswith("Operations alone are sure to hear of status rfe_issued, ")


@pytest.mark.parametrize(
    ("tag", "note"),
    [
        (Tag.TEST, "operations only"),
        (Tag.NO_INFO, "nobody, on purpose: a placeholder says nothing of the case"),
    ],
)
def test_what_rules_have_no_say_in(tag: Tag, note: str) -> None:
    """Test receipts go to operations and placeholders to nobody, whatever the rules say."""
    row = table(("All", {}, ["slack"]), ("Marked", {"tags": str(tag)}, ["email"]))["tag", tag]
    assert (row.channels, row.rules, row.note) == ((), (), note)


@pytest.mark.parametrize("status", Status)
def test_implied_tags_are_those_that_events_carry(status: Status) -> None:
    """A status delivered without text gets the very tags that the table counts with."""
    found = classify_fields(
        event_type="case.status.updated", words=[status], text="", categories={}
    )
    assert found.tags - {Tag.NO_INFO} == IMPLIED_TAGS.get(status, frozenset())
