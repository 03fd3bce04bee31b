"""What messages say, word by word, and what they can never say."""

import itertools
import re
import unicodedata
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.alerts import OPERATIONS, UNASSIGNED, Alert, AlertKind, Line, Message, Part
from casebell.events import Case, ClassifiedEvent, Flag, Status, Tag
from casebell.notify.fit import Limits, fitted, text_of
from casebell.notify.headlines import ANY_CHANGE
from casebell.notify.inert_text import quoted
from casebell.notify.render import (
    FOOTER,
    TEXT_LIMIT,
    USCIS_STATUS_PAGE,
    CaseFacts,
    Disclose,
    Style,
    for_people,
    render_case,
    render_plain,
)
from contracts.case_events import OCCURRED_AT, RECEIVED_AT, classified_event

NEW_YORK = ZoneInfo("America/New_York")
RECEIPT = "IOE0912345678"
MASKED = "IOE…5678"
CONSOLE = "https://casebell.example-firm.com"
CASE = Case(
    receipt=RECEIPT,
    label="Acme O-1A",
    form="I-129",
    matter="2025-0113",
    owner="jchan@example-firm.com",
)
#: Characters that the channels cut a body at, and would cut the footer off with the rest.
LONGEST_BODY = 8_000
#: What begins a line of ours; a line from outside that began so could be taken for one.
OUR_STARTS = ("Receipt:", "Case:", "Matter:", "Owner:", "USCIS text:", "When:", "Received:")


DISCLOSE: tuple[Disclose, ...] = ("minimal", "standard", "full")
ZONES = ("UTC", "Pacific/Kiritimati", "Etc/GMT+12", "America/New_York")
#: Any text, with more than its share of what acts somewhere.
ODD = st.text(st.characters() | st.sampled_from("<>&;#@[](){}\n\x00\u202e\ud800"), max_size=80)
EVENTS = st.builds(
    classified_event,
    text=ODD,
    type=ODD,
    delivered_status=st.none() | ODD,
    occurred_at=st.none() | st.integers(min_value=-(2**63), max_value=2**63),
    occurred_raw=st.none() | ODD,
    status=st.sampled_from(Status),
    tags=st.frozensets(st.sampled_from(Tag)),
    flags=st.frozensets(st.sampled_from(Flag)),
)


def alert(**fields: Any) -> Alert:
    """The claimed alert of a change."""
    return Alert(
        **{
            "id": 7,
            "kind": AlertKind.CASE,
            "subject": "change:3",
            "channel": "slack",
            "target": "general",
            "rules": ("RFE issued",),
            "urgent": False,
            "attempts": 1,
            "created_at": RECEIVED_AT,
            "may_repeat": False,
            "event_id": 12,
            "change_id": 3,
            **fields,
        }
    )


def style(disclose: Disclose = "minimal", **fields: Any) -> Style:
    """A channel in New York with a console."""
    return Style(**{"disclose": disclose, "timezone": NEW_YORK, "public_url": CONSOLE, **fields})


def rendered(
    event: ClassifiedEvent,
    disclose: Disclose = "minimal",
    *,
    case: Case = CASE,
    later: str | None = None,
    **fields: Any,
) -> Message:
    """The message of an event's alert."""
    told = CaseFacts(event_id=12, event=event, case=case, current_status=later)
    return render_case(alert(**fields), told, style(disclose))


def lines_of(message: Message, start: str) -> list[str]:
    """The lines of a body that begin so."""
    return [line for line in message.body.split("\n") if line.startswith(start)]


