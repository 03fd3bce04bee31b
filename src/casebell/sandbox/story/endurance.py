"""What must hold when things go wrong: a channel fails, a storm comes, the power is cut."""

import asyncio
import time
from collections import Counter
from itertools import chain

from casebell.sandbox.expect import expect
from casebell.sandbox.inbox import Arrival
from casebell.sandbox.sinks import HttpAnswer
from casebell.sandbox.stage import ATTORNEY, CHAT, IT, TEAM, Stage
from casebell.sandbox.story.papers import DENIED, NOID, STORM, STORM_RECEIPTS, WHILE_DOWN
from casebell.sandbox.story.step import (
    Account,
    Step,
    delivered,
    expect_text,
    expect_titles,
    expect_told,
    when_told,
    why,
)
from casebell.sandbox.upstream import Flaw

_COPIES = 3
#: Seconds in which a server that is told to stop must have ended.
_STOP_WITHIN = 10.0
#: Seconds for which the upstream tries again while the server is away.
_RETRY_FOR = 60.0


async def _failing_channel(stage: Stage) -> Account:
    stage.chat.answer(HttpAnswer(status=503), HttpAnswer())
    asked = len(stage.chat.requests)
    answer = await delivered(stage, NOID, "200 stored", key="evt-1010")
    yield "posted", f"a notice of intent to deny, status “other” → {answer}"
    yield "channel", "the chat answers 503 to the first attempt; waiting for the second"
    arrivals = await stage.arrivals()
    expect_told(arrivals, CHAT, TEAM, ATTORNEY)
    expect_titles(arrivals, "URGENT: USCIS notice with a deadline · IOE******0007")
    expect("attempts that reached the chat", expected=2, got=len(stage.chat.requests) - asked)
    yield "told", when_told(arrivals, answer.posted_at)
    alerts = (await why(stage, "evt-1010"))["alerts"]
    tried = next(alert["tried"] for alert in alerts if alert["channel"] == CHAT)
    outcomes = [
        f"{one['outcome']}{f' ({reason})' if (reason := one['reason']) else ''}" for one in tried
    ]
    expect("the attempts on record", expected=["retryable (server_error)", "sent"], got=outcomes)
    yield "why", f"attempts on record: {', then '.join(outcomes)}; the mails went out once"


async def _storm(stage: Stage) -> Account:
    began = time.monotonic()
    answers = await stage.upstream.storm(STORM, copies=_COPIES, flaws=(Flaw.FORGED, Flaw.CUT_SHORT))
    took = time.monotonic() - began
    yield (
        "posted",
        f"{len(STORM)} events {_COPIES} times each, and forged and damaged ones, shuffled",
    )
    events = len(STORM)
    words = Counter(str(answer) for answer in answers)
    expected = {
        "200 stored": events,
        "200 duplicate": (_COPIES - 1) * events,
        "401 signature_mismatch": 2 * events,
    }
    expect("the HTTP answers", expected=expected, got=dict(sorted(words.items())))
    counted = ", ".join(f"{count} times {answer}" for answer, count in expected.items())
    yield "answers", f"{counted}, in {took:.1f} s"
    cases = len(STORM_RECEIPTS)
    arrivals = await stage.arrivals(at_least=3 * cases + 1)
    expect_told(arrivals, *chain.from_iterable([(CHAT, TEAM, ATTORNEY)] * cases), IT)
    titles = Counter(arrival.title for arrival in arrivals if arrival.recipient != IT)
    expect("different titles, told to three each", expected=[3] * cases, got=list(titles.values()))
    yield "told", f"each of the three once of each of {cases} Requests for Evidence"
    rise = [arrival for arrival in arrivals if arrival.recipient == IT]
    expect_titles(rise, "Casebell operations: Deliveries refused: parley")
    yield "told", "it-desk, once, that many deliveries do not authenticate"


async def _power_cut(stage: Stage) -> Account:
    answer = await delivered(stage, DENIED, "200 stored", key="evt-1011")
    await stage.server.kill()
    yield "posted", f"a denial → {answer}; in the next moment the server is killed (SIGKILL)"
    (took, late) = await asyncio.gather(
        stage.server.start(), stage.upstream.deliver(WHILE_DOWN, patience=_RETRY_FOR)
    )
    expect("the HTTP answer", expected="200 stored", got=str(late))
    yield "restart", f"serves again after {took:.1f} s"
    yield "posted", f"by Torch meanwhile: refused connections, then at try {late.tries} → {late}"
    arrivals = await stage.arrivals()
    denial = [arrival for arrival in arrivals if "Case denied" in arrival.title]
    repeats = _repeats(denial)
    expect_told(
        [arrival for arrival in arrivals if arrival not in repeats], *2 * (CHAT, TEAM, ATTORNEY)
    )
    expect_text(repeats, says="May repeat")
    yield "told", "of both: chat, rfe-team, jchan"
    if repeats:
        yield "repeated", f"to {len(repeats)}, whose message says that it may repeat"


async def _stop(stage: Stage) -> Account:
    code, took = await stage.server.stop()
    expect("the exit code after SIGTERM", expected=0, got=code)
    expect(f"it ended within {_STOP_WITHIN:g} s", expected=True, got=took <= _STOP_WITHIN)
    yield "stopped", f"exit code {code} after {took:.1f} s"


def _repeats(arrivals: list[Arrival]) -> list[Arrival]:
    """All but the first message to each recipient."""
    seen: set[str] = set()
    again = []
    for arrival in arrivals:
        if arrival.recipient in seen:
            again.append(arrival)
        seen.add(arrival.recipient)
    return again


FAILING_CHANNEL = Step(title="A channel fails, then recovers", play=_failing_channel)
A_STORM = Step(title="A bad day upstream: repeated, shuffled, forged, damaged", play=_storm)
POWER_CUT = Step(title="A power cut right after an acknowledgement", play=_power_cut)
ORDERLY_STOP = Step(title="An orderly stop (SIGTERM)", play=_stop)
