"""The scenario of `casebell demo`: what README promises, one function for each step, in order."""

import asyncio
import time
import unicodedata
from collections import Counter
from itertools import chain

from casebell.notify.render import FOOTER
from casebell.sandbox import fixtures
from casebell.sandbox.demo_environment import ATTORNEY, CHAT, IT, TEAM, DemoEnvironment
from casebell.sandbox.expect import expect
from casebell.sandbox.following_up import seen
from casebell.sandbox.http_sink import HttpAnswer
from casebell.sandbox.inbox import Arrival
from casebell.sandbox.missed_change import delivered, looked_at, missed, registered
from casebell.sandbox.posting import Flaw
from casebell.sandbox.read_back import read_back
from casebell.sandbox.scenario_step import (
    Lines,
    Step,
    deliver,
    duration,
    expect_recipients,
    expect_text,
    expect_titles,
    recipients_and_times,
    urgent_alerts,
    why,
)
from casebell.sandbox.whose_case import confidential, to_its_owner

#: Copies of one delivery, posted at once.
_AT_ONCE = 10
#: What a chat, a mail client or a template engine would act upon.
_LIVE = ("<!channel>", "@everyone", "<script>", "<https://", "](", "<at>")
_TEXT_LINE = "USCIS text: "
#: Deliveries of each event of the storm.
_COPIES = 3
#: Seconds in which a server that is told to stop must have ended.
_STOP_WITHIN = 10.0
#: Seconds for which the upstream tries again while the server is away.
_RETRY_FOR = 60.0


async def _new_database(demo: DemoEnvironment) -> Lines:
    arrivals = await demo.arrivals()
    expect_recipients(arrivals, IT)
    expect_titles(arrivals, "Casebell operations: Casebell began with a new, empty database")
    yield "told", "it-desk: had there been one before, it would be missing now"


async def _good(demo: DemoEnvironment) -> Lines:
    answer = await deliver(demo, fixtures.RFE, "200 stored", key="evt-1001")
    took = duration(answer.answered_at - answer.posted_at)
    yield "posted", f"a signed delivery, event evt-1001 → {answer}, on disk after {took}"
    arrivals = await urgent_alerts(demo, "RFE issued · IOE…0001")
    expect_text(arrivals, says=FOOTER, never=["IOE0912340001"])
    yield "told", recipients_and_times(arrivals, answer.posted_at)
    yield "message", f"“{arrivals[0].title}”, with the receipt number masked"
    found = await why(demo, "evt-1001")
    because = found["change"]["decision"]["because"]
    expect(
        "casebell why evt-1001",
        expected="matched: Answer owed to USCIS, Everything else",
        got=because,
    )
    yield "why", because


async def _duplicate(demo: DemoEnvironment) -> Lines:
    answer = await deliver(demo, fixtures.RFE, "200 duplicate", key="evt-1001")
    yield "posted", f"the same once more → {answer}"
    await asyncio.gather(
        *(deliver(demo, fixtures.RFE, "200 duplicate", key="evt-1001") for _ in range(_AT_ONCE))
    )
    yield "posted", f"the same {_AT_ONCE} times at once → each {answer}"
    expect_recipients(await demo.arrivals())
    yield "told", "nobody again"


async def _same_change(demo: DemoEnvironment) -> Lines:
    answer = await deliver(demo, fixtures.RFE_AGAIN, "200 stored", key="evt-1002")
    yield "posted", f"type case.rfe.issued, event evt-1002 → {answer}"
    expect_recipients(await demo.arrivals())
    event = (await why(demo, "evt-1002"))["event"]
    expect("its decision", expected="same_change", got=event["decision"]["outcome"])
    yield "told", "nobody again"
    yield "why", event["decision"]["because"]


async def _rejected(demo: DemoEnvironment) -> Lines:
    answer = await deliver(demo, fixtures.REJECTED, "200 stored", key="evt-2001")
    yield "posted", f"category “Rejected”, with the shared secret → {answer}"
    arrivals = await urgent_alerts(demo, "Filing rejected · WAC…2301")
    says = "USCIS rejected the filing. Its notice says why, and whether it can be filed again."
    expect_text(arrivals, says=says, never=["denied"])
    yield "told", recipients_and_times(arrivals, answer.posted_at)
    yield "message", f"“{says}”"


