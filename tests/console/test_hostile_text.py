"""A text that tries every trick adds no mark to any page, and turns no line of it."""

import unicodedata
from html.parser import HTMLParser

import pytest

from casebell.actors import Role
from casebell.kinds.parley import HOSTILE as MARKUP
from cli.installation import HOSTILE as CONTROLS
from console.running import RunningConsole
from e2e.sender import document, encoded

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: With what would end an element, an attribute, an isolate, a comment, a template.
HOSTILE = (
    MARKUP + CONTROLS + "\u2069\u2069\u202e\u061c\ufeff \"'></bdi></td></table><!-- <svg onload=x> "
    "<style>*{display:none}</style> {{ 7*7 }} {% raw %} ]]> &lt;b&gt; &#60;"
)
HARMLESS = "Case Was Received. " + "x" * len(HOSTILE)
#: The pages that show an event, by its number and its receipt.
PAGES = (
    "/events?limit=1",
    "/events?limit=1&others=true",
    "/events/{number}",
    "/cases?limit=1",
    "/cases/{receipt}",
    "/audit?limit=4",
)


class Marks(HTMLParser):
    """The elements of a page with their attributes' names, in order, and its texts."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.seen.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.text += data


def marks(html: str) -> Marks:
    """What a page is made of."""
    found = Marks()
    found.feed(html)
    return found


async def shown(console: RunningConsole, number: int, receipt: str) -> dict[str, Marks]:
    """Every page that shows an event."""
    visitor = await console.signed_in(Role.ADMIN)
    found = {}
    for path in PAGES:
        answer = await visitor.get(path.format(number=number, receipt=receipt))
        assert answer.status_code == 200, path
        found[path] = marks(answer.text)
    return found


async def arrive(console: RunningConsole, receipt: str, text: str) -> dict[str, Marks]:
    """Have an event with a text, and everything else that a source can say, the same; its pages."""
    number = await console.deliver(
        receipt_number=receipt,
        id=f"evt_{receipt}" if text == HARMLESS else "evt_<b>{{7*7}}\"'",
        type="case.status.updated" if text == HARMLESS else "<script>alert(2)</script>",
        normalized_status="received",
        raw_status_text=text,
        occurred_at="2025-08-01T10:00:00Z" if text == HARMLESS else '"><img src=x onerror=y>',
    )
    await console.say_of_case(receipt, label=text[:100], matter=text[:100], owner=text, team=text)
    return await shown(console, number, receipt)


async def test_a_hostile_text_is_inert(console: RunningConsole) -> None:
    """Each page has the elements that it has with a harmless text, and the text as text."""
    harmless = await arrive(console, "WAC2190054321", HARMLESS)
    hostile = await arrive(console, "WAC2190054322", HOSTILE)
    for path in PAGES:
        tags = {tag for tag, _ in hostile[path].seen}
        assert tags <= {tag for tag, _ in harmless[path].seen} | {"p"}, path
        names = {name for _, attributes in hostile[path].seen for name in attributes}
        assert not {name for name in names if name.startswith("on")}, path
        assert ("script", ("src", "defer")) in hostile[path].seen
        assert [tag for tag, _ in hostile[path].seen].count("script") == 1
        text = hostile[path].text
        assert "49" not in text.replace("IOE", "").split("{{7*7}}")[-1][:3]
        acting = {repr(c) for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs")} - {
            "'\\n'"
        }
        assert acting == set(), path
    assert "<svg onload=x>" in hostile["/events/{number}"].text
    assert "<svg onload=x>" in hostile["/events?limit=1"].text or len(MARKUP) > 100


async def test_a_hostile_name_of_a_filter(console: RunningConsole) -> None:
    """What an address says is shown as text, in its field and in the error."""
    visitor = await console.signed_in(Role.ADMIN)
    for query in (
        "text=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "since=%3Cscript%3Ealert(1)%3C/script%3E",
        "%3Cscript%3E=1",
    ):
        found = marks((await visitor.get(f"/events?{query}")).text)
        assert [tag for tag, _ in found.seen].count("script") == 1, query


async def test_a_body_that_is_held(console: RunningConsole) -> None:
    """What could not be understood is named by us, and its body is on no page of events."""
    await console.post(encoded(document(id=HOSTILE)))
    visitor = await console.signed_in(Role.ADMIN)
    found = marks((await visitor.get("/events?others=true&limit=1")).text)
    assert [tag for tag, _ in found.seen].count("script") == 1
    assert "evil" not in found.text
