"""A step of the demo's scenario, and the checks that several steps make."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from casebell.events import Micros
from casebell.sandbox.demo_environment import ATTORNEY, CHAT, IT, TEAM, DemoEnvironment
from casebell.sandbox.expect import expect
from casebell.sandbox.inbox import Arrival
from casebell.sandbox.posting import Flaw
from casebell.sandbox.server_process import run_json
from casebell.sandbox.upstream import DeliveryAnswer, Outgoing

#: Lines for a reader, as they happen: what the line is about, and the line.
Lines: TypeAlias = AsyncIterator[tuple[str, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One promise of README, tried out."""

    title: str
    #: Raises StepFailed, or another CasebellError, where it comes out otherwise.
    play: Callable[[DemoEnvironment], Lines]


async def deliver(
    demo: DemoEnvironment,
    outgoing: Outgoing,
    answer: str,
    *,
    key: str | None = None,
    flaw: Flaw | None = None,
) -> DeliveryAnswer:
    """Post it; the answer must be this one, and name this key."""
    given = await demo.upstream.post(outgoing, flaw)
    expect("the HTTP answer", expected=answer, got=str(given))
    if key is not None:
        expect("its event_id", expected=key, got=given.content.get("event_id"))
    expect(
        "a request id", expected=True, got=str(given.content.get("request_id")).startswith("req_")
    )
    return given


def expect_recipients(arrivals: Sequence[Arrival], *recipients: str) -> None:
    """Exactly these have one message each."""
    got = sorted(arrival.recipient for arrival in arrivals)
    expect("who is told", expected=_names(sorted(recipients)), got=_names(got))


def expect_titles(arrivals: Sequence[Arrival], title: str) -> None:
    """Every message has this title."""
    for arrival in arrivals:
        expect(f"the title for {arrival.recipient}", expected=title, got=arrival.title)


def expect_text(arrivals: Sequence[Arrival], *, says: str = "", never: Sequence[str] = ()) -> None:
    """Every message has the text `says`, and none has any text of `never`."""
    for arrival in arrivals:
        whole = f"{arrival.title}\n{arrival.text}"
        if says not in whole:
            expect(f"the message for {arrival.recipient}", expected=f"… {says} …", got=whole)
        for words in never:
            if words.lower() in whole.lower():
                expect(f"the message for {arrival.recipient}", expected=f"no {words!r}", got=whole)


async def urgent_alerts(demo: DemoEnvironment, title: str, *, ops: str = "") -> list[Arrival]:
    """Once nothing waits: chat, rfe-team and jchan have one message each, with this title.

    Args:
        ops: the title of the message that it-desk has beside them; "" for none.
    """
    arrivals = await demo.arrivals()
    expect_recipients(arrivals, CHAT, TEAM, ATTORNEY, *([IT] if ops else []))
    expect_titles([one for one in arrivals if one.recipient == IT], f"Casebell operations: {ops}")
    alerts = [one for one in arrivals if one.recipient != IT]
    expect_titles(alerts, f"URGENT: {title}")
    return alerts


def recipients_and_times(arrivals: Sequence[Arrival], since: Micros) -> str:
    """`chat after 11 ms, jchan after 24 ms`: who, and how long after it was posted."""
    return ", ".join(
        f"{arrival.recipient.partition('@')[0]} after {duration(arrival.at - since)}"
        for arrival in arrivals
    )


def duration(micros: Micros) -> str:
    """`24 ms`, `3.1 s`."""
    return f"{micros / 1_000_000:.1f} s" if micros >= 1_000_000 else f"{micros / 1_000:.0f} ms"


async def why(demo: DemoEnvironment, key: str) -> dict[str, Any]:
    """What `casebell why` says of the event with this key."""
    stories = await run_json("why", key, config=demo.config)
    return stories[0]


def _names(recipients: Sequence[str]) -> str:
    return ", ".join(recipients) or "nobody"