async def _without_id(demo: DemoEnvironment) -> Lines:
    key = fixtures.OBSERVED_KEY
    answer = await deliver(demo, fixtures.OBSERVED, "200 stored", key=key)
    yield "posted", f"no id; its key is receipt and last_status_at → {answer}"
    arrivals = await urgent_alerts(demo, "RFE issued · LIN…5601")
    yield "told", recipients_and_times(arrivals, answer.posted_at)
    again = await deliver(demo, fixtures.OBSERVED, "200 duplicate", key=key)
    later = await deliver(
        demo, fixtures.OBSERVED_LATER, "200 stored", key=fixtures.OBSERVED_LATER_KEY
    )
    expect_recipients(await demo.arrivals())
    yield "posted", f"the same → {again}; seen again three hours later → {later}"
    yield "told", "nobody again: it is the same change"


async def _nobody(demo: DemoEnvironment) -> Lines:
    answer = await deliver(demo, fixtures.ROUTINE, "200 stored", key="evt-1003")
    yield "posted", f"“Case Was Received” → {answer}"
    expect_recipients(await demo.arrivals())
    decision = (await why(demo, "evt-1003"))["change"]["decision"]
    expect("its decision", expected="nobody", got=decision["outcome"])
    yield "told", "nobody, and that is on record as well"
    yield "why", decision["because"]


async def _forged(demo: DemoEnvironment) -> Lines:
    answer = await deliver(demo, fixtures.CLAIMED, "401 signature_mismatch", flaw=Flaw.FORGED)
    yield "posted", f"signed with another secret → {answer}"
    answer = await deliver(demo, fixtures.CLAIMED, "401 signature_missing", flaw=Flaw.UNSIGNED)
    yield "posted", f"not signed → {answer}"
    answer = await deliver(demo, fixtures.CLAIMED, "401 signature_mismatch", flaw=Flaw.CUT_SHORT)
    yield "posted", f"cut short after it was signed → {answer}"
    answer = await deliver(demo, fixtures.CLAIMED_TORCH, "401 secret_mismatch", flaw=Flaw.FORGED)
    other = await deliver(demo, fixtures.CLAIMED_TORCH, "401 secret_missing", flaw=Flaw.UNSIGNED)
    yield "posted", f"with a wrong shared secret → {answer}; with none → {other}"
    # An id that a forgery had used up would answer "duplicate" here.
    answer = await deliver(demo, fixtures.CLAIMED, "200 stored", key="evt-1004")
    expect_recipients(await demo.arrivals())
    yield "stored", f"nothing of these: the real delivery with the same id → {answer}"


async def _held(demo: DemoEnvironment) -> Lines:
    answer = await deliver(demo, fixtures.NOT_JSON, "202 held: invalid_json")
    yield "posted", f"signed, but a proxy's error page instead of JSON → {answer}"
    answer = await deliver(demo, fixtures.A_NUMBER, "202 held: invalid_receipt")
    yield "posted", f"signed, with an A-number for a receipt number → {answer}"
    arrivals = await demo.arrivals(at_least=2)
    expect_recipients(arrivals, IT, IT)
    expect_titles(arrivals, "Casebell operations: Deliveries held: parley")
    expect_text(arrivals, says="casebell held list", never=["A123-456-789", "Bad Gateway"])
    yield "told", "it-desk, once for each reason; nobody else, and not a word of what they said"
    yield "kept", "both, as they came; `casebell held list` shows them"


async def _hostile(demo: DemoEnvironment) -> Lines:
    answer = await deliver(demo, fixtures.HOSTILE, "200 stored", key="evt-1006")
    yield "posted", f"mentions, scripts, links, templates, control characters → {answer}"
    arrivals = await urgent_alerts(demo, "RFE issued · IOE…0004", ops="New wording from parley")
    expect_text(arrivals, says="{{7*7}}", never=_LIVE)
    shown = ""
    for arrival in arrivals:
        unseen = [hex(ord(char)) for char in arrival.text if _acts(char)]
        expect(f"control characters for {arrival.recipient}", expected=[], got=unseen)
        shown = next(line for line in arrival.text.splitlines() if line.startswith(_TEXT_LINE))
        expect("what the template came to", expected=False, got="49" in shown)
    yield "told", recipients_and_times(arrivals, answer.posted_at)
    yield "told", "it-desk: USCIS's wording is new, with the lines that would mend it"
    yield "message", shown


def _acts(char: str) -> bool:
    """Whether it moves a cursor, turns the direction of writing, or is not seen at all."""
    return char != "\n" and unicodedata.category(char) in ("Cc", "Cf")


