"""What a service that takes less is sent: within its limits, what matters first, visibly cut."""

from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.alerts import Alert, AlertKind, Line, Message, Part
from casebell.events import Case, Status, Tag
from casebell.notify.apprise_url import plugins
from casebell.notify.fit import Limits, fitted, text_of
from casebell.notify.inert_text import TRUNCATION_MARK, inert
from casebell.notify.markup import as_html, as_markdown
from casebell.notify.render import FOOTER, CaseFacts, Style, render_case
from casebell.notify.render_ops import render_ops
from casebell.ops_messages import ChannelFailed
from contracts.case_events import RECEIVED_AT, classified_event

MASKED = "IOE…5678"
LINK = "https://casebell.example-firm.com/events/12"
OWED = "A response is owed within the time its notice sets."
#: As long as the longest official texts.
TEXT = "On October 14, 2025, we mailed a request for initial evidence for your case. " * 31
SHOWN: list[Callable[[str], str]] = [str, as_markdown, as_html]


def rfe(
    *,
    text: str = TEXT,
    disclose: Any = "full",
    label: str = "Acme O-1A",
    rules: tuple[str, ...] = ("RFE issued",),
) -> Message:
    """The alert of an urgent Request for Evidence."""
    alert = Alert(
        id=7, kind=AlertKind.CASE, subject="change:3", channel="team", target="json",
        rules=rules, urgent=True, attempts=1, created_at=RECEIVED_AT,
        may_repeat=False, event_id=12, change_id=3,
    )  # fmt: skip
    event = classified_event(text=text, status=Status.RFE_ISSUED, tags=frozenset({Tag.DEADLINE}))
    case = Case(receipt=event.receipt, label=label, owner="jchan@example-firm.com")
    style = Style(
        disclose=disclose,
        timezone=ZoneInfo("America/New_York"),
        public_url="https://casebell.example-firm.com",
    )
    return render_case(alert, CaseFacts(event_id=12, event=event, case=case), style)


def fit(message: Message, limits: Limits, *, shown: Callable[[str], str] = str) -> tuple[str, str]:
    """Title and body for a service, whose title counts where it has none."""

    def length(title: str, lines: Sequence[Line]) -> int:
        return len(shown(text_of(lines))) + (0 if limits.title else len(shown(title)) + 2)

    sent = fitted(message, limits, max_title=200, max_body=8_000, length=length)
    assert length(sent.title, sent.lines) <= limits.body
    assert len(sent.title) <= (limits.title or 200)
    assert sent.body == text_of(sent.lines)
    return sent.title, sent.body


def test_what_fits_is_sent_as_it_is() -> None:
    """Nothing is left out, and nothing marked."""
    message = rfe(disclose="minimal")
    assert fit(message, Limits(title=250, body=4_000, lines=0)) == (message.title, message.body)


def test_the_official_text_is_cut_first() -> None:
    """With every other line in its place."""
    message = rfe(text=TEXT[:650])
    _, body = fit(message, Limits(title=250, body=1_024, lines=0))
    cut = [line for line in body.split("\n") if line.endswith(TRUNCATION_MARK)]
    assert len(cut) == 1
    assert cut[0].startswith("USCIS text: “On October 14, 2025")
    kept = [line for line in message.body.split("\n") if line and "USCIS text" not in line]
    assert [line for line in body.split("\n") if line not in cut] == kept
    assert len(body) > 1_000


def test_then_what_is_known_elsewhere() -> None:
    """Rule, source and page of USCIS go; a line stands for them, and the text gets their room."""
    _, body = fit(rfe(), Limits(title=250, body=512, lines=0))
    lines = body.split("\n")
    assert lines[:2] == ["USCIS issued a Request for Evidence.", OWED]
    assert lines[-2:] == [TRUNCATION_MARK.strip(), FOOTER]
    assert LINK in lines
    assert not {"Rule: RFE issued", "https://egov.uscis.gov/"} & set(lines)


@pytest.mark.parametrize("disclose", ["minimal", "full"])
def test_a_text_message_says_what_matters(disclose: str) -> None:
    """In 160 characters: what happened, the receipt, that an answer is owed, link and notice."""
    title, body = fit(rfe(disclose=disclose), Limits(title=0, body=160, lines=0))
    assert title in ("URGENT: RFE issued · IOE…5678", "URGENT: RFE issued · IOE0912345678")
    lines = body.split("\n")
    assert lines[0] == OWED
    assert lines[-3:] == [LINK, TRUNCATION_MARK.strip(), "Not legal notice."]


