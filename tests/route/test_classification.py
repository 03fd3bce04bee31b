"""Type, word and text are weighed so that nothing urgent is missed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.events import CaseEvent, Flag, Status, Tag
from casebell.kinds import KINDS
from casebell.route.classification import Classification, Meanings, classify_event, classify_fields
from contracts.case_events import case_event

GENERIC = "case.status.updated"
DENIED, APPROVED = "Case Was Denied", "Case Was Approved"
RFE = "Request for Evidence Was Sent"
RESPONSE = "Response To USCIS' Request For Evidence Was Received"
#: No row of the table knows it.
UNKNOWN = "A text that nobody ever saw"


def classification_of(
    *words: str, text: str = "", event_type: str = GENERIC, **more: Any
) -> Classification:
    return classify_fields(
        event_type=event_type, words=words, text=text, categories=more.get("categories", {})
    )


#: The order of urgency, most urgent first.
ORDER = [
    Status.RFE_ISSUED,
    Status.DENIED,
    Status.INTERVIEW_SCHEDULED,
    Status.APPROVED,
    Status.RFE_RECEIVED,
    Status.RECEIVED,
    Status.OTHER,
]


@pytest.mark.parametrize("delivered", ORDER)
@pytest.mark.parametrize("event_type", KINDS["parley"].event_types)
def test_the_more_urgent_of_type_and_status_counts(event_type: str, delivered: Status) -> None:
    """And where they differ, a reader is told."""
    by_type = KINDS["parley"].event_types[event_type]
    found = classification_of(delivered, event_type=event_type)
    assert found.status is ORDER[min(ORDER.index(by_type), ORDER.index(delivered))]
    assert (Flag.STATUS_CONFLICT in found.flags) == (by_type is not delivered)


@pytest.mark.parametrize("delivered", Status)
@pytest.mark.parametrize("event_type", ["", GENERIC, "case.reopened", "CASE.DENIED", "denied"])
def test_other_types_assert_nothing(event_type: str, delivered: Status) -> None:
    """The generic type and unknown ones leave the status as delivered."""
    assert classification_of(delivered, event_type=event_type).status is delivered
    assert classification_of(delivered, event_type=event_type).flags == frozenset()


@pytest.mark.parametrize("delivered", [status for status in Status if status is not Status.OTHER])
@pytest.mark.parametrize("text", [APPROVED, DENIED, RFE, RESPONSE])
def test_a_delivered_status_stays_and_a_contradiction_shows(delivered: Status, text: str) -> None:
    """Only a denial overrules good news; the tags of the text count all the same."""
    alone, found = classification_of(text=text), classification_of(delivered, text=text)
    assert (Flag.TEXT_CONFLICT in found.flags) == (alone.status is not delivered)
    if text == DENIED and delivered is not Status.RFE_ISSUED:
        assert (found.status, found.tags) == (Status.DENIED, alone.tags)
        return
    assert found.status is delivered
    assert found.tags == alone.tags | classification_of(delivered, text=UNKNOWN).tags


@pytest.mark.parametrize("event_type", ["", "case.approved"])
@pytest.mark.parametrize("delivered", ["approved", "Case Approved", "received", "rfe_received"])
@pytest.mark.parametrize(
    "text",
    [
        DENIED,
        "Case Approval Was Revoked",
        "Status Termination Notice Was Mailed",
        "Case Rejected For Incorrect Fee",
        "Appeal/Motion Was Dismissed",
        "We approved your Form I-130. We denied your Form I-485.",
        "Rechazamos su caso.",
    ],
)
def test_a_text_against_the_case_overrules_good_news(
    text: str, delivered: str, event_type: str
) -> None:
    """Whatever word or type came beside it: nobody is told of an approval that the text denies."""
    alone = classification_of(text=text, event_type="")
    found = classification_of(delivered, text=text, event_type=event_type)
    assert (found.status, found.tags) == (alone.status, alone.tags)
    assert Flag.TEXT_CONFLICT in found.flags


@pytest.mark.parametrize("words", [(), ("other",), ("a category we never met",)])
@pytest.mark.parametrize(
    ("text", "status"),
    [
        (APPROVED, Status.APPROVED),
        (DENIED, Status.DENIED),
        (RFE, Status.RFE_ISSUED),
        (RESPONSE, Status.RFE_RECEIVED),
        (UNKNOWN, Status.OTHER),
    ],
)
def test_a_certain_text_fills_what_was_left_open(
    words: tuple[str, ...], text: str, status: Status
) -> None:
    """Absent, `other` and unknown words leave the status to the text, without a conflict."""
    found = classification_of(*words, text=text)
    assert found.status is status
    assert found.flags == ({Flag.UNKNOWN_WORDING} if text == UNKNOWN else frozenset())
    assert Tag.NO_INFO not in found.tags


@pytest.mark.parametrize(
    ("word", "text", "status", "tags", "flags"),
    [
        ("Request for Evidence", RFE, "rfe_issued", {"deadline"}, set()),
        ("Request for Evidence", RESPONSE, "rfe_received", set(), set()),
        ("Request for Evidence", "", "rfe_issued", {"deadline"}, set()),
        ("Request for Evidence", UNKNOWN, "rfe_issued", {"deadline"}, {"unknown_wording"}),
        ("Request for Evidence", "CASE STATUS", "rfe_issued", {"deadline"}, set()),
        ("Request for Evidence", APPROVED, "approved", {"decision"}, {"text_conflict"}),
        ("RFE", "Case Is Being Actively Reviewed", "rfe_issued", {"deadline"}, {"text_conflict"}),
        ("Rejected", "", "other", {"rejected"}, set()),
        ("Rejected", UNKNOWN, "other", {"rejected"}, {"unknown_wording"}),
        ("Rejected", "CASE STATUS", "other", {"rejected"}, set()),
        ("Rejected", DENIED, "denied", {"adverse", "decision"}, set()),
        ("Interview", "", "interview_scheduled", {"appointment"}, set()),
        ("Case Approved", "", "approved", {"decision"}, set()),
        ("denied", "", "denied", {"adverse", "decision"}, set()),
        ("Case Transferred", "", "other", set(), set()),
    ],
)
def test_torch_categories(
    word: str, text: str, status: Status, tags: set[Tag], flags: set[Flag]
) -> None:
    """Where a category may mean two things the text decides; without one the safe reading."""
    found = classification_of(word, text=text)
    assert found == Classification(status=status, tags=frozenset(tags), flags=frozenset(flags))


@pytest.mark.parametrize(
    ("event_type", "words", "text", "new"),
    [
        ("", [], "The Blue Phase Has Begun", True),
        # Whatever was delivered beside it: the wording may say more.
        ("case.approved", ["approved"], "The Blue Phase Has Begun", True),
        ("", ["received"], "Your case has entered the blue phase.", True),
        ("", ["other"], "Case Was Transferred And A New Office Has Jurisdiction", False),
        ("", ["other"], "CASE STATUS", False),
        # No text to tell what an unknown word means; one that reads as harmless is.
        ("", ["a category we never met"], "", True),
        ("", ["Terminated By The Blue Office"], "", True),
        ("", ["Case Transferred"], "", False),
        ("case.approved", ["a category we never met"], "", False),
        ("", ["approved", "a category we never met"], "", False),
        # A word of the vocabulary that stands where the text should.
        ("", ["interview_scheduled"], "Interview", False),
        ("", ["other"], "other", False),
        ("", ["approved"], " ", False),
    ],
)
def test_a_wording_that_nobody_has_read_yet_is_flagged(
    event_type: str, words: list[str], text: str, new: bool
) -> None:
    """A text that no row reads, always; a word that nobody knows, where nothing else tells."""
    found = classify_fields(event_type=event_type, words=words, text=text, categories={})
    assert (Flag.UNKNOWN_WORDING in found.flags) == new


def test_rejected_is_never_denied_by_itself() -> None:
    """Only a text that says so makes a denial of a rejection."""
    for text in ("", UNKNOWN, "Case Was Rejected Because I Did Not Sign My Form"):
        found = classification_of("Rejected", text=text)
        assert found.status is Status.OTHER
        assert Tag.REJECTED in found.tags
        assert Tag.ADVERSE not in found.tags


def test_the_operators_map_goes_first() -> None:
    """A category the onboarding pack explains is taken at its word, in any case."""
    categories = {"rejected": Status.DENIED, "quantum review": Status.RECEIVED}
    assert (
        classification_of("Rejected", text=UNKNOWN, categories=categories).status is Status.DENIED
    )
    assert classification_of(" QUANTUM Review ", categories=categories).status is Status.RECEIVED


def test_status_and_category_are_weighed_too() -> None:
    """A source that sends both is read like one that sends type and status."""
    assert classification_of("received", "Case Received") == classification_of("received")
    found = classification_of("received", "Request for Evidence")
    assert found.status is Status.RFE_ISSUED
    assert found.flags == {Flag.STATUS_CONFLICT}


@pytest.mark.parametrize(
    ("words", "text", "no_info"),
    [
        ((), "", False),
        ((), " \t", False),
        ((), "CASE STATUS", True),
        (("other",), "CASE STATUS", True),
        (("Unknown",), "", True),
        (("Unknown",), "CASE STATUS", True),
        (("other",), "", False),
        (("Case Transferred",), "", False),
        (("Case Transferred",), "CASE STATUS", False),
        (("Rejected",), "CASE STATUS", False),
        (("other", "Rejected"), "CASE STATUS", False),
        (("received",), "CASE STATUS", False),
        ((), UNKNOWN, False),
    ],
)
def test_no_info_is_where_nothing_is_said(words: tuple[str, ...], text: str, no_info: bool) -> None:
    """Only a placeholder that came; it mutes no word that says something."""
    assert (Tag.NO_INFO in classification_of(*words, text=text).tags) == no_info
    assert Tag.NO_INFO not in classification_of(*words, text=text, event_type="case.denied").tags


@given(
    event_type=st.sampled_from([*KINDS["parley"].event_types, GENERIC]) | st.text(),
    words=st.lists(
        st.sampled_from([*Status, "Request for Evidence", "Rejected", "Interview"]) | st.text(),
        max_size=2,
    ),
    text=st.sampled_from([APPROVED, DENIED, RFE, RESPONSE, "", "CASE STATUS"]) | st.text(),
)
def test_an_asserted_rfe_is_never_read_away(event_type: str, words: list[str], text: str) -> None:
    """Whatever else is said: type or status `rfe_issued` means an alert about a deadline."""
    found = classification_of(*words, text=text, event_type=event_type)
    if event_type == "case.rfe.issued" or "rfe_issued" in words:
        assert found.status is Status.RFE_ISSUED
        assert Tag.DEADLINE in found.tags
        assert Tag.NO_INFO not in found.tags


class TestOnAnEvent:
    """The three voices as a stored event has them, and what the operator says of them."""

    def test_both_words_are_weighed(self) -> None:
        """A status and a category that disagree are a conflict, whichever stands first."""
        found = classify_event(
            case_event(delivered_status="received", delivered_category="Request for Evidence"),
            Meanings(),
        )
        assert found.status is Status.RFE_ISSUED
        assert found.flags == {Flag.STATUS_CONFLICT}

    def test_each_source_has_its_own_categories(self) -> None:
        """What one source means by a word is nothing to another, nor to one that is gone."""
        meanings = Meanings(categories={"torch": {"closed": Status.DENIED}, "parley": {}})
        told = {
            source: classify_event(
                case_event(source=source, delivered_status="Closed", text=""), meanings
            ).status
            for source in ("torch", "parley", "gone")
        }
        assert told == {"torch": "denied", "parley": "other", "gone": "other"}

    @pytest.mark.parametrize(
        ("receipt", "globs", "is_test"),
        [
            ("EAC9999103403", (), True),
            ("IOE0912345678", (), False),
            ("ABC1234567890", ("ABC*",), True),
            ("ABC1234567890", ("XYZ*", "ABC123456789?"), True),
            ("ABD1234567890", ("ABC*",), False),
        ],
    )
    def test_test_receipts_are_tagged(
        self, receipt: str, globs: tuple[str, ...], is_test: bool
    ) -> None:
        """They go to operations only; the rest of the classification is as for any case."""
        event = case_event(receipt=receipt)
        found = classify_event(event, Meanings(test_receipts=globs))
        assert (Tag.TEST in found.tags) == is_test
        assert found.tags - {Tag.TEST} == {Tag.DEADLINE}
        # The same voices speak for other receipts, which are no tests.
        assert Tag.TEST not in classify_event(case_event(), Meanings(test_receipts=globs)).tags

    def test_the_event_gets_it(self) -> None:
        """Its classification's flags join its own; everything else stays as it was received."""
        event = case_event(type="case.denied", flags=frozenset({Flag.NAIVE_TIME}))
        classified = classify_event(event, Meanings())
        assert (classified.status, classified.tags) == (
            Status.RFE_ISSUED,
            frozenset({Tag.DEADLINE}),
        )
        assert classified.flags == {Flag.NAIVE_TIME, Flag.STATUS_CONFLICT}
        assert {
            name: getattr(classified, name)
            for name in CaseEvent.__struct_fields__
            if name != "flags"
        } == {name: getattr(event, name) for name in CaseEvent.__struct_fields__ if name != "flags"}
