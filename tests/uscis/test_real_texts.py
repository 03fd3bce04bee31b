"""The classifier, held against what the public status page served, and against every form."""

from collections.abc import Iterator

import pytest

from casebell.events import Status
from casebell.uscis.classify import classify_text
from casebell.uscis.table import Reading
from uscis.corpus import rows, tags

REAL = rows("real_texts.tsv")
FORMS = rows("forms.tsv")


def expected(cell: str) -> tuple[Status, frozenset[object]]:
    """A cell of the real texts: "denied adverse,decision"."""
    status, _, found = cell.partition(" ")
    return Status(status), frozenset(tags(found))


def said(reading: Reading) -> tuple[Status, frozenset[object]]:
    """Status and tags of a reading; every text here is one that the table knows."""
    assert reading.known
    return reading.status, frozenset(reading.tags)


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("row", REAL, ids=lambda row: f"{row['title_en']} {row['form']}")
def test_a_real_text_says_what_a_person_reads_in_it(row: dict[str, str], language: str) -> None:
    """Title, description and both, however joined, markup and misspellings included."""
    title, description = row[f"title_{language}"], row[f"description_{language}"]
    assert said(classify_text(title)) == expected(row["title"])
    assert classify_text(description).complete
    assert said(classify_text(description)) == expected(row["description"])
    for joined in (
        f"{title}. {description}",
        f"{title}\n{description}",
        f"{title} {description}",
        f"{title} - {description}",
        f"<h1>{title}</h1><p>{description}</p>",
    ):
        assert said(classify_text(joined)) == expected(row["description"])


def forms(title: str) -> Iterator[str]:
    """The forms with a title in this language, as a sentence names them; one without any."""
    name = {"title": "Form", "titulo": "Formulario"}[title]
    yield f"{name} I-130"
    yield from (f"{name} {row['form']}, {row[title]}" for row in FORMS if row[title])


@pytest.mark.parametrize(
    ("sentence", "status"),
    [
        ("Your {} was denied.", Status.DENIED),
        ("We denied your {}.", Status.DENIED),
        ("We approved your {}.", Status.APPROVED),
        ("Your {} was approved on May 2, 2025.", Status.APPROVED),
        ("We received your {}.", Status.RECEIVED),
    ],
)
def test_a_form_may_come_without_its_number(sentence: str, status: Status) -> None:
    """Its title alone, if that says what it is: "Application for Waiver of ..." was no waiver."""
    titles = [row["title"] for row in FORMS if row["title"].startswith(("Application", "Petition"))]
    assert len(titles) > 50
    read = {title: classify_text(sentence.format(title)).status for title in titles}
    assert read == dict.fromkeys(titles, status)


@pytest.mark.parametrize("row", rows("verdicts.tsv"), ids=lambda row: row["sentence"][:60])
def test_no_title_of_a_form_makes_or_hides_a_verdict(row: dict[str, str]) -> None:
    """Titles hold words of verdicts, and commas; the sentence around them says what happened."""
    wrong = [
        (text, reading)
        for title, blank in (("title", "{form}"), ("titulo", "{formulario}"))
        if blank in row["sentence"]
        for form in forms(title)
        for text in [row["sentence"].replace(blank, form)]
        for reading in [classify_text(text)]
        if said(reading) != (Status(row["status"]), tags(row["tags"]))
    ]
    assert wrong == []
