"""The vendors' words, as the two pages print them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.events import Status, Tag
from casebell.route.words import parley, torch
from casebell.route.words.word import word_key


@pytest.mark.parametrize(
    "word",
    ["rfe_issued", "RFE_ISSUED", "rfe issued", "Rfe-Issued", " rfe__issued ", "rfe\u2013issued"],
)
def test_a_word_has_one_key(word: str) -> None:
    """Labels may change their case and punctuation ("not immutability of labels")."""
    assert word_key(word) == "rfe issued"


def test_every_status_of_the_taxonomy_is_a_word() -> None:
    """All seven values of the API page mean themselves."""
    assert {word.status for word in parley.STATUSES.values()} == set(Status)
    for status in Status:
        assert parley.STATUSES[word_key(status.value)].status is status


def test_every_event_type_of_the_page_but_one_asserts_a_status() -> None:
    """`case.status.updated` says that something changed, not what."""
    assert len(parley.EVENT_TYPES) == 5
    assert "case.status.updated" not in parley.EVENT_TYPES


def test_every_category_of_the_page_is_a_word() -> None:
    """The four examples; the two that may mean two things say so."""
    examples = {
        "Case Received": Status.RECEIVED,
        "Request for Evidence": Status.RFE_ISSUED,
        "Rejected": Status.OTHER,
    }
    for example, status in examples.items():
        assert torch.CATEGORIES[word_key(example)].status is status
    assert parley.STATUSES[word_key("Approved")].status is Status.APPROVED
    assert Status.RFE_RECEIVED in torch.CATEGORIES["request for evidence"].hides
    assert Status.DENIED in torch.CATEGORIES["rejected"].hides
    assert torch.CATEGORIES["rejected"].tags == {Tag.REJECTED}


def test_keys_are_written_as_they_are_looked_up() -> None:
    """A word spelled otherwise in the table would never be found; none is in both tables."""
    assert all(word_key(key) == key for key in torch.CATEGORIES)
    assert not torch.CATEGORIES.keys() & parley.STATUSES.keys()


@given(st.text())
def test_a_key_is_its_own_key(word: str) -> None:
    """Looking up is idempotent for any text."""
    assert word_key(word_key(word)) == word_key(word)
