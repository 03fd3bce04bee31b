"""Several alerts as one message: a line and a link for each, and how many more there are."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from casebell.alerts import UNASSIGNED, Alert, AlertKind, Message, Part
from casebell.events import Case, Flag, Status
from casebell.notify.fit import Limits, fitted, text_of
from casebell.notify.headlines import CONFIDENTIAL, headline_of
from casebell.notify.ids import group_id, message_id
from casebell.notify.page import blocks_of
from casebell.notify.render import FOOTER, MAY_REPEAT, CaseFacts, Style
from casebell.notify.render_group import (
    Quiet,
    render_group,
    render_item,
    render_plain_item,
    render_quiet,
)
from contracts.case_events import RECEIVED_AT, classified_event

CONSOLE = "https://casebell.example-firm.com"
STYLE = Style(disclose="standard", timezone=ZoneInfo("UTC"), public_url=CONSOLE)


def alert(number: int, *, may_repeat: bool = False) -> Alert:
    """An ordinary alert of the event of this number."""
    return Alert(
        id=number, kind=AlertKind.CASE, subject=f"change:{number}", channel="team", target="json",
        rules=("All",), urgent=False, attempts=1, created_at=RECEIVED_AT, may_repeat=may_repeat,
        event_id=number, change_id=number,
    )  # fmt: skip


def facts(number: int, *, confidential: bool = False, late: bool = False) -> CaseFacts:
    """Its case was approved."""
    receipt = f"IOE{number:010}"
    event = classified_event(
        receipt=receipt,
        status=Status.APPROVED,
        tags=frozenset(),
        flags=frozenset({Flag.LATE} if late else ()),
    )
    case = Case(receipt=receipt, label=f"Label {number}", form="I-129", confidential=confidential)
    return CaseFacts(event_id=number, event=event, case=case, current_status="denied")


def group(count: int) -> Message:
    """The message of so many."""
    alerts = [alert(number) for number in range(1, count + 1)]
    return render_group(
        alerts, [render_item(one, facts(one.id), STYLE, now=0) for one in alerts], STYLE
    )


def test_each_has_its_title_and_link() -> None:
    """And what its reader must know before acting; a confidential one has no more than news."""
    alerts = [alert(1), alert(2, may_repeat=True), alert(3), alert(4)]
    items = [
        render_item(alerts[0], facts(1), STYLE, now=0),
        render_item(alerts[1], facts(2, late=True), STYLE, now=0),
        render_item(alerts[2], facts(3, confidential=True), STYLE, now=0),
        render_plain_item(alerts[3], CONFIDENTIAL, STYLE),
    ]
    message = render_group(alerts, items, STYLE)
    assert (message.title, message.urgent) == ("4 changes in one message", False)
    assert (
        message.body
        == f"""\
4 changes in one message, since more than ten came within ten minutes.

Case approved · Label 1 · I-129 · IOE…0001
{CONSOLE}/events/1
Case approved · Label 2 · I-129 · IOE…0002
{CONSOLE}/events/2
May repeat: an earlier attempt to send this may have arrived.
Arrived late: a later status (denied) is already known.
A confidential case has news · IOE…0003
{CONSOLE}/events/3
A confidential case has news · event 4
{CONSOLE}/events/4

All alerts in Casebell:
{CONSOLE}/alerts

