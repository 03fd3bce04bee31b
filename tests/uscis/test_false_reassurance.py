"""No text that goes against a case is read as good news: the worst fault that there is."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.events import Flag, Status, Tag
from casebell.notify.headlines import HEADLINES, headline_of
from casebell.route.classification import classify_fields
from casebell.uscis.classify import classify_text
from casebell.uscis.table import Reading
from uscis.corpus import rows

ADVERSE = rows("adverse.tsv")
HEARD = [row["sentence"] for row in rows("heard.tsv")]
ORDINARY = [row["sentence"] for row in rows("ordinary.tsv")]
#: What a text may say before, and how the next sentence begins.
BEFORE = (
    "",
    "Case Was Updated. ",
    "Case Was Received and A Receipt Notice Was Sent\n",
    "We approved your case. ",
    "We transferred your Form I-765, Application for Employment Authorization, to a new office. ",
)
#: What comes of a step against the case: a tag, or the status `denied`, which has one.
AGAINST = frozenset({Tag.ADVERSE, Tag.REJECTED, Tag.DEADLINE})
#: Good or indifferent news that a text may hold beside.
FRIENDLY = (
    "Case Was Approved",
    "Case Was Approved And My Decision Was Emailed",
    "We approved your Form I-130, Petition for Alien Relative, Receipt Number IOE0900000000",
    "We are pleased to inform you that we approved your case",
    "Aprobamos su caso",
    "Emitió Decisión de Aprobación En El Caso",
    "Case Was Received and A Receipt Notice Was Sent",
    "Response To USCIS' Request For Evidence Was Received",
    "We scheduled an interview for your case",
    "Entrevista Programada",
    "Card Was Produced",
    "Fees Were Waived",
    "Case Is Being Actively Reviewed By USCIS",
    "CASE STATUS",
)
#: What is refused beside the case, or undone.
BESIDE = (
    "Expedite Request Was Rejected",
    "We denied your request for expedite processing of your Form I-129.",
    "Your request to reschedule your biometrics appointment was denied.",
    "Fee Waiver Request Was Denied",
    "Su solicitud de procesamiento acelerado fue denegada.",
    "The denial of your case was reversed.",
    "We reopened your denied case.",
    "Your case was denied in error and has been reopened.",
    "We withdrew our earlier denial.",
    "Termination Of Litigation Notice Was Mailed",
    "Your case, which was denied in error, was reopened.",
    "Hearing On Denial (N-336) Was Scheduled",
    "If your case is denied, we will send you a notice. We received your case.",
    "We received your case. If we deny it, you may appeal.",
    "We received your payment. No response is required.",
    "Recibimos su caso. No se requiere respuesta.",
    "We received your case. You must provide your new address within 10 days of moving.",
    "We scheduled your interview. Please provide your original documents at your interview.",
)
#: Status and tags of headlines that reassure.
GOOD_NEWS = {
    row.title
    for row in HEADLINES
    if row.when in (Status.APPROVED, Status.RECEIVED, Status.RFE_RECEIVED, Tag.CARD)
}


def texts(sentence: str) -> Iterator[str]:
    """The sentence beside good news, before it and after it, on lines and in headings."""
    stop = sentence.rstrip(".") + "."
    yield from (sentence, sentence.upper(), f"<p>{sentence}</p>", f"Case status: {sentence}")
    for friendly in FRIENDLY:
        yield f"{friendly}. {sentence}"
        yield f"<h1>{friendly}</h1><p>{sentence}</p>"
        if not friendly.endswith("Reopened"):
            yield f"{stop} {friendly}."
            yield f"{stop}\n{friendly}"


def is_bad_news(reading: Reading) -> bool:
    """Whether somebody who must hear of bad news hears of it."""
    return bool(AGAINST & reading.tags) and not (
        reading.status is Status.APPROVED or Tag.NO_INFO in reading.tags
    )


def test_a_text_against_the_case_reads_as_such() -> None:
    """Whatever stands beside it. Only an approval after an intent says that all went well."""
    wrong = [
        (text, reading)
        for row in ADVERSE
        for text in texts(row["sentence"])
        for reading in [classify_text(text)]
        if not is_bad_news(reading)
        and not (row["kind"] == "intended" and text.startswith(row["sentence"].rstrip(".")))
    ]
    assert wrong == []


@pytest.mark.parametrize("event_type", ["case.approved", "case.received", ""])
@pytest.mark.parametrize(
    "word", ["approved", "Case Approved", "received", "rfe_received", "other", ""]
)
def test_no_word_or_type_beside_it_makes_good_news_of_it(word: str, event_type: str) -> None:
    """The text decides: over the delivered status, the category and the event's type."""
    wrong = [
        (row["sentence"], found)
        for row in ADVERSE
        for found in [
            classify_fields(
                event_type=event_type,
                words=(word,) if word else (),
                text=row["sentence"],
                categories={},
            )
        ]
        if headline_of(found.status, found.tags, found.flags).title in GOOD_NEWS
        or not AGAINST & found.tags
        or (found.status is Status.APPROVED and row["kind"] != "intended")
    ]
    assert wrong == []