class TestGolden:
    """Whole messages, as they go out."""

    def test_an_urgent_request_for_evidence(self) -> None:
        """By default a message says what happened and where to look, and masks whose case it is."""
        event = classified_event(text="Request for Additional Evidence Was Sent for IOE0912345678.")
        assert rendered(event, urgent=True) == Message(
            title="URGENT: RFE issued · IOE…5678",
            body="""\
USCIS issued a Request for Evidence.
A response is owed within the time its notice sets.
Case: IOE…5678
USCIS text: “Request for Additional Evidence Was Sent for IOE…5678.”
When: Oct 14, 2025, 3:22 PM EDT, as reported by parley
Open in Casebell:
https://casebell.example-firm.com/events/12
———
Rule: RFE issued
Source: parley, event 12
Received: Oct 14, 2025, 3:23 PM EDT
Look the receipt up at USCIS:
https://egov.uscis.gov/

This is a prompt to look, not legal notice. Only the notice that USCIS sends says what is due and \
when.""",
        )

    def test_everything_disclosed(self) -> None:
        """Where everything may be shown, the receipt is whole and the firm's own words stand."""
        event = classified_event(text="Request for Additional Evidence Was Sent for IOE0912345678.")
        message = rendered(event, "full", rules=("RFE issued", "Acme"))
        assert message.title == "RFE issued · Acme O-1A · I-129 · IOE0912345678"
        assert message.body.split("\n")[2:5] == [
            (
                "Case: IOE0912345678 · Acme O-1A · I-129 · matter 2025-0113 · "
                "owner jchan@example-firm.com"
            ),
            "USCIS text: “Request for Additional Evidence Was Sent for IOE0912345678.”",
            "When: Oct 14, 2025, 3:22 PM EDT, as reported by parley",
        ]
        assert "Rule: RFE issued; Acme" in message.body.split("\n")

    def test_standard_names_the_case_and_masks_the_receipt(self) -> None:
        """`standard` shows what the firm calls the case, not its number."""
        message = rendered(classified_event(), "standard")
        assert "Case: IOE…5678 · Acme O-1A · I-129 · " in message.body
        assert message.title == "RFE issued · Acme O-1A · I-129 · IOE…5678"
        assert message.short_title == "RFE issued · IOE…5678"
        assert RECEIPT not in message.body + message.title

    @pytest.mark.parametrize(
        ("fields", "title", "sentence"),
        [
            (
                {
                    "status": Status.OTHER,
                    "tags": frozenset({Tag.DEADLINE}),
                    "text": "Notice of Intent to Deny Was Sent",
                },
                "Notice with deadline",
                (
                    "USCIS sent a notice that may have to be answered in time, such as an intent "
                    "to deny or revoke."
                ),
            ),
            (
                {
                    "status": Status.OTHER,
                    "tags": frozenset({Tag.REJECTED, Tag.ACTION}),
                    "text": "Case Was Rejected",
                },
                "Filing rejected",
                (
                    "USCIS rejected the filing. Its notice says why, and whether it can be filed "
                    "again."
                ),
            ),
            (
                {
                    "status": Status.APPROVED,
                    "tags": frozenset({Tag.DECISION}),
                    "text": "Case Was Approved",
                },
                "Case approved",
                "USCIS approved the case.",
            ),
        ],
    )
    def test_what_happened(self, fields: dict[str, Any], title: str, sentence: str) -> None:
        """Title and first line say what happened: a notice, a rejection, an approval."""
        message = rendered(classified_event(**fields))
        assert message.title == f"{title} · {MASKED}"
        assert message.lines[0] == Line(sentence, short="", part=Part.SENTENCE)

    def test_a_test_receipt(self) -> None:
        """A staging receipt is marked as a test in the title and in words."""
        message = rendered(
            classified_event(status=Status.APPROVED, tags=frozenset({Tag.TEST, Tag.DECISION}))
        )
        assert message.title == f"TEST: Case approved · {MASKED}"
        assert message.body.split("\n")[:3] == [
            "USCIS approved the case.",
            "This is a test receipt: no real case is concerned, nothing needs doing.",
            f"Case: {MASKED}",
        ]

    def test_warnings_stand_before_everything_else(self) -> None:
        """What a reader must know before acting follows the first line, each on its own."""
        flags = {
            Flag.LATE,
            Flag.STALE_SIGNATURE,
            Flag.STATUS_CONFLICT,
            Flag.TEXT_CONFLICT,
            Flag.CONFLICT,
        }
        event = classified_event(
            type="case.rfe.issued", delivered_status="approved", flags=frozenset(flags)
        )
        message = rendered(event, later="denied", may_repeat=True, stands_in_for="email-team")
        assert message.body.split("\n")[1:10] == [
            "The notice says whether a response is owed, and within which time.",
            "May repeat: an earlier attempt to send this may have arrived.",
            "Sent here because channel email-team failed.",
            "Arrived late: a later status (denied) is already known.",
            "Delivered late: signed some time before it came.",
            (
                "The source contradicts itself: it delivered status “approved”, type "
                "“case.rfe.issued”."
            ),
            "The text says something else than the delivered status “approved”; check both.",
            "The source sent differing content for the same event; check both.",
            f"Case: {MASKED}",
        ]

    def test_a_new_wording_is_shown_and_said_to_be_new(self) -> None:
        """On every channel, and not as an ordinary change; receipts in it stay masked."""
        event = classified_event(
            status=Status.OTHER,
            tags=frozenset(),
            flags=frozenset({Flag.UNKNOWN_WORDING}),
            text="Notice of Potential Discontinuation for IOE0912345678 <@everyone>",
        )
        for disclose in DISCLOSE:
            message = rendered(event, disclose, urgent=True)
            assert message.title.startswith("URGENT: New wording: read it · ")
            assert "in words that are new to Casebell" in message.body.split("\n")[0]
            (text,) = lines_of(message, "USCIS text:")
            assert text.startswith("USCIS text: “Notice of Potential Discontinuation for ")
            assert ("IOE0912345678" in text) == (disclose == "full")
            assert "status changed" not in f"{message.title} {message.body}"

    def test_a_status_beside_a_new_wording(self) -> None:
        """The status speaks, and the reader is told to read the text."""
        event = classified_event(
            status=Status.APPROVED, tags=frozenset(), flags=frozenset({Flag.UNKNOWN_WORDING})
        )
        message = rendered(event)
        assert message.title.startswith("Case approved")
        assert message.body.split("\n")[1] == (
            "The text is worded in a way that is new to Casebell, and may say more: read it."
        )

    def test_what_no_rule_sends_to_anybody(self) -> None:
        """Operations read that it is theirs to pass on; of a test receipt they need not."""
        told = "No rule sends this change to anybody, so it comes to operations: pass it on"
        denied = classified_event(status=Status.DENIED)
        assert told in rendered(denied, rules=(), urgent=True).body
        assert told not in rendered(denied).body
        test = classified_event(status=Status.DENIED, tags=frozenset({Tag.TEST}))
        assert told not in rendered(test, rules=()).body

    def test_for_whom_unassigned_stands(self) -> None:
        """A message that names an owner must not read as if that owner had been told."""
        told = "It comes to you because the owner of the case, its team, or both led to nobody"
        case = Case(receipt=RECEIPT, owner="Nobody Known")
        assert told in rendered(classified_event(), case=case, addressed_as=UNASSIGNED).body
        assert told not in rendered(classified_event(), case=case, addressed_as="@owner").body
        # A text message has room for less, and for the rest.
        limits = Limits(title=0, body=160, lines=0)
        message = rendered(classified_event(), case=case, addressed_as=UNASSIGNED)
        fit = fitted(
            message, limits, max_title=250, max_body=4_000,
            length=lambda title, lines: len(f"{title}\n{text_of(lines)}"),
        )  # fmt: skip
        assert "An answer is owed: see the notice." in fit.body
        assert "Nobody was found: take it on." in fit.body

    def test_no_warning_without_cause(self) -> None:
        """Flags that a reader need not act on add no line."""
        flags = frozenset({Flag.REPEAT, Flag.UNPARSED_TIME})
        warnings = [
            one for one in rendered(classified_event(flags=flags)).lines if one.part is Part.WARNING
        ]
        assert [one.text for one in warnings] == [
            "A response is owed within the time its notice sets."
        ]

    def test_late_without_a_known_status(self) -> None:
        """Where the later status has no name to give, the line still reads."""
        message = rendered(classified_event(flags=frozenset({Flag.LATE})))
        assert "Arrived late: a later status is already known." in message.body

    def test_no_console_no_link(self) -> None:
        """Without a public address there is no link to the console, and the USCIS page stays."""
        told = CaseFacts(event_id=12, event=classified_event(), case=CASE)
        message = render_case(alert(rules=()), told, style(public_url=None))
        assert "Open in Casebell" not in message.body
        assert "Rule:" not in message.body
        assert USCIS_STATUS_PAGE in message.body.split("\n")

    def test_links_stand_alone(self) -> None:
        """A link has its line to itself, so that a channel can tell it from text."""
        with_link = [
            line for line in rendered(classified_event()).body.split("\n") if "://" in line
        ]
        assert with_link == [f"{CONSOLE}/events/12", USCIS_STATUS_PAGE]

    def test_no_official_text(self) -> None:
        """Where nothing readable came, no empty quotation stands."""
        for text in ("", " \n\t", "\u200b\u202e", "<p></p>"):
            assert "USCIS text" not in rendered(classified_event(text=text)).body


