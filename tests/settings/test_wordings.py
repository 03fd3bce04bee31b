"""What the firm says that official texts mean."""

import pytest

from casebell.events import Status, Tag
from casebell.settings import Settings, Wording, Wordings
from casebell.uscis.classify import classify_text
from settings.loading import MINIMAL, ReadConfig, ReadProblems

#: Texts that no row of the table reads.
NEW = "The Blue Phase Has Begun"
NEW_SENTENCE = "On May 2, 2026, the blue phase of your case, Receipt Number IOE0912345678, begun."


def entry(
    *says: str, status: Status = Status.OTHER, tags: tuple[Tag, ...] = (Tag.DEADLINE,)
) -> Wording:
    """A wording as the configuration holds it."""
    return Wording(says=says, status=status, tags=tags)


def remarked(read: ReadConfig, says: str, rest: str) -> list[str]:
    """What `casebell check` warns of for one entry."""
    settings: Settings = read(f"{MINIMAL}\n[[wordings]]\nsays = {says}\n{rest}")
    return [warning for warning in settings.warnings if "wordings" in warning]


def test_the_texts_of_this_page_are_new() -> None:
    """Or its tests would say nothing."""
    assert not classify_text(NEW).known
    assert not classify_text(NEW_SENTENCE).known


@pytest.mark.parametrize(
    ("says", "text"),
    [
        (NEW, NEW),
        ("blue phase", NEW_SENTENCE),
        ("THE BLUE  PHASE", "the blue&nbsp;phase has begun"),
        ("applicant's blue phase", "Applicant&#039;s  blue phase"),
        ("/blue .* begun/", NEW_SENTENCE),
    ],
)
def test_a_text_is_read_as_the_firm_says(says: str, text: str) -> None:
    """In any case and spelling, by a part of it or by an expression."""
    reading = Wordings([entry(says)]).read(text)
    assert reading.status is Status.OTHER
    assert reading.tags == {Tag.DEADLINE}
    assert reading.known
    assert reading.certain


def test_other_texts_are_read_as_ever() -> None:
    """By the table, or by nothing."""
    wordings = Wordings([entry("blue phase")])
    assert wordings.read("Case Was Denied") == classify_text("Case Was Denied")
    assert not wordings.read("The Red Phase Has Begun").known


def test_the_first_that_fits_counts() -> None:
    """In the order of the configuration."""
    wordings = Wordings([entry("green"), entry("blue", tags=()), entry("phase")])
    assert wordings.read(NEW).row == "wordings[2]"


def test_a_wrong_reading_is_mended() -> None:
    """Towards the graver at any time: whoever sees that a denial is missed need not wait."""
    received = "Case Was Received"
    denied = entry(received, status=Status.DENIED, tags=(Tag.ADVERSE,))
    assert Wordings([denied]).read(received).status is Status.DENIED
    rejected = "Case Rejected Because It Was Improperly Filed"
    assert classify_text(rejected).tags >= {Tag.REJECTED}
    assert Wordings([entry("improperly filed", status=Status.DENIED, tags=())]).read(
        rejected
    ).status is (Status.DENIED)


#: Texts that the table reads as what must not be missed.
GRAVE = (
    "Case Was Denied",
    "Notice Of Intent To Deny Was Sent",
    "Request for Additional Evidence Was Sent",
    "Case Rejected Because It Was Improperly Filed",
    "On May 2, 2026, we revoked the approval of your case. The blue phase has begun.",
)


@pytest.mark.parametrize("text", GRAVE)
@pytest.mark.parametrize(
    "says", ["a", "e", "case was", "blue phase", "notice", "/./", "/.*/", "/case|notice|request/"]
)
@pytest.mark.parametrize(
    ("status", "tags"),
    [
        (Status.APPROVED, ()),
        (Status.RECEIVED, ()),
        (Status.OTHER, ()),
        (Status.OTHER, (Tag.CARD,)),
        # An approval takes the sting out of whatever tags stand beside it.
        (Status.APPROVED, (Tag.DEADLINE, Tag.ADVERSE, Tag.REJECTED)),
    ],
)
def test_nothing_grave_is_read_away_by_chance(
    says: str, text: str, status: Status, tags: tuple[Tag, ...]
) -> None:
    """However wide an entry is."""
    known = classify_text(text)
    assert known.tags & {Tag.DEADLINE, Tag.ADVERSE, Tag.REJECTED}
    assert Wordings([entry(says, status=status, tags=tags)]).read(text) == known


