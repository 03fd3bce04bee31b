"""The vendors' words, as the two pages print them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.events import Status, Tag
from casebell.kinds import KINDS, meaning_of, status_of_type, word_key


@pytest.mark.parametrize(
    "word",
    ["rfe_issued", "RFE_ISSUED", "rfe issued", "Rfe-Issued", " rfe__issued ", "rfe\u2013issued"],
)
def test_a_word_has_one_key(word: str) -> None:
    """Labels may change their case and punctuation ("not immutability of labels")."""
    assert word_key(word) == "rfe issued"


PARLEY, TORCH = KINDS["parley"], KINDS["torch"]


def test_every_status_of_the_taxonomy_is_a_word() -> None:
    """All seven values of Parley's page mean themselves."""
    assert len(PARLEY.words) == len(Status) == 7
    for status in Status:
        assert PARLEY.words[word_key(status.value)].status is status


def test_every_event_type_of_the_page_but_one_asserts_a_status() -> None:
    """`case.status.updated` says that something changed, not what."""
    assert len(PARLEY.event_types) == 5
    assert "case.status.updated" not in PARLEY.event_types


def test_every_category_of_the_page_is_a_word() -> None:
    """The four examples of Torch's page; the two that may mean two things say so."""
    examples = {
        "Case Received": Status.RECEIVED,
        "Request for Evidence": Status.RFE_ISSUED,
        "Approved": Status.APPROVED,
        "Rejected": Status.OTHER,
    }
    for example, status in examples.items():
        word = meaning_of(example, kind="torch")
        assert word
        assert word.status is status
    assert Status.RFE_RECEIVED in TORCH.words["request for evidence"].hides
    assert Status.DENIED in TORCH.words["rejected"].hides
    assert TORCH.words["rejected"].tags == {Tag.REJECTED}


@pytest.mark.parametrize("kind", [*KINDS, "gone", None])
def test_the_two_pages_have_one_vocabulary(kind: str | None) -> None:
    """Either kind may use both, and so may a source that is gone; none says two things."""
    assert not TORCH.words.keys() & PARLEY.words.keys()
    for one in (PARLEY, TORCH):
        for key, word in one.words.items():
            assert meaning_of(key, kind=kind) == word
    for event_type, status in PARLEY.event_types.items():
        assert status_of_type(event_type, kind=kind) is status
    assert meaning_of("a word nobody knows", kind=kind) is None
    assert status_of_type("case.reopened", kind=kind) is None


@given(st.text())
def test_a_key_is_its_own_key(word: str) -> None:
    """Looking up is idempotent for any text."""
    assert word_key(word_key(word)) == word_key(word)
