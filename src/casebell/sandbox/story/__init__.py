"""The story of `casebell demo`: what README promises, step by step, in order."""

from casebell.sandbox.story import endurance, judgement, once, record, trust
from casebell.sandbox.story.step import Step

STORY: tuple[Step, ...] = (
    once.GOOD,
    once.DUPLICATE,
    once.SAME_CHANGE,
    judgement.REJECTION,
    once.WITHOUT_ID,
    judgement.NOBODY,
    trust.FORGED,
    trust.HELD,
    trust.HOSTILE_TEXT,
    judgement.OUT_OF_ORDER,
    judgement.CONFLICT,
    endurance.FAILING_CHANNEL,
    endurance.A_STORM,
    endurance.POWER_CUT,
    endurance.ORDERLY_STOP,
    record.RECORD,
)

__all__ = ["STORY", "Step"]
