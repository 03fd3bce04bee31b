"""The page of a message: nothing lost, nothing live, and its styles in its elements."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from casebell.alerts import Line, Message, Part
from casebell.notify.fit import Limits, fitted, text_of
from casebell.notify.page import page_of
from contracts.channel_contract import HOSTILE_BODY, HOSTILE_TITLE
from contracts.html_pages import Page
from notify.inlining import PAGE, SOURCE, inlined

LINK = "https://casebell.example-firm.com/events/12?a=1&b=2"
USCIS = "https://egov.uscis.gov/"
LINES = [
    Line("USCIS issued a Request for Evidence.", part=Part.SENTENCE),
    Line("May repeat: an earlier attempt may have arrived.", part=Part.WARNING),
    Line("", part=Part.RULE),
    Line("Receipt: IOE…5678"),
    Line("Open in Casebell:"),
    Line(LINK, part=Part.LINK),
    Line("", part=Part.RULE),
    Line("Source: parley, event 12", part=Part.DETAIL),
    Line("Look it up at USCIS:", part=Part.DETAIL),
    Line(USCIS, part=Part.LINK),
    Line("This is a prompt to look.", part=Part.FOOTER),
]
ALERT = Message.of("URGENT: RFE", LINES, urgent=True)


def test_the_styles_are_those_of_the_source() -> None:
    """Whoever changes the source makes the page anew: python -m notify.inlining."""
    assert PAGE.read_text() == inlined(SOURCE.read_text())


def test_each_part_is_shown_as_such() -> None:
    """The sentence first and largest, the link a button, the lines of IT small below a rule."""
    html = page_of(ALERT)
    page = Page(html)
    assert page.lines == [
        "USCIS issued a Request for Evidence.",
        "May repeat: an earlier attempt may have arrived.",
        "Receipt: IOE…5678",
        "Open in Casebell",
        "Source: parley, event 12",
        "Look it up at USCIS",
        "This is a prompt to look.",
    ]
    assert page.links == [("Open in Casebell", LINK), ("Look it up at USCIS", USCIS)]
    assert html.count("<h1") == html.count("<hr") == html.count('class="button"') == 1
    assert html.index("Open in Casebell") < html.index("<hr") < html.index("Source: parley")


def test_urgency_has_its_colour() -> None:
    """And only urgency."""
    assert 'class="bar urgent"' in page_of(ALERT)
    assert 'class="bar urgent"' not in page_of(replace(ALERT, urgent=False))


def test_a_link_without_its_words_shows_its_address() -> None:
    """The line with the words is the first to go where a service takes less."""
    lines = [Line("Receipt: IOE…5678"), Line(LINK, part=Part.LINK)]
    assert Page(page_of(Message.of("t", lines, urgent=False))).links == [(LINK, LINK)]


def test_what_only_looks_like_a_link_is_text() -> None:
    """No address leads to a script, and none ends its attribute."""
    for text in ('https://x.example/"onclick="alert(1)', "javascript:alert(1)", "https://x y"):
        page = Page(page_of(Message.of("t", [Line(text, part=Part.LINK)], urgent=False)))
        assert (page.links, page.lines) == ([], [text])


@given(st.lists(st.builds(Line, st.text(max_size=60), part=st.sampled_from(Part)), max_size=12))
def test_whatever_it_says_is_only_text(lines: list[Line]) -> None:
    """Every line is there once, in its order; no element is not the template's."""
    given = [*lines, *(Line(line) for line in HOSTILE_BODY.split("\n"))]
    message = fitted(
        Message.of(HOSTILE_TITLE, given, urgent=False),
        Limits(title=200, body=20_000, lines=0),
        max_title=200,
        max_body=20_000,
        length=lambda _, lines: len(text_of(lines)),
    )
    shown = " ".join(" ".join(Page(page_of(message)).lines).split())
    meant = [line.text for line in message.lines if line.part is not Part.RULE]
    assert shown == " ".join(" ".join(meant).split())