class TestDisclosure:
    """Who the client is stays within the firm."""

    @pytest.mark.parametrize("status", Status)
    def test_a_confidential_case_has_news_and_no_more(self, status: Status) -> None:
        """Whatever happened, and on any channel: urgency, the masked receipt and the link."""
        secret = Case(
            **{name: f"Secret {name}" for name in ("label", "form", "matter", "owner", "team")},
            receipt=RECEIPT,
            confidential=True,
        )
        messages: set[tuple[str, str]] = set()
        for tag, flag, disclose in itertools.product(Tag, Flag, DISCLOSE):
            event = classified_event(
                status=status,
                tags=frozenset({tag}),
                flags=frozenset({flag}),
                text="Secret text",
                type="Secret type",
                delivered_status="Secret status",
                occurred_raw="Secret time",
                source="secret",
            )
            message = rendered(
                event,
                disclose,
                case=secret,
                later="Secret later",
                rules=("Secret rule",),
                urgent=True,
            )
            messages.add((message.title, message.body))
        # One and the same for all of them.
        title = f"URGENT: A confidential case has news · {MASKED}"
        body = f"""\
A confidential case has news: only Casebell's own pages say what.
Case: {MASKED}
Open in Casebell:
{CONSOLE}/events/12

{FOOTER}"""
        assert messages == {(title, body)}

    def test_how_a_confidential_alert_came_is_said(self) -> None:
        """That it may repeat, and whose place it takes, tells nothing of the case."""
        case = Case(receipt=RECEIPT, confidential=True)
        message = rendered(
            classified_event(), case=case, may_repeat=True, stands_in_for="email-team"
        )
        assert message.title == f"A confidential case has news · {MASKED}"
        assert [line.text for line in message.lines if line.part is Part.WARNING] == [
            "May repeat: an earlier attempt to send this may have arrived.",
            "Sent here because channel email-team failed.",
        ]
        # Rules may have named people of whom none may hear: none is said to be missing.
        told = "Nobody whom the case names was told: see that somebody takes it on."
        for rules, addressed_as in (((), OPERATIONS), (("RFE issued",), UNASSIGNED)):
            message = rendered(
                classified_event(), case=case, rules=rules, addressed_as=addressed_as
            )
            assert [line.text for line in message.lines if line.part is Part.WARNING] == [told]

    @pytest.mark.parametrize(
        "spelling",
        [
            "IOE0912345678",
            "ioe0912345678",
            "IOE 0912345678",
            "IOE-0912345678",
            "IOE-09-123-45678",
            "ioe-091-234-5678",
            "IOE 09 123 45678",
            "IOE*0912345678",
            "*IOE0912345678*",
            "_IOE0912345678_",
            "IOE\u20110912345678",
            "IOE \u2013 0912345678",
            "IOE\u22120912\u00ad345678",
            "IOE\u200b09\u2060123456\u200d78",
            "\uff29\uff2f\uff25\uff10\uff19\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18",
            "receiptIOE0912345678",
            "IOE0912345678.",
            "(IOE0912345678)",
        ],
    )
    @pytest.mark.parametrize("disclose", ["minimal", "standard"])
    def test_receipts_are_masked_in_any_spelling(self, spelling: str, disclose: Disclose) -> None:
        """A receipt in the text, a rule's name, a label or a raw time is masked like the case's."""
        message = rendered(
            classified_event(
                text=f"On October 14 we received {spelling} from you",
                occurred_at=None,
                occurred_raw=f"at {spelling}",
                delivered_status=f"odd {spelling}",
                flags=frozenset({Flag.TEXT_CONFLICT}),
            ),
            disclose,
            case=Case(receipt=RECEIPT, label=f"Acme {spelling}", owner=spelling),
            rules=(f"Watch {spelling}",),
        )
        solid = "".join(
            char for char in unicodedata.normalize("NFKC", message.body) if char.isalnum()
        )
        assert "912345" not in solid
        assert MASKED in lines_of(message, "USCIS text")[0]

    @pytest.mark.parametrize(
        "spelling",
        [
            "IOE&nbsp;0912345678",
            "IOE&#48;912345678",
            "IOE&amp;#48;912345678",
            "IOE<b>0912345678</b>",
            "<i>IOE</i>-0912345678",
        ],
    )
    def test_receipts_are_masked_behind_markup(self, spelling: str) -> None:
        """What a source wrote is decoded before it is searched for receipts."""
        message = rendered(
            classified_event(
                text=spelling,
                occurred_at=None,
                occurred_raw=spelling,
                delivered_status=spelling,
                type=spelling,
                flags=frozenset({Flag.TEXT_CONFLICT, Flag.STATUS_CONFLICT}),
            )
        )
        assert "912345" not in message.body
        assert message.body.count(MASKED) == 6

    @pytest.mark.parametrize(
        "text",
        [
            "call us at 800-375-5283 (TTY 800-767-1833)",
            "call the USCIS Contact Center, the 800-375-5283",
            "on Oct 14, 2025, 12:30:45 PM",
            "by 2025-10-14 at Form I-129",
        ],
    )
    def test_other_numbers_stay(self, text: str) -> None:
        """Telephone numbers and dates are no receipts: they are what the reader needs."""
        assert text in rendered(classified_event(text=text)).body

    def test_a_receipt_at_the_cut_is_not_half_shown(self) -> None:
        """Masking comes before cutting: no part of a receipt is left at the end of a long text."""
        limit = TEXT_LIMIT["minimal"]
        for place in range(limit - 30, limit + 5):
            text = "x" * place + " " + RECEIPT + " and so on" * 40
            (line,) = lines_of(rendered(classified_event(text=text)), "USCIS text")
            assert not re.search(r"IOE[0-9]", line)

    def test_the_footer_is_always_there(self) -> None:
        """Each alert ends by headline what it is not, however long the rest is."""
        for disclose in ("minimal", "standard", "full"):
            long = "<&\u2028" * 10_000
            message = rendered(
                classified_event(
                    text=long, delivered_status=long, type=long, flags=frozenset(Flag)
                ),
                disclose,
                case=Case(receipt=RECEIPT, label=long, matter=long, owner=long),
                rules=(long,) * 9,
                may_repeat=True,
                stands_in_for="email",
            )
            assert message.body.endswith(FOOTER)
            assert len(message.body) < LONGEST_BODY
            assert len(message.title) < 100