async def _out_of_order(demo: DemoEnvironment) -> Lines:
    answer = await deliver(demo, fixtures.APPROVED, "200 stored", key="evt-1008")
    arrivals = await demo.arrivals()
    expect_recipients(arrivals, CHAT)
    expect_titles(arrivals, "Case approved · IOE…0005")
    yield "posted", f"an approval → {answer}; told: {CHAT}, as its rule says"
    answer = await deliver(demo, fixtures.OLDER_RFE, "200 stored", key="evt-1007")
    yield "posted", f"the Request for Evidence of two days before it → {answer}"
    arrivals = await urgent_alerts(demo, "RFE issued · IOE…0005")
    says = "Arrived late: a later status (approved) is already known."
    expect_text(arrivals, says=says)
    yield "told", recipients_and_times(arrivals, answer.posted_at)
    yield "message", f"“{says}” The case stays approved"


async def _conflict(demo: DemoEnvironment) -> Lines:
    answer = await deliver(demo, fixtures.INTERVIEW, "200 stored", key="evt-1009")
    expect_recipients(await demo.arrivals(), CHAT)
    yield "posted", f"an interview, event evt-1009 → {answer}; told: {CHAT}"
    answer = await deliver(demo, fixtures.SAME_ID, "200 conflict", key="evt-1009")
    yield "posted", f"a denial under the same id → {answer}; both are kept"
    arrivals = await demo.arrivals()
    expect_recipients(arrivals, CHAT, TEAM, ATTORNEY, IT)
    alerts = [arrival for arrival in arrivals if arrival.recipient != IT]
    expect_titles(alerts, "URGENT: Case denied · IOE…0006")
    expect_text(alerts, says="The source sent differing content for the same event; check both.")
    to_it = [arrival for arrival in arrivals if arrival.recipient == IT]
    expect_titles(to_it, "Casebell operations: Conflicting delivery from parley")
    yield "told", recipients_and_times(arrivals, answer.posted_at)
    yield "message", f"“{to_it[0].title}”"


async def _failing_channel(demo: DemoEnvironment) -> Lines:
    demo.chat.answer(HttpAnswer(status=503), HttpAnswer())
    asked = len(demo.chat.requests)
    answer = await deliver(demo, fixtures.NOID, "200 stored", key="evt-1010")
    yield "posted", f"a notice of intent to deny, status “other” → {answer}"
    yield "channel", "the chat answers 503 to the first attempt; waiting for the second"
    arrivals = await urgent_alerts(demo, "Notice with deadline · IOE…0007")
    expect("attempts that reached the chat", expected=2, got=len(demo.chat.requests) - asked)
    yield "told", recipients_and_times(arrivals, answer.posted_at)
    alerts = (await why(demo, "evt-1010"))["alerts"]
    tried = next(alert["tried"] for alert in alerts if alert["channel"] == CHAT)
    outcomes = [
        f"{one['outcome']}{f' ({reason})' if (reason := one['reason']) else ''}" for one in tried
    ]
    expect("the attempts on record", expected=["retryable (server_error)", "sent"], got=outcomes)
    yield "why", f"attempts on record: {', then '.join(outcomes)}; the mails went out once"


async def _storm(demo: DemoEnvironment) -> Lines:
    began = time.monotonic()
    answers = await demo.upstream.storm(
        fixtures.STORM, copies=_COPIES, flaws=(Flaw.FORGED, Flaw.CUT_SHORT)
    )
    took = time.monotonic() - began
    yield (
        "posted",
        f"{len(fixtures.STORM)} events {_COPIES} times each, and forged and damaged ones, shuffled",
    )
    events = len(fixtures.STORM)
    words = Counter(str(answer) for answer in answers)
    expected = {
        "200 stored": events,
        "200 duplicate": (_COPIES - 1) * events,
        "401 signature_mismatch": 2 * events,
    }
    expect("the HTTP answers", expected=expected, got=dict(sorted(words.items())))
    counted = ", ".join(f"{count} times {answer}" for answer, count in expected.items())
    yield "answers", f"{counted}, in {took:.1f} s"
    cases = len(fixtures.STORM_RECEIPTS)
    arrivals = await demo.arrivals(at_least=3 * cases + 1)
    ended = end_of_refusals(arrivals)
    arrivals = [arrival for arrival in arrivals if arrival != ended]
    expect_recipients(arrivals, *chain.from_iterable([(CHAT, TEAM, ATTORNEY)] * cases), IT)
    titles = Counter(arrival.title for arrival in arrivals if arrival.recipient != IT)
    expect("different titles, told to three each", expected=[3] * cases, got=list(titles.values()))
    yield "told", f"each of the three once of each of {cases} Requests for Evidence"
    rise = [arrival for arrival in arrivals if arrival.recipient == IT]
    expect_titles(rise, "Casebell operations: Deliveries refused: parley")
    yield "told", "it-desk, once, that many deliveries do not authenticate"


