"""What each status and tag is called, and what no wording may claim."""

import itertools
import re
from collections.abc import Iterator

import pytest

from casebell.events import Flag, Status, Tag
from casebell.notify.headlines import (
    CONFIDENTIAL,
    HEADLINES,
    NEW_WORDING,
    OF_TEXTS,
    Headline,
    headline_of,
)
from casebell.route.classification import classify_fields
from casebell.uscis.table import table
from uscis.corpus import rows

#: Every one that a message of a case may have.
EVERY = (*HEADLINES, *OF_TEXTS, NEW_WORDING, CONFIDENTIAL)


def every_combination() -> Iterator[tuple[Status, frozenset[Tag]]]:
    """Each status with each set of tags."""
    for status in Status:
        for count in range(len(Tag) + 1):
            for tags in itertools.combinations(Tag, count):
                yield status, frozenset(tags)


def row(when: Status | Tag) -> Headline:
    """The words for a status or a tag."""
    (found,) = [headline for headline in HEADLINES if headline.when is when]
    return found


def test_everything_has_a_saying() -> None:
    """Whatever the status and however many tags, there are words for one of them."""
    for status, tags in every_combination():
        assert headline_of(status, tags).when in {status, *tags}


def test_the_most_pressing_speaks() -> None:
    """Of status and tags the row that stands highest in the table speaks."""
    order: list[object] = [headline.when for headline in HEADLINES]
    for status, tags in every_combination():
        spoken = order.index(headline_of(status, tags).when)
        assert all(spoken <= order.index(other) for other in {status, *tags} if other in order)


def test_every_status_and_telling_tag_has_one_row() -> None:
    """Each status has a row of its own, and each tag but those that change no words."""
    told = [headline.when for headline in HEADLINES]
    assert len(told) == len(set(told))
    assert set(told) == {*Status, *Tag} - {Tag.NO_INFO, Tag.TEST}


@pytest.mark.parametrize(
    ("status", "tags", "title"),
    [
        (Status.RFE_ISSUED, {Tag.DEADLINE}, "Request for Evidence issued"),
        (Status.OTHER, {Tag.DEADLINE}, "USCIS notice with a deadline"),
        # An intent to deny that was delivered as a denial, or beside an answer to an earlier RFE.
        (Status.DENIED, {Tag.DEADLINE, Tag.ADVERSE}, "USCIS notice with a deadline"),
        (Status.RFE_RECEIVED, {Tag.DEADLINE}, "USCIS notice with a deadline"),
        (Status.DENIED, {Tag.ADVERSE, Tag.DECISION}, "Case denied"),
        (Status.OTHER, {Tag.REJECTED, Tag.ACTION}, "Filing rejected"),
        (Status.OTHER, {Tag.ADVERSE, Tag.DECISION}, "Case took an adverse turn"),
        (Status.APPROVED, {Tag.ADVERSE}, "Case took an adverse turn"),
        (Status.APPROVED, {Tag.DECISION, Tag.CARD}, "Case approved"),
        # A missed or cancelled appointment is something to do, not something to go to.
        (Status.OTHER, {Tag.ACTION, Tag.APPOINTMENT}, "Action needed"),
        (Status.OTHER, {Tag.ACTION, Tag.CARD}, "Action needed"),
        (Status.OTHER, {Tag.APPOINTMENT}, "USCIS appointment"),
        (Status.INTERVIEW_SCHEDULED, {Tag.APPOINTMENT}, "Interview scheduled"),
        (Status.OTHER, {Tag.DECISION}, "USCIS decision reported"),
        (Status.OTHER, {Tag.CARD}, "Card or document update"),
        (Status.RECEIVED, set(), "Case received"),
        (Status.OTHER, {Tag.NO_INFO}, "Case status changed"),
        (Status.OTHER, {Tag.TEST}, "Case status changed"),
    ],
)
def test_what_is_said(status: Status, tags: set[Tag], title: str) -> None:
    """Combinations that the classifier and the sources really give."""
    assert headline_of(status, frozenset(tags)).title == title


@pytest.mark.parametrize(
    ("status", "tags", "title"),
    [
        (Status.OTHER, set(), "New USCIS wording: read it"),
        (Status.OTHER, {Tag.TEST}, "New USCIS wording: read it"),
        (Status.OTHER, {Tag.REJECTED}, "Filing rejected"),
        (Status.APPROVED, {Tag.DECISION}, "Case approved"),
    ],
)
def test_a_new_wording_speaks_where_nothing_else_is_known(
    status: Status, tags: set[Tag], title: str
) -> None:
    """A delivered status says more than that its text is new."""
    new = frozenset({Flag.UNKNOWN_WORDING})
    assert headline_of(status, frozenset(tags), new).title == title


