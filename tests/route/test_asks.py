"""Which changes wait in the queue, and which answer them."""

import pytest

from casebell.alerts import Answers
from casebell.events import Change, Flag, Status, Tag
from casebell.route.asks import answers, asks, is_answered, owes
from casebell.uscis.classify import classify_text


@pytest.mark.parametrize(
    ("status", "tags", "flags", "expected"),
    [
        (Status.RFE_ISSUED, {Tag.DEADLINE}, set(), True),
        (Status.RFE_ISSUED, set(), set(), True),
        (Status.OTHER, {Tag.DEADLINE, Tag.ADVERSE}, set(), True),
        (Status.OTHER, {Tag.ACTION}, set(), True),
        (Status.INTERVIEW_SCHEDULED, {Tag.APPOINTMENT}, set(), True),
        (Status.OTHER, set(), {Flag.UNKNOWN_WORDING}, True),
        (Status.OTHER, set(), set(), False),
        (Status.APPROVED, {Tag.DECISION}, set(), False),
        (Status.RFE_RECEIVED, set(), set(), False),
        (Status.RFE_ISSUED, {Tag.DEADLINE, Tag.TEST}, set(), False),
        (Status.OTHER, {Tag.NO_INFO}, {Flag.UNKNOWN_WORDING}, False),
    ],
)
def test_what_asks(status: Status, tags: set[Tag], flags: set[Flag], expected: bool) -> None:
    """An answer, an act, an appointment, and wording that nobody knows; never a test."""
    assert asks(status, tags, flags) is expected


@pytest.mark.parametrize(
    ("status", "tags", "expected"),
    [
        (Status.RFE_RECEIVED, set(), Answers.DEADLINES),
        (Status.APPROVED, {Tag.DECISION}, Answers.EVERYTHING),
        (Status.DENIED, {Tag.DECISION, Tag.ADVERSE}, Answers.EVERYTHING),
        (Status.OTHER, {Tag.DECISION, Tag.ADVERSE}, Answers.EVERYTHING),
        (Status.OTHER, {Tag.DECISION, Tag.CARD}, Answers.EVERYTHING),
        (Status.OTHER, {Tag.DECISION}, Answers.NOTHING),
        (Status.OTHER, {Tag.DECISION, Tag.DEADLINE}, Answers.NOTHING),
        (Status.OTHER, set(), Answers.NOTHING),
        (Status.RFE_ISSUED, {Tag.DEADLINE}, Answers.NOTHING),
        (Status.APPROVED, {Tag.DECISION, Tag.TEST}, Answers.NOTHING),
    ],
)
def test_what_answers(status: Status, tags: set[Tag], expected: Answers) -> None:
    """The receipt of the response answers what has a deadline; a decision answers all."""
    assert answers(status, tags) is expected


@pytest.mark.parametrize(
    "text",
    [
        "Your case was recommended for approval.",
        "We made a tentative decision on your case.",
        "We have made a decision to transfer your case.",
        "The previous decision was vacated and your case was reopened.",
        "We completed our review of your case. We will mail you a request for evidence.",
        "We denied your request to expedite your case.",
        "The decision on your fee waiver request was mailed.",
    ],
)
def test_no_decision_of_the_case(text: str) -> None:
    """What is decided beside a case, or not yet for good, answers no request for evidence."""
    reading = classify_text(text)
    assert answers(reading.status, reading.tags) is Answers.NOTHING


@pytest.mark.parametrize(
    "text",
    [
        "Your case was approved.",
        "Your case was denied.",
        "The approval of your petition was revoked.",
        "We dismissed your appeal.",
        "You became a U.S. citizen: your Certificate of Naturalization was issued.",
    ],
)
def test_decisions_of_the_case(text: str) -> None:
    """With these nothing remains to be answered."""
    reading = classify_text(text)
    assert answers(reading.status, reading.tags) is Answers.EVERYTHING


@pytest.mark.parametrize(
    ("later", "deadline", "at", "expected"),
    [
        (Status.RFE_RECEIVED, True, 20, True),
        (Status.RFE_RECEIVED, False, 20, False),
        (Status.RFE_RECEIVED, True, 5, False),
        (Status.RFE_RECEIVED, True, 10, False),
        (Status.APPROVED, False, 20, True),
        (Status.OTHER, True, 20, False),
    ],
)
def test_known_late(later: Status, deadline: bool, at: int, expected: bool) -> None:
    """What arrives after its answer asks for nothing any more; by the time of the changes."""
    change = Change(
        id=1,
        receipt="IOE0912345678",
        status=later,
        tags=frozenset(),
        text_key="",
        at=at,
        seen_until=at,
    )
    assert is_answered(at=10, deadline=deadline, history=[change]) is expected


def test_a_deadline_by_either() -> None:
    """The status or the tag suffices."""
    assert owes(Status.RFE_ISSUED, set())
    assert owes(Status.OTHER, {Tag.DEADLINE})
    assert not owes(Status.OTHER, {Tag.ACTION})


def test_fewer_answers_than_requests() -> None:
    """Of two requests with one answer, one that comes late may be the other: it is asked for."""

    def change(status: Status, at: int) -> Change:
        return Change(
            id=at,
            receipt="IOE0912345678",
            status=status,
            tags=frozenset(),
            text_key="",
            at=at,
            seen_until=at,
        )

    other, answer = change(Status.RFE_ISSUED, 20), change(Status.RFE_RECEIVED, 30)
    assert not is_answered(at=10, deadline=True, history=[other, answer])
    second = change(Status.RFE_RECEIVED, 40)
    assert is_answered(at=10, deadline=True, history=[other, answer, second])
    assert is_answered(at=10, deadline=True, history=[other, answer, change(Status.DENIED, 50)])
