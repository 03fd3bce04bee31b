"""Plain text as Markdown, read back by a real Markdown reader; and as HTML."""

import re
from html import unescape

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from casebell.notify.inert_text import inert
from casebell.notify.markup import as_html, as_markdown

READER = MarkdownIt("commonmark").enable("table").enable("strikethrough")
LINK = "https://casebell.example-firm.com/cases/7?a=1&b=(2"[:-2]

texts = st.text(alphabet=st.sampled_from("ab1 \n\\`*_{}[]()<>#+-.!|~&;:=@/\"'$%^,?"), max_size=60)


def paragraphs(markdown: str) -> list[list[Token]]:
    """The tokens of each paragraph; fails where anything but a paragraph stands."""
    tokens = READER.parse(markdown)
    assert {token.type for token in tokens} <= {"paragraph_open", "inline", "paragraph_close"}
    return [token.children or [] for token in tokens if token.type == "inline"]


@given(texts)
@example("<https://evil.example> <b>x</b> <at>Everyone</at>")
@example("[x]: https://evil.example\n[x]")
@example("===\n---\n***\n___\n| a | b |\n|---|---|")
@example("1) one\n10. ten\n+ plus\n- minus\n# head\n> quote\n```\ncode\n~~~")
@example("&lt;script&gt; &#42;bold&#42; &amp;")
@example("\\[click](https://evil.example) \\\\[click](https://evil.example)")
def test_text_is_only_text(text: str) -> None:
    """Whatever the text, a Markdown reader finds paragraphs of exactly its words, nothing else."""
    shown = [
        "".join(child.content for child in children)
        for children in paragraphs(as_markdown(text))
        if all(child.type in ("text", "text_special") for child in children)
    ]
    assert shown == [line.strip() for line in text.split("\n") if line.strip()]


@given(st.text(max_size=80))
def test_any_text_made_inert_is_only_text(text: str) -> None:
    """The same holds for all of Unicode, once it is inert."""
    for children in paragraphs(as_markdown(inert(text, limit=200))):
        assert {child.type for child in children} <= {"text", "text_special"}


def test_a_link_alone_on_its_line_is_live() -> None:
    """It becomes a link whose words are its address."""
    (first, second) = paragraphs(as_markdown(f"Open the case:\n{LINK}"))
    assert [child.type for child in first] == ["text"]
    assert second[0].attrs["href"] == LINK
    assert "".join(child.content for child in second) == LINK


def test_a_link_among_words_is_only_text() -> None:
    """Only a line that is nothing but a link can be followed."""
    markdown = as_markdown(f"see {LINK} now")
    assert {child.type for child in paragraphs(markdown)[0]} <= {"text", "text_special"}


def test_ordinary_words_are_left_alone() -> None:
    """No backslash where nothing would act: some readers show them."""
    plain = "RFE issued: I-129, O-1A (masked IOE…1234). Due date: see the notice!"
    assert as_markdown(plain) == plain


@given(st.text(max_size=200))
def test_html_shows_exactly_the_text(text: str) -> None:
    """No tag and no entity of a text is one of ours."""
    lines = as_html(inert(text, limit=400)).split("<br/>\n")
    bare = [re.sub(r"</?a[^>]*>", "", line) for line in lines]
    assert "\n".join(map(unescape, bare)) == inert(text, limit=400)
    assert not any("<" in line for line in bare)


def test_a_link_in_html_can_be_followed() -> None:
    """Alone on its line; elsewhere it is text."""
    html = as_html(f"see {LINK}\n{LINK}").split("<br/>\n")
    shown = LINK.replace("&", "&amp;")
    assert html == [f"see {shown}", f'<a href="{shown}">{shown}</a>']