def test_a_service_of_two_lines() -> None:
    """What stands below the second line would be cut off without a word."""
    _, body = fit(rfe(), Limits(title=250, body=32_768, lines=2))
    assert body.count("\n") < 2
    for part in ("A response is owed", LINK, FOOTER):
        assert part in body


def test_a_message_to_operations_keeps_its_commands() -> None:
    """Its long detail is cut, the commands stay."""
    failed = ChannelFailed(
        channel="team",
        target="json",
        reason="tls_failed",
        detail="x" * 900,
        alert=7,
        alert_is_urgent=False,
    )
    _, body = fit(render_ops(failed), Limits(title=0, body=500, lines=0))
    assert "casebell channels test team" in body
    assert TRUNCATION_MARK in body


@given(
    text=st.text(st.characters(exclude_categories=["C"]), max_size=4_000),
    label=st.text(st.characters(exclude_categories=["C"]), max_size=60),
    rules=st.lists(st.text(st.characters(exclude_categories=["C"]), max_size=60), max_size=5),
    disclose=st.sampled_from(["minimal", "standard", "full"]),
    limits=st.builds(
        Limits,
        title=st.sampled_from([0, 60, 250]),
        body=st.integers(min_value=160, max_value=3_000),
        lines=st.just(0),
    ),
)
def test_what_is_cut_and_what_never_is(
    text: str, label: str, rules: list[str], disclose: str, limits: Limits
) -> None:
    """First the official text, then what IT reads; what happened, receipt, link and notice stay."""
    message = rfe(text=text, disclose=disclose, label=label, rules=tuple(rules))
    title, body = fit(message, limits)
    lines = body.split("\n")
    receipt = "IOE0912345678" if disclose == "full" else MASKED
    assert f"· {receipt}" in title
    assert LINK in lines
    for_it = [line.text for line in message.lines if line.part is Part.DETAIL]
    kept = [one for one in for_it if one in lines]
    (told,) = [line for line in lines if line.startswith("USCIS text: ")] or [""]
    if kept != for_it:
        # Cut to its least before any of them goes.
        assert len(told) <= 80
    needed = ["USCIS issued a Request for Evidence.", OWED, LINK, TRUNCATION_MARK.strip(), FOOTER]
    if len("\n".join(needed)) + (0 if limits.title else len(message.title) + 2) <= limits.body:
        assert {*needed} - {*lines} <= {TRUNCATION_MARK.strip()}
    else:
        assert kept == []
        assert lines[-1] in (FOOTER, "Not legal notice.")


@given(
    title=st.text(max_size=300),
    lines=st.lists(st.text(max_size=400), max_size=30),
    limits=st.builds(
        Limits,
        title=st.sampled_from([0, 60, 250]),
        body=st.integers(min_value=67, max_value=4_096),
        lines=st.sampled_from([0, 2, 10]),
    ),
    shown=st.sampled_from(SHOWN),
)
def test_any_message_fits(
    title: str, lines: list[str], limits: Limits, shown: Callable[[str], str]
) -> None:
    """Whatever it says, and however its characters grow when they are escaped."""
    message = Message(title=title, body="\n".join(lines))
    _, body = fit(message, limits, shown=shown)
    whole = inert(message.body, limit=8_000)
    if len(body) < len(whole) - whole.count("\n"):
        assert "…" in body or len(body) < 5


@pytest.mark.parametrize("shown", SHOWN)
def test_an_alert_fits_every_service_of_apprise(shown: Callable[[str], str]) -> None:
    """Those that apprise adds, too: title, link and notice stand wherever there is room."""
    services: set[Any] = {plugins()[each] for each in _schemas()}
    for service in services:
        body_most, title_most = service.body_maxlen, service.title_maxlen
        if not isinstance(body_most, int) or not isinstance(title_most, int):
            continue
        _, body = fit(rfe(), Limits(title=title_most, body=body_most, lines=0), shown=shown)
        if shown is str and body_most >= 160:
            assert LINK in body


def _schemas() -> list[str]:
    manager: Any = plugins()
    return list(manager.schemas())
