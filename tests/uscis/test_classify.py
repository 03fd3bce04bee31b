"""The classifier, held against titles, descriptions and misleading texts."""

import html
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.events import Status, Tag
from casebell.uscis.classify import classify_text
from casebell.uscis.sentences import READ_LIMIT, text_key
from casebell.uscis.table import Reading
from uscis.corpus import descriptions, rows, tags

TITLES = {row["title"]: row for row in rows("titles.tsv")}
SAMPLE = rows("sample.tsv")
ALL_TITLES = sorted(TITLES.keys() | {row["title"] for row in SAMPLE})


def said(text: str) -> tuple[Status, frozenset[Tag]]:
    """Status and tags alone."""
    reading = classify_text(text)
    return reading.status, reading.tags


@pytest.mark.parametrize("row", SAMPLE, ids=lambda row: row["title"])
def test_every_sample_title_gets_its_preferred_status(row: dict[str, str]) -> None:
    """The recorded titles read as the sample says, and carry the tags its notes ask for."""
    reading = classify_text(row["title"])
    assert reading.status == row["status"]
    for word, tag in {
        "DEADLINE": Tag.DEADLINE,
        "ACTION": Tag.ACTION,
        "(action": Tag.ACTION,
        "REJECTED": Tag.REJECTED,
        "adverse": Tag.ADVERSE,
        "post-approval card": Tag.CARD,
        "no information": Tag.NO_INFO,
    }.items():
        assert word not in row["note"] or tag in reading.tags


def test_every_known_title_reads_exactly() -> None:
    """Status and the whole set of tags are as written down for each title."""
    wrong = [
        (title, said(title))
        for title, row in TITLES.items()
        if said(title) != (Status(row["status"]), tags(row["tags"]))
        or not classify_text(title).known
    ]
    assert wrong == []


def test_a_description_reads_as_its_title() -> None:
    """Boilerplate, conditions, dates and form names never change what a description says."""
    wrong = [
        (title, description)
        for title, description in descriptions()
        if said(description) != said(title) or not classify_text(description).complete
    ]
    assert wrong == []


def test_a_title_with_its_description_reads_as_the_title() -> None:
    """Title and description together, however joined, say what the title says."""
    wrong = [
        joined
        for title, description in descriptions()
        for joined in (
            f"{title}. {description}",
            f"{title}\n{description}",
            f"{title}<br>{description}",
            f"{title} - {description}",
            f"<h1>{title}</h1><p>{description}</p>",
        )
        if said(joined) != said(title)
    ]
    assert wrong == []


def test_misleading_texts_do_not_mislead() -> None:
    """Negations, conditions, cancelled and answered requests, side requests, histories."""
    wrong = [
        (row, reading)
        for row in rows("misleading.tsv")
        for reading in [classify_text(row["text"])]
        if reading.status not in row["statuses"].split(",")
        or not tags(row["required"]) <= reading.tags
        or tags(row["forbidden"]) & reading.tags
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("title", "description"),
    [
        ("Case Was Approved And My Decision Was Emailed", "We sent you a denial notice."),
        ("Oath Ceremony Will Be Scheduled", "We terminated your status."),
        ("Ceremonia De Juramentación Será Programada", "Denegamos su caso."),
        ("Case Is Being Actively Reviewed By USCIS", "Your case was denied."),
    ],
)
def test_a_description_below_its_title_begins_a_sentence(title: str, description: str) -> None:
    """A title has no full stop; what it plans or leaves open does not reach into the next line."""
    for between in ("\n", " \r\n  ", "\n\n", " - ", " \u2014 "):
        joined = classify_text(f"{title}{between}{description}")
        assert said(f"{title}. {description}") == (joined.status, joined.tags)
        assert Tag.ADVERSE in joined.tags