class TestHostileText:
    """Text from outside is text."""

    def test_it_cannot_pass_for_a_line_of_ours(self) -> None:
        """Line ends of any kind in text, labels, rules and raw times are folded away."""
        breaks = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
        forged = "".join(f"{end}Received: never{end}{FOOTER}" for end in breaks)
        message = rendered(
            classified_event(
                text=forged,
                occurred_at=None,
                occurred_raw=forged,
                delivered_status=forged,
                type=forged,
                flags=frozenset({Flag.STATUS_CONFLICT, Flag.TEXT_CONFLICT}),
            ),
            "full",
            case=Case(receipt=RECEIPT, label=forged, matter=forged, owner=forged),
            rules=(forged,),
        )
        assert len(lines_of(message, "Received:")) == 1
        assert lines_of(message, FOOTER) == [FOOTER]
        plain = rendered(
            classified_event(flags=frozenset({Flag.STATUS_CONFLICT, Flag.TEXT_CONFLICT})), "full"
        )
        assert len(message.body.split("\n")) == len(plain.body.split("\n"))

    def test_markup_and_mentions_are_dead(self) -> None:
        """Tags go, entities are decoded, mentions and named links are broken."""
        (line,) = lines_of(
            rendered(
                classified_event(
                    text="<p>We&#039;ve sent you a <b>notice</b>.</p> &amp;#039; @everyone "
                    "<!channel> <https://evil.example|USCIS> [x](https://evil.example) 3 < 4 {0}"
                )
            ),
            "USCIS text",
        )
        assert line == (
            "USCIS text: “We've sent you a notice . ' @ everyone [x] (https://evil.example) 3 < 4 "
            "{0}”"
        )

    def test_an_endless_entity_is_no_trap(self) -> None:
        """A character reference of thousands of digits does not stop the message."""
        for entity in ("&#" + "9" * 5_000, "&amp;#" + "9" * 5_000, "&amp;amp;#" + "9" * 5_000):
            assert (
                "before" in rendered(classified_event(text=f"before {entity}; after"), "full").body
            )

    @given(event=EVENTS, label=ODD, disclose=st.sampled_from(DISCLOSE), zone=st.sampled_from(ZONES))
    def test_rendering_never_fails_and_shows_no_unseen_character(
        self, event: ClassifiedEvent, label: str, disclose: Disclose, zone: str
    ) -> None:
        """Any event gives a message; no control, format or surrogate character is in it."""
        case = Case(receipt=RECEIPT, label=label, owner=label)
        told = CaseFacts(event_id=1, event=event, case=case)
        message = render_case(alert(rules=(label,)), told, style(disclose, timezone=ZoneInfo(zone)))
        shown = message.title + message.body.replace("\n", "")
        assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs"}
        assert [len(lines_of(message, start)) for start in OUR_STARTS[5:]] == [1, 1]
        assert message.body.endswith(FOOTER)

    @given(text=st.text(st.sampled_from("IOEioe0123456789 -*_\u2013<>&#;\u200b") | st.characters()))
    def test_quoting_is_capped_and_stable(self, text: str) -> None:
        """What is quoted fits its limit, stands on one line and quotes to itself."""
        once = quoted(text, limit=40)
        assert len(once) <= 40
        assert "\n" not in once
        assert not re.search(r"[A-Za-z]{3}[0-9]{10}", once)
        assert quoted(once, limit=40) == once