@pytest.mark.parametrize("text", GRAVE[:4])
def test_what_reassures_on_purpose_is_said_by_check(read: ReadConfig, text: str) -> None:
    """Where the entry's own text is the one that is read away."""
    wordings = Wordings([entry(text, status=Status.RECEIVED, tags=())])
    assert wordings.read(f"{text}.").status is Status.RECEIVED
    (warning,) = remarked(read, f'"{text}"', 'status = "received"')
    known = classify_text(text)
    assert warning.startswith("wordings[1] makes received of a text that Casebell reads as ")
    assert f"{known.status} ({', '.join(sorted(known.tags))})" in warning
    assert text not in warning


def test_what_reassures_on_purpose_reads_nothing_else_away() -> None:
    """A text that has more to say than the entry's own is read by the table."""
    wordings = Wordings([entry("Case Was Denied", status=Status.RECEIVED, tags=())])
    worse = "Case Was Denied. We sent you a notice of intent to revoke the approval."
    assert classify_text(worse).tags == {Tag.DEADLINE, Tag.ADVERSE, Tag.DECISION}
    assert wordings.read(worse) == classify_text(worse)


def test_a_new_text_with_a_word_against_the_case_can_be_mended(read: ReadConfig) -> None:
    """The table takes it for adverse; who wrote the entry knows better, and `check` says it."""
    text = "Refusal Of The Blue Phase"
    alone = classify_text(text)
    assert not alone.known
    assert alone.tags == {Tag.ADVERSE}
    wordings = Wordings([entry(text, status=Status.OTHER, tags=())])
    assert wordings.read(text).tags == set()
    (warning,) = remarked(read, f'"{text}"', 'status = "other"')
    assert warning.startswith("wordings[1] makes other of a text that Casebell reads as other (adv")
    assert remarked(read, f'"{text}"', 'status = "other"\ntags = ["adverse"]') == []


def test_check_says_more(read: ReadConfig) -> None:
    """Of an entry that is too wide, of one that a release made superfluous; not of a good one."""
    assert remarked(read, f'"{NEW}"', 'status = "other"\ntags = ["deadline"]') == []
    (wide,) = remarked(read, '["case was"]', 'status = "received"')
    assert "fits texts of other meanings, too, such as “Case Was" in wide
    (wide,) = remarked(read, '["/.*/"]', 'status = "received"')
    assert "fits texts of other meanings, too" in wide
    (known,) = remarked(read, '"Case Was Received"', 'status = "received"')
    assert known == "wordings[1] says what Casebell knows by itself, and can go."
    (ascii_only,) = remarked(read, r"'/\w+ phase/'", 'status = "other"')
    assert ascii_only.startswith(r"wordings[1]: \w knows ASCII letters")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('status = "other"', "wordings[1].says"),
        ('says = []\nstatus = "other"', "wordings[1].says"),
        ('says = " "\nstatus = "other"', "wordings[1].says"),
        ('says = "/(a/"\nstatus = "other"', "wordings[1].says"),
        ('says = "/(?=a)b/"\nstatus = "other"', "wordings[1].says"),
        ('says = "x"', "wordings[1].status"),
        ('says = "x"\nstatus = "revoked"', "wordings[1].status"),
        ('says = "x"\nstatus = "other"\ntags = ["no_info"]', "wordings[1].tags"),
        ('says = "x"\nstatus = "other"\ntags = ["test"]', "wordings[1].tags"),
        ('says = "x"\nstatus = "other"\ntags = ["unknown"]', "wordings[1].tags"),
        ('says = "x"\nstatus = "other"\nsay = "y"', "wordings[1].say"),
    ],
)
def test_what_cannot_be_used_is_an_error(problems: ReadProblems, text: str, key: str) -> None:
    """With its place; a tag that would keep a change from people is none of a text."""
    (found,) = problems(f"{MINIMAL}\n[[wordings]]\n{text}")
    assert found.startswith(key)