def spelled(title: str) -> Iterator[str]:
    """Other ways to write the same title."""
    yield from (title.upper(), title.lower(), title.swapcase(), f"  {title} \r\n", title + ".")
    yield title.replace(" ", "  \t")
    yield title.replace(" ", "\u00a0")
    yield title.replace(" ", "&nbsp;")
    yield title.replace(" ", "\n", 1)
    yield from (title.replace("'", mark) for mark in ("\u2019", "&#039;", "&rsquo;", "\u00b4", ""))
    yield html.escape(html.escape(title))
    yield f"<p>{title}</p>"
    yield f"<b>{title.replace(' ', '<br/>', 1)}</b>"
    yield "\u200b".join(title)
    yield from (f"Case status: {title}.", f"Current Status - {title}", f'Status: "{title}"')
    yield f"Estatus del caso: {title}"


def test_spelling_does_not_matter() -> None:
    """Case, entities, apostrophes, white space, tags and a label change nothing."""
    titles = [title for title in ALL_TITLES if Tag.NO_INFO not in classify_text(title).tags]
    assert len(titles) > 300
    wrong = [
        (title, variant)
        for title in titles
        for variant in spelled(title)
        if said(variant) != said(title)
    ]
    assert wrong == []


def test_conditions_announce_nothing() -> None:
    """What may come, or comes on a condition, carries no deadline."""
    titles = [title for title in ALL_TITLES if Tag.DEADLINE in classify_text(title).tags]
    assert len(titles) > 30
    wrong = [
        text
        for title in titles
        for text in (
            f"If {title.lower()}, please follow the instructions.",
            f"We received your case. Unless {title.lower()}, you need to do nothing.",
        )
        if Tag.DEADLINE in classify_text(text).tags
    ]
    assert wrong == []


@pytest.mark.parametrize("verdict", ["approved", "denied"])
@pytest.mark.parametrize(
    "frame",
    [
        "Your case was not {}.",
        "Your case has not yet been {}.",
        "Your case has never been {}.",
        "Your case may be {}.",
        "Your case could be {} after review.",
        "Your case will be {} soon.",
        "If your case is {}, we will tell you.",
        "When your case is {}, we send a notice.",
        "We will tell you whether your case was {}.",
        "We {} your request for expedite processing of your Form I-129.",
        "Your fee waiver request was {}.",
        "Your motion was {}.",
        "We {} your appeal.",
        "Your request to reschedule the interview was {}.",
        "A case that was {} was transferred.",
        "We have neither approved nor denied your case, and nothing was {}.",
    ],
)
def test_only_a_verdict_on_the_case_itself_is_one(frame: str, verdict: str) -> None:
    """Negated, possible, conditional verdicts, and verdicts on something else, are `other`."""
    assert classify_text(frame.format(verdict)).status is Status.OTHER


@pytest.mark.parametrize(
    "undoing",
    [
        "revoked",
        "automatically revoked",
        "rescinded",
        "reversed by the appellate authority",
        "withdrawn",
        "cancelled",
        "vacated",
    ],
)
@pytest.mark.parametrize(
    "subject", ["Case Approval", "The approval of your Form I-130", "Approval"]
)
def test_an_approval_undone_is_never_approved(subject: str, undoing: str) -> None:
    """A revoked, rescinded or reversed approval is adverse, whatever else the text says."""
    reading = classify_text(f"{subject} was {undoing}.")
    assert reading.status is Status.OTHER
    assert Tag.ADVERSE in reading.tags
    history = classify_text(f"We approved your Form I-130. {subject} was {undoing}.")
    assert history.status is Status.OTHER


def test_approval_beside_denial_is_neither() -> None:
    """Two outcomes in one text leave the case's own open, and say so."""
    reading = classify_text("We approved your Form I-130. We denied your Form I-485.")
    assert reading == Reading(
        status=Status.OTHER,
        tags=frozenset({Tag.DECISION, Tag.ADVERSE}),
        certain=False,
        row="mixed-outcomes",
    )


@pytest.mark.parametrize(
    "text", ["Case Wandered Off", "lorem ipsum", "\u6848\u4ef6\u5df2\u6279\u51c6"]
)
def test_an_unknown_text_is_other_and_uncertain(text: str) -> None:
    """The table guesses nothing."""
    reading = classify_text(text)
    assert reading == Reading(status=Status.OTHER, tags=frozenset(), certain=False, row="unknown")
    assert not reading.known