class TestTimes:
    """Times as people read them."""

    @pytest.mark.parametrize(
        ("zone", "shown"),
        [
            ("America/New_York", "Oct 14, 2025, 3:22 PM EDT"),
            ("UTC", "Oct 14, 2025, 7:22 PM UTC"),
            ("America/Los_Angeles", "Oct 14, 2025, 12:22 PM PDT"),
            ("Asia/Kolkata", "Oct 15, 2025, 12:52 AM IST"),
        ],
    )
    def test_zone(self, zone: str, shown: str) -> None:
        """A time is shown in the configured zone, and says which."""
        assert for_people(OCCURRED_AT, ZoneInfo(zone)) == shown

    @pytest.mark.parametrize(
        ("at", "shown"),
        [
            # The hour that comes twice, and both sides of the one that is left out.
            (1_762_061_400, "Nov 2, 2025, 1:30 AM EDT"),
            (1_762_065_000, "Nov 2, 2025, 1:30 AM EST"),
            (1_772_953_199, "Mar 8, 2026, 1:59 AM EST"),
            (1_772_953_200, "Mar 8, 2026, 3:00 AM EDT"),
            (1_735_707_599, "Dec 31, 2024, 11:59 PM EST"),
            (1_735_707_600, "Jan 1, 2025, 12:00 AM EST"),
        ],
    )
    def test_daylight_saving(self, at: int, shown: str) -> None:
        """The changes of the clocks are followed, and the abbreviation tells both hours apart."""
        assert for_people(at * 1_000_000, NEW_YORK) == shown

    def test_no_minute_is_rounded_up(self) -> None:
        """The last microsecond of a minute belongs to that minute, in the far future too."""
        assert for_people(7_258_118_399_999_999, ZoneInfo("UTC")) == "Dec 31, 2199, 11:59 PM UTC"

    @pytest.mark.parametrize(
        ("fields", "shown"),
        [
            ({"occurred_at": None, "occurred_raw": None}, "no time given"),
            ({"occurred_at": None, "occurred_raw": ""}, "no time given"),
            (
                {
                    "occurred_raw": "2025-10-14",
                    "flags": frozenset({Flag.NAIVE_TIME}),
                },
                "Oct 14, 2025 (a date without a time)",
            ),
            (
                {
                    "occurred_at": None,
                    "occurred_raw": "9999-12-31T23:59:59Z",
                    "flags": frozenset({Flag.FUTURE_TIME}),
                },
                "“9999-12-31T23:59:59Z”, which is no time that can be",
            ),
            ({"occurred_at": None, "occurred_raw": "last\nTuesday"}, "“last Tuesday”"),
            (
                {"flags": frozenset({Flag.NAIVE_TIME})},
                "Oct 14, 2025, 3:22 PM EDT (“2025-10-14T19:22:03Z”, without a time zone)",
            ),
            ({"occurred_at": 2**70}, "a time that no calendar has"),
        ],
    )
    def test_doubtful_times(self, fields: dict[str, Any], shown: str) -> None:
        """A missing, unreadable or zoneless time is shown as what it is."""
        (line,) = lines_of(rendered(classified_event(**fields)), "When:")
        assert line == f"When: {shown}, as reported by parley"