def test_no_row_claims_another_outcome() -> None:
    """Only a denial says denied and only an approval approved; a rejection is neither."""
    for headline in EVERY:
        words = f"{headline.title} {headline.sentence}".lower()
        assert ("denied" in words) == (headline.when is Status.DENIED)
        assert ("approved" in words) == (headline.when is Status.APPROVED)
        # Nor does any say what a text did not: USCIS's own Spanish says "rejected" for "denied".
        assert not re.search(r"\bnot? (?:an? )?(?:denial|approval|rejection)", words)


def test_an_unknown_decision_stays_unknown() -> None:
    """A decision of unknown outcome is told without one, and points to the notice."""
    words = f"{row(Tag.DECISION).title} {row(Tag.DECISION).sentence}"
    assert not re.search(r"approv|den[iy]|grant|refus|favou?r|adverse", words, re.IGNORECASE)
    assert "its notice" in words


def test_no_due_date_is_computed() -> None:
    """Where an answer is owed the words point to the notice; no row counts days."""
    for headline in EVERY:
        words = f"{headline.title} {headline.sentence} {headline.owed}"
        assert not re.search(r"\d|\bdays?\b|\bweeks?\b|\bdue\b|\bby\b", words)
    assert "within the time its notice sets" in row(Status.RFE_ISSUED).owed


def test_titles_are_short_and_sentences_are_sentences() -> None:
    """A title fits a locked phone beside its marks; a sentence begins and ends as one."""
    for headline in EVERY:
        assert len(headline.title) <= 30
        assert not headline.title.endswith(".")
        # With "URGENT: " and the masked receipt.
        most = 48 if headline is CONFIDENTIAL else 40
        assert len(f"URGENT: {headline.subject} · IOE…5678") <= most
        assert headline.sentence.startswith(("USCIS ", "A confidential case "))
        assert headline.sentence.endswith(".")


def test_no_request_for_evidence_is_claimed_where_the_text_says_otherwise() -> None:
    """An intent to deny that came as one has another time to answer: a month, not three."""
    found = headline_of(Status.RFE_ISSUED, {Tag.DEADLINE}, {Flag.TEXT_CONFLICT})
    assert found is row(Tag.DEADLINE)
    assert headline_of(Status.RFE_ISSUED, {Tag.DEADLINE}) is row(Status.RFE_ISSUED)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Case Was Reopened", "Case reopened"),
        ("Case Was Reopened For Reconsideration", "Case reopened"),
        ("Caso Fue Reabierto", "Case reopened"),
        # Asked for, or undone: not more is said than that the text changed.
        ("Motion To Reopen Was Filed", "Case status changed"),
        ("Your case was denied in error and has been reopened.", "Case status changed"),
        ("Withdrawal Acknowledgement Notice Was Sent", "Case withdrawal"),
        ("Petition Withdrawn", "Case withdrawal"),
        ("Withdrawal Of My Appeal Was Acknowledged", "Case status changed"),
        ("Case Closed", "Case closed"),
        ("Case Closed Benefit Received By Other Means", "Case closed"),
        ("Case Administratively Closed", "Case took an adverse turn"),
        ("Case Was Transferred And A New Office Has Jurisdiction", "Case transferred"),
        ("Caso Fue Transferido", "Case transferred"),
        ("Case was closed and the file was transferred", "Case status changed"),
        ("Case Is On Hold", "Case on hold"),
        ("Case Is Off Hold", "Case status changed"),
        ("Termination Of Litigation Notice Was Mailed", "Case status changed"),
        # Half of it is read by no row.
        ("Case Was Transferred. The blue phase has begun.", "New USCIS wording: read it"),
    ],
)
def test_what_only_the_text_tells(text: str, title: str) -> None:
    """Some texts have words of their own, where the table is sure of all of it."""
    found = classify_fields(event_type="", words=("other",), text=text, categories={})
    assert headline_of(found.status, found.tags, found.flags, text).title == title
    # A tag that the text does not explain, as one of the configuration, speaks first.
    tagged = found.tags | {Tag.REJECTED}
    assert headline_of(found.status, tagged, found.flags, text).title == "Filing rejected"


def test_no_text_against_the_case_has_other_words_than_its_tags() -> None:
    """But that a case was closed; and that is said to be perhaps a step against it."""
    for sentence in [row["sentence"] for row in rows("adverse.tsv")]:
        for text in (
            sentence,
            f"Case Was Transferred. {sentence}",
            f"Case Was Reopened. {sentence}",
        ):
            found = classify_fields(event_type="", words=("other",), text=text, categories={})
            said = headline_of(found.status, found.tags, found.flags, text)
            assert said not in OF_TEXTS or said.title == "Case closed", text
            if said.title == "Case closed":
                assert "may be a step against it" in said.sentence


def test_each_text_of_its_own_is_a_row_of_the_table() -> None:
    """A row that is renamed takes its words along."""
    assert {one.when for one in OF_TEXTS} <= {row.reading.row for row in table().rows}