@pytest.mark.parametrize(
    "title", ["Decision Notice Mailed", "Notice Explaining USCIS Actions Was Mailed"]
)
def test_wording_that_leaves_the_outcome_open_is_uncertain(title: str) -> None:
    """The delivered status stays where USCIS does not say the outcome."""
    assert not classify_text(title).certain
    assert classify_text("Case Was Denied").certain


@given(st.text(st.characters(), max_size=400))
def test_any_text_reads(text: str) -> None:
    """No text raises, and the reading is made of the vocabulary."""
    reading = classify_text(text)
    assert reading.status in Status
    assert reading.tags <= set(Tag)
    assert text_key(text) == text_key(text_key(text))


@given(
    st.lists(
        st.sampled_from(
            [*ALL_TITLES, "&#", "<p>", "<", "not", "if", ",", ". ", "\ud800", "may 1,"]
        ),
        max_size=12,
    )
)
def test_any_mixture_of_titles_reads(parts: list[str]) -> None:
    """Texts glued together read as something, and never as approved beside a denial."""
    reading = classify_text(". ".join(parts))
    whole = {classify_text(part).status for part in parts}
    if {Status.APPROVED, Status.DENIED} <= whole:
        assert reading.status is not Status.APPROVED


LONG = (
    *(
        unit * (200_000 // len(unit))
        for unit in (
            *(
                " ",
                "\n",
                "A b\n",
                "a",
                ". ",
                ",",
                "<",
                "<a ",
                "&amp;",
                "(",
                "if ",
                "may 1, ",
                "u.s. ",
                "status - ",
            ),
            *(
                "we sent ",
                "case was ",
                "interview ",
                "receipt number ",
                "response to ",
                "notice of ",
            ),
            *("request for additional ", "form i-129, petition ", "on may 1, 2025, we ", "\ufdfa"),
            *("received evidence and sent a ", "we approved your ", "not automatically ", "\ud800"),
        )
    ),
    "&#" + "1" * 200_000,
    "form i-129, application " + "word " * 40_000,
    "<a" + "b" * 200_000,
)


def test_hostile_texts_of_200_kb_cost_little() -> None:
    """Work is linear and capped: all of them together take seconds, not minutes."""
    start = time.process_time()
    for text in LONG:
        classify_text(text)
    assert time.process_time() - start < 20


def test_what_stands_beyond_the_limit_is_not_read_and_makes_it_uncertain() -> None:
    """A text longer than the limit is read up to it and never called certain."""
    reading = classify_text("Case Was Approved. " + "x " * READ_LIMIT + "Case Was Denied.")
    assert reading.status is Status.APPROVED
    assert not reading.certain


def test_leading_blanks_do_not_push_a_request_beyond_the_limit() -> None:
    """White space, tags and invisible characters do not count towards the limit."""
    for filler in (" ", "\u200b", "<i></i>", "&nbsp;"):
        assert Tag.DEADLINE in classify_text(filler * 20_000 + "Request for Evidence Was Sent").tags


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Response To USCIS' Request", "response to uscis\u2019 request"),
        ("Notice Explaining USCIS&#039; Actions", "Notice explaining USCIS actions."),
        ("<p>Case&nbsp;Was Updated</p>", "case was   updated"),
        ("Se Envi\u00f3", "se envio"),
        ("Name\u00ad Was Up\u200bdated", "Name Was Updated"),
        ("Tom &amp;amp; Co", "TOM & CO"),
    ],
)
def test_texts_that_say_the_same_have_one_key(one: str, other: str) -> None:
    """Spelling differences do not make a new change."""
    assert text_key(one) == text_key(other)


def test_texts_that_differ_in_a_word_or_number_have_two_keys() -> None:
    """A date or a word makes another text."""
    assert text_key("On May 1, 2025, we moved it") != text_key("On May 2, 2025, we moved it")
    assert text_key("Name Was Updated") != text_key("Date of Birth Was Updated")
    assert text_key("\u6848\u4ef6\u5df2\u6279\u51c6") != text_key("\u6848\u4ef6\u88ab\u62d2\u7edd")
