"""What is not to be trusted: deliveries of strangers, what nobody can read, and hostile texts."""

import unicodedata

from casebell.sandbox.expect import expect
from casebell.sandbox.stage import ATTORNEY, CHAT, IT, TEAM, Stage
from casebell.sandbox.story.papers import A_NUMBER, CLAIMED, CLAIMED_TORCH, HOSTILE, NOT_JSON
from casebell.sandbox.story.step import (
    Account,
    Step,
    delivered,
    expect_text,
    expect_titles,
    expect_told,
    when_told,
)
from casebell.sandbox.upstream import Flaw

#: What a chat, a mail client or a template engine would act upon.
_LIVE = ("<!channel>", "@everyone", "<script>", "<https://", "](", "<at>")
_QUOTED = "USCIS text: "


async def _forged(stage: Stage) -> Account:
    answer = await delivered(stage, CLAIMED, "401 signature_mismatch", flaw=Flaw.FORGED)
    yield "posted", f"signed with another secret → {answer}"
    answer = await delivered(stage, CLAIMED, "401 signature_missing", flaw=Flaw.UNSIGNED)
    yield "posted", f"not signed → {answer}"
    answer = await delivered(stage, CLAIMED, "401 signature_mismatch", flaw=Flaw.CUT_SHORT)
    yield "posted", f"cut short after it was signed → {answer}"
    answer = await delivered(stage, CLAIMED_TORCH, "401 secret_mismatch", flaw=Flaw.FORGED)
    other = await delivered(stage, CLAIMED_TORCH, "401 secret_missing", flaw=Flaw.UNSIGNED)
    yield "posted", f"with a wrong shared secret → {answer}; with none → {other}"
    # An id that a forgery had used up would answer "duplicate" here.
    answer = await delivered(stage, CLAIMED, "200 stored", key="evt-1004")
    expect_told(await stage.arrivals())
    yield "stored", f"nothing of these: the real delivery with the same id → {answer}"


async def _held(stage: Stage) -> Account:
    answer = await delivered(stage, NOT_JSON, "202 held: invalid_json")
    yield "posted", f"signed, but a proxy's error page instead of JSON → {answer}"
    answer = await delivered(stage, A_NUMBER, "202 held: invalid_receipt")
    yield "posted", f"signed, with an A-number for a receipt number → {answer}"
    arrivals = await stage.arrivals(at_least=2)
    expect_told(arrivals, IT, IT)
    expect_titles(arrivals, "Casebell operations: Deliveries held: parley")
    expect_text(arrivals, says="casebell held list", never=["A123-456-789", "Bad Gateway"])
    yield "told", "it-desk, once for each reason; nobody else, and not a word of what they said"
    yield "kept", "both, as they came; `casebell held list` shows them"


async def _hostile(stage: Stage) -> Account:
    answer = await delivered(stage, HOSTILE, "200 stored", key="evt-1006")
    yield "posted", f"mentions, scripts, links, templates, control characters → {answer}"
    arrivals = await stage.arrivals()
    expect_told(arrivals, CHAT, TEAM, ATTORNEY)
    expect_titles(arrivals, "URGENT: Request for Evidence issued · IOE******0004")
    expect_text(arrivals, says="{{7*7}}", never=_LIVE)
    shown = ""
    for arrival in arrivals:
        unseen = [hex(ord(char)) for char in arrival.text if _acts(char)]
        expect(f"control characters for {arrival.recipient}", expected=[], got=unseen)
        shown = next(line for line in arrival.text.splitlines() if line.startswith(_QUOTED))
        expect("what the template came to", expected=False, got="49" in shown)
    yield "told", when_told(arrivals, answer.posted_at)
    yield "message", shown


def _acts(char: str) -> bool:
    """Whether it moves a cursor, turns the direction of writing, or is not seen at all."""
    return char != "\n" and unicodedata.category(char) in ("Cc", "Cf")


FORGED = Step(title="Forged, unsigned and damaged deliveries", play=_forged)
HELD = Step(title="Authentic, but nobody can understand it", play=_held)
HOSTILE_TEXT = Step(title="A hostile text in an authentic delivery", play=_hostile)
