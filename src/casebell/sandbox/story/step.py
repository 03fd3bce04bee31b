"""One step of the story, and what every step looks at."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from casebell.events import Micros
from casebell.sandbox.expect import expect
from casebell.sandbox.inbox import Arrival
from casebell.sandbox.server import ask
from casebell.sandbox.stage import Stage
from casebell.sandbox.upstream import Answer, Flaw, Outgoing

#: Lines for a reader, as they happen: what the line is about, and the line.
Account: TypeAlias = AsyncIterator[tuple[str, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One promise of README, tried out."""

    title: str
    #: Raises Surprise, or another CasebellError, where it comes out otherwise.
    play: Callable[[Stage], Account]


async def delivered(
    stage: Stage,
    outgoing: Outgoing,
    answer: str,
    *,
    key: str | None = None,
    flaw: Flaw | None = None,
) -> Answer:
    """Post it; the answer must be this one, and name this key."""
    given = await stage.upstream.post(outgoing, flaw)
    expect("the HTTP answer", expected=answer, got=str(given))
    if key is not None:
        expect("its event_id", expected=key, got=given.content.get("event_id"))
    expect(
        "a request id", expected=True, got=str(given.content.get("request_id")).startswith("req_")
    )
    return given


def expect_told(arrivals: Sequence[Arrival], *recipients: str) -> None:
    """Exactly these were told, each once."""
    got = sorted(arrival.recipient for arrival in arrivals)
    expect("who is told", expected=_names(sorted(recipients)), got=_names(got))


def expect_titles(arrivals: Sequence[Arrival], title: str) -> None:
    """All of them were told this."""
    for arrival in arrivals:
        expect(f"the title for {arrival.recipient}", expected=title, got=arrival.title)


def expect_text(arrivals: Sequence[Arrival], *, says: str = "", never: Sequence[str] = ()) -> None:
    """All messages say the one, and none says any of the other."""
    for arrival in arrivals:
        whole = f"{arrival.title}\n{arrival.text}"
        if says not in whole:
            expect(f"the message for {arrival.recipient}", expected=f"… {says} …", got=whole)
        for words in never:
            if words.lower() in whole.lower():
                expect(f"the message for {arrival.recipient}", expected=f"no {words!r}", got=whole)


def when_told(arrivals: Sequence[Arrival], since: Micros) -> str:
    """`chat after 11 ms, jchan after 24 ms`: who, and how long after it was posted."""
    return ", ".join(
        f"{arrival.recipient.partition('@')[0]} after {duration(arrival.at - since)}"
        for arrival in arrivals
    )


def duration(micros: Micros) -> str:
    """`24 ms`, `3.1 s`."""
    return f"{micros / 1_000_000:.1f} s" if micros >= 1_000_000 else f"{micros / 1_000:.0f} ms"


async def why(stage: Stage, key: str) -> dict[str, Any]:
    """What `casebell why` says of the event with this key."""
    stories = await ask("why", key, config=stage.config)
    return stories[0]


def _names(recipients: Sequence[str]) -> str:
    return ", ".join(recipients) or "nobody"