@pytest.mark.parametrize("before", BEFORE)
def test_a_sentence_that_somebody_must_read_is_heard(before: str) -> None:
    """By a tag or as unknown wording, also among sentences that the table reads."""
    silent = [
        (sentence, found)
        for sentence in HEARD
        for found in [
            classify_fields(event_type="", words=(), text=before + sentence, categories={})
        ]
        if found.status is Status.APPROVED
        or not (AGAINST & found.tags or Flag.UNKNOWN_WORDING in found.flags)
    ]
    assert silent == []


@pytest.mark.parametrize("before", BEFORE[1:])
def test_an_ordinary_sentence_changes_nothing(before: str) -> None:
    """A firm that is woken for nothing stops to listen."""
    alone = classify_text(before)
    loud = [
        (sentence, reading)
        for sentence in ORDINARY
        for reading in [classify_text(before + sentence)]
        if AGAINST & reading.tags
        or reading.unread
        or (reading.status is not alone.status and alone.status is Status.APPROVED)
    ]
    assert loud == []


def test_good_news_beside_a_sentence_that_no_row_reads_is_uncertain() -> None:
    """What nobody has read may take it back: the delivered status counts, and the flag."""
    text = "We approved your case. The blue phase has begun."
    silent = classify_fields(event_type="", words=("other",), text=text, categories={})
    assert (silent.status, Flag.UNKNOWN_WORDING in silent.flags) == (Status.OTHER, True)
    told = classify_fields(event_type="", words=("approved",), text=text, categories={})
    assert (told.status, Flag.UNKNOWN_WORDING in told.flags) == (Status.APPROVED, True)
    owed = classify_fields(
        event_type="",
        words=("other",),
        text="We sent you a Request for Evidence. The blue phase has begun.",
        categories={},
    )
    assert (owed.status, Flag.UNKNOWN_WORDING in owed.flags) == (Status.RFE_ISSUED, True)


@given(
    sentence=st.sampled_from([row["sentence"] for row in ADVERSE if row["kind"] != "intended"]),
    before=st.lists(st.sampled_from(FRIENDLY), max_size=3),
    after=st.lists(st.sampled_from(FRIENDLY), max_size=3),
    mark=st.sampled_from(
        [
            ". ",
            ".\n",
            "\n",
            " - ",
            " \u2014 ",
            " | ",
            "; ",
            ", ",
            ": ",
            " and ",
            ", but ",
            " However, ",
        ]
    ),
    reason=st.sampled_from(
        ["", "because ", "which means that ", "after ", "We inform you that ", "Please note that "]
    ),
)
def test_no_mixture_with_good_news_reads_as_approved(
    sentence: str, before: list[str], after: list[str], mark: str, reason: str
) -> None:
    """Glued together in any way, and whether it is said outright or as a reason."""
    text = mark.join([*before, reason + sentence.rstrip("."), *after])
    assert classify_text(text).status is not Status.APPROVED


@pytest.mark.parametrize(
    "text",
    [
        "We reopened your case on our own motion and terminated your status.",
        "Your card was destroyed because your status was terminated.",
        "Your request for extension of stay was denied.",
        "Your case was transferred to another office, which denied it.",
        "Your employment authorization has been cancelled.",
        "Emitió Decisión de Terminación En El Caso",
    ],
)
def test_a_step_that_no_row_tells_makes_the_wording_new(text: str) -> None:
    """What a row makes of the rest of the sentence calms nobody."""
    found = classify_fields(event_type="", words=(), text=text, categories={})
    assert Flag.UNKNOWN_WORDING in found.flags
    assert Tag.ADVERSE in found.tags


@pytest.mark.parametrize("text", BESIDE)
def test_what_is_refused_beside_the_case_or_undone_stays_ordinary(text: str) -> None:
    """A firm that is woken for nothing stops to listen."""
    found = classify_fields(event_type="", words=(), text=text, categories={})
    assert Flag.UNKNOWN_WORDING not in found.flags
    assert not AGAINST & found.tags