async def _power_cut(demo: DemoEnvironment) -> Lines:
    answer = await deliver(demo, fixtures.DENIED, "200 stored", key="evt-1011")
    await demo.server.kill()
    yield "posted", f"a denial → {answer}; in the next moment the server is killed (SIGKILL)"
    (took, late) = await asyncio.gather(
        demo.server.start(),
        demo.upstream.deliver_with_retries(fixtures.WHILE_DOWN, retry_for=_RETRY_FOR),
    )
    expect("the HTTP answer", expected="200 stored", got=str(late))
    yield "restart", f"serves again after {took:.1f} s"
    yield "posted", f"by Torch meanwhile: refused connections, then at try {late.tries} → {late}"
    arrivals = await demo.arrivals()
    ended = end_of_refusals(arrivals)
    denial = [arrival for arrival in arrivals if "Case denied" in arrival.title]
    repeats = _repeats(denial)
    expect_recipients(
        [arrival for arrival in arrivals if arrival not in (*repeats, ended)],
        *2 * (CHAT, TEAM, ATTORNEY),
    )
    expect_text(repeats, says="May repeat")
    yield "told", "of both: chat, rfe-team, jchan"
    if ended:
        yield "told", "it-desk, that deliveries authenticate again"
    if repeats:
        yield "repeated", f"to {len(repeats)}, whose message says that it may repeat"


def end_of_refusals(arrivals: list[Arrival]) -> Arrival | None:
    """The message to operations that what was refused in the storm has ended.

    An authentic delivery of the storm ends it, or the denial behind it: whichever comes next once
    the server has told of it, which it does in its own time.
    """
    title = "Casebell operations: Deliveries are authentic again: parley"
    of_it_desk = (arrival for arrival in arrivals if arrival.recipient == IT)
    return next((arrival for arrival in of_it_desk if arrival.title == title), None)


def _repeats(arrivals: list[Arrival]) -> list[Arrival]:
    """All but the first message to each recipient."""
    seen: set[str] = set()
    again = []
    for arrival in arrivals:
        if arrival.recipient in seen:
            again.append(arrival)
        seen.add(arrival.recipient)
    return again


async def _stop(demo: DemoEnvironment) -> Lines:
    began = time.monotonic()
    code = await demo.server.stop()
    took = time.monotonic() - began
    expect("the exit code after SIGTERM", expected=0, got=code)
    expect(f"it ended within {_STOP_WITHIN:g} s", expected=True, got=took <= _STOP_WITHIN)
    yield "stopped", f"exit code {code} after {took:.1f} s"


SCENARIO: tuple[Step, ...] = (
    Step(title="The first start, without a database", play=_new_database),
    Step(title="Parley reports a Request for Evidence", play=_good),
    Step(title="The same delivery comes again", play=_duplicate),
    Step(title="The same change under another type and id", play=_same_change),
    Step(title="Torch reports a rejected filing, which counts as no denial", play=_rejected),
    Step(title="Torch reports a change without an event id", play=_without_id),
    Step(title="Routine news that no rule sends anywhere", play=_nobody),
    Step(title="The firm's list says whose case it is", play=to_its_owner),
    Step(title="Its owner has seen it, and types when the answer is due", play=seen),
    Step(title="News of a confidential case", play=confidential),
    Step(title="Forged, unsigned and damaged deliveries", play=_forged),
    Step(title="Authentic, but nobody can understand it", play=_held),
    Step(title="A hostile text in an authentic delivery", play=_hostile),
    Step(title="Out of order: an approval overtakes an older RFE", play=_out_of_order),
    Step(title="The same id comes with another content", play=_conflict),
    Step(title="A channel fails, then recovers", play=_failing_channel),
    Step(title="The provider's API tracks the firm's cases, and delivers here", play=registered),
    Step(title="The first look at the cases tells nobody what is known", play=looked_at),
    Step(title="A case moves, and the API delivers it", play=delivered),
    Step(title="A webhook is lost, and reconciliation finds the change", play=missed),
    Step(title="A bad day upstream: repeated, shuffled, forged, damaged", play=_storm),
    Step(title="A power cut right after an acknowledgement", play=_power_cut),
    Step(title="An orderly stop (SIGTERM)", play=_stop),
    Step(title="The record, read back from the disk", play=read_back),
)