class TestPlain:
    """The message of last resort."""

    def test_of_a_change(self) -> None:
        """It says what is known, where to look, and what it is not."""
        told = alert(urgent=True, may_repeat=True, event_id=12)
        message = render_plain(told, ANY_CHANGE, style("minimal"))
        assert message == Message(
            title="URGENT: Case status changed",
            body="USCIS changed the status text of the case.\n"
            "May repeat: an earlier attempt to send this may have arrived.\n"
            "This is event 12; the full message could not be made.\n"
            "Open in Casebell:\nhttps://casebell.example-firm.com/events/12\n"
            "———\nAsk for: casebell why 12\n"
            f"\n{FOOTER}",
        )
        assert message.urgent

    @pytest.mark.parametrize("kind", [AlertKind.OPS, AlertKind.TEST])
    def test_of_anything_else(self, kind: AlertKind) -> None:
        """A message to operations never says that a case changed."""
        message = render_plain(alert(kind=kind, event_id=None), ANY_CHANGE, style("minimal"))
        assert "status" not in message.title + message.body
        assert "None" not in message.body
        assert "casebell alerts list" in message.body


class TestParts:
    """Each line says what it is to its reader: a channel that can set a page sets it by that."""

    def test_the_readers_lines_come_first(self) -> None:
        """Five, then a rule, then those of IT, and the notice at the end."""
        text = "Request for Additional Evidence Was Sent"
        message = rendered(classified_event(text=text), "full", urgent=True)
        parts = [(line.part, line.text.partition(":")[0]) for line in message.lines]
        assert parts == [
            (Part.SENTENCE, "USCIS issued a Request for Evidence."),
            (Part.WARNING, "A response is owed within the time its notice sets."),
            (Part.FACT, "Case"),
            (Part.FACT, "USCIS text"),
            (Part.FACT, "When"),
            (Part.FACT, "Open in Casebell"),
            (Part.LINK, "https"),
            (Part.RULE, "———"),
            (Part.DETAIL, "Rule"),
            (Part.DETAIL, "Source"),
            (Part.DETAIL, "Received"),
            (Part.DETAIL, "Look the receipt up at USCIS"),
            (Part.LINK, "https"),
            (Part.RULE, ""),
            (Part.FOOTER, FOOTER),
        ]
        assert message.urgent

    def test_what_the_firm_calls_a_case_is_inert_and_short_in_a_title(self) -> None:
        """A label of any length and form leaves the receipt on a line of its own title."""
        label = "<!channel> @everyone\n[USCIS](https://evil.example) " + "x" * 200
        case = Case(receipt=RECEIPT, label=label, form="I-129 " * 40)
        message = rendered(classified_event(), "standard", case=case)
        assert message.title == (
            "RFE issued · < !channel> @ everyone [USCIS] (http […] · I-129 I-129 […] · IOE…5678"
        )


def test_titles_are_our_own_words_where_nothing_else_may_be_shown() -> None:
    """No combination of text from outside reaches a title; of the firm's, label and form may."""
    foreign = "FOREIGN"
    for status, tag in itertools.product(Status, Tag):
        event = classified_event(
            status=status,
            tags=frozenset({tag}),
            text=foreign,
            type=foreign,
            delivered_status=foreign,
            occurred_raw=foreign,
            occurred_at=None,
            flags=frozenset(Flag),
        )
        case = Case(receipt=RECEIPT, label=foreign, form=foreign, matter=foreign, owner=foreign)
        assert foreign not in rendered(event, case=case, rules=(foreign,)).title
        unnamed = Case(receipt=RECEIPT, matter=foreign, owner=foreign, team=foreign)
        assert foreign not in rendered(event, "full", case=unnamed, rules=(foreign,)).title