{FOOTER}"""
    )


def test_that_nobody_was_found_is_said_once() -> None:
    """Where it holds of all; what holds of one alone stays with it."""
    alerts = [replace(alert(number), addressed_as=UNASSIGNED) for number in (1, 2, 3)]
    items = [render_item(one, facts(one.id, late=one.id == 2), STYLE, now=0) for one in alerts]
    first, second, blank, *each = render_group(alerts, items, STYLE).body.split("\n")
    assert first.startswith("3 changes in one message")
    assert second.startswith("It comes to you because the owner of the case")
    assert blank == ""
    assert each.count(second) == 0
    assert each[4].startswith("Arrived late")


def test_one_that_could_not_be_made() -> None:
    """Is told in plain words, and that an answer is owed."""
    headline = headline_of(Status.RFE_ISSUED, frozenset())
    title, _, owed = render_plain_item(alert(7), headline, STYLE)
    assert (title.text, owed.part) == ("RFE issued · event 7", Part.WARNING)


def test_what_does_not_fit_is_counted() -> None:
    """Whole items go, the last first; how many, and where they are, is said."""
    message = group(40)
    for limit in (8_000, 2_000, 1_024, 512):
        sent = fitted(
            message,
            Limits(title=200, body=limit, lines=0),
            max_title=200,
            max_body=8_000,
            length=lambda _, lines: len(text_of(lines)),
        )
        assert len(sent.body) <= limit
        items = [place for place, line in enumerate(sent.lines) if line.part is Part.ITEM]
        for number, place in enumerate(items, start=1):
            assert sent.lines[place].text.endswith(f"IOE…{number:04}")
            assert sent.lines[place + 1].text == f"{CONSOLE}/events/{number}"
        assert (f"… and {40 - len(items)} more." in sent.body) is (len(items) < 40)
        assert {f"{CONSOLE}/alerts", FOOTER} <= set(sent.body.split("\n"))
        # Room for another is not left.
        assert len(items) == 40 or limit - len(sent.body) < 100


def test_a_text_message_says_how_many() -> None:
    """And where they are."""
    sent = fitted(
        group(40),
        Limits(title=0, body=160, lines=0),
        max_title=200,
        max_body=8_000,
        length=lambda title, lines: len(title) + len(text_of(lines)) + 2,
    )
    assert sent.title == "40 changes in one message"
    assert f"{CONSOLE}/alerts" in sent.body


def test_on_a_page_each_is_a_link() -> None:
    """And no button: there may be a hundred."""
    blocks = list(blocks_of(group(2).lines))
    items = [(block.text, block.address) for block in blocks if block.part is Part.ITEM]
    assert items == [
        (f"Case approved · Label {number} · I-129 · IOE…000{number}", f"{CONSOLE}/events/{number}")
        for number in (1, 2)
    ]
    (everything,) = [block for block in blocks if block.address == f"{CONSOLE}/alerts"]
    assert everything.text == "All alerts in Casebell"


def test_its_id_is_of_no_alert() -> None:
    """A mail program drops a second mail of the same id: one of them may have come alone."""
    alerts = [alert(1), alert(2)]
    alone = message_id(alerts[0], key=b"k")
    together = {group_id(alerts[:count], key=b"k") for count in (1, 2)}
    assert len({alone, *together}) == 3
    assert group_id(alerts, key=b"k") in together


@pytest.mark.parametrize(
    ("held", "undecided", "title", "said"),
    [
        (0, 0, "Digest: nothing waited", []),
        (
            2,
            1,
            "Digest: something could not be read",
            [
                "2 deliveries could not be understood yet: somebody has to look.",
                "1 event could not be decided yet: somebody has to look.",
            ],
        ),
    ],
)
def test_a_digest_without_news_never_reassures_falsely(
    held: int, undecided: int, title: str, said: list[str]
) -> None:
    """It says what was delivered last; what could not be read or decided is no quiet day."""
    quiet = Quiet(
        since="Fri 8:00 AM EST",
        last_deliveries={"parley": "Mon 7:12 AM EST", "torch": None},
        held=held,
        undecided=undecided,
    )

    message = render_quiet(quiet, STYLE, may_repeat=False)

    assert message.title == title
    assert message.body.splitlines()[: 3 + len(said)] == [
        "Nothing waited for this digest since Fri 8:00 AM EST. What goes at once is not in it.",
        *said,
        "Last delivery of parley: Mon 7:12 AM EST.",
        "Nothing was ever delivered by torch.",
    ]


def test_a_digest_without_news_that_may_repeat() -> None:
    """It says so, as every message does."""
    quiet = Quiet(since="Fri 8:00 AM EST", last_deliveries={})

    assert MAY_REPEAT in render_quiet(quiet, STYLE, may_repeat=True).body
