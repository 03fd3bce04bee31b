"""Rehearsals by name: each is a set of switches, and what comes with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from casebell.sandbox.simulator.limits import Limits

#: What both APIs take when no scenario says otherwise.
USUAL: Final = Limits()


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """What is set when it begins; everything else is then as the pages say."""

    line: str
    faults: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = USUAL
    #: Parley's signing secret is replaced, and for now both sign.
    rotates: bool = False


SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType(
    {
        "calm": Scenario(line="everything as the two pages say"),
        "lossy": Scenario(
            line="30 % of deliveries are lost, 20 % come twice, the rest in any order",
            faults={"drop": 0.3, "duplicate": 0.2, "reorder": True},
        ),
        "silent": Scenario(line="no webhook comes; only the APIs know", faults={"drop": 1.0}),
        "duplicates": Scenario(line="every delivery comes twice", faults={"duplicate": 1.0}),
        "reordered": Scenario(line="deliveries come in any order", faults={"reorder": True}),
        "late": Scenario(
            line="deliveries come an hour late, each try signed when it is made",
            faults={"late": 3_600.0},
        ),
        "stale": Scenario(
            line="signatures are an hour old, and retries carry the first one",
            faults={"signature_age": 3_600.0, "signed_once": True},
        ),
        "rotation": Scenario(
            line="Parley's signing secret is replaced; for now the old and the new one sign",
            rotates=True,
        ),
        "forged": Scenario(
            line="a tenth each comes unsigned, forged or cut short before it comes right",
            faults={"unsigned": 0.1, "forged": 0.1, "cut_short": 0.1},
        ),
        "sample-sender": Scenario(
            line="the sender signs JSON.stringify of the body, as the sample on Parley's page does",
            faults={"sign_compact": True},
        ),
        "missing-ids": Scenario(
            line="neither ids nor Idempotency-Keys",
            faults={"no_id": True, "no_idempotency_key": True},
        ),
        "moving-times": Scenario(
            line="Torch's last_status_at moves at every look", faults={"moving_times": True}
        ),
        "unknown-words": Scenario(
            line="statuses, categories and event types that no page has",
            faults={"unknown_words": True, "unknown_types": True},
        ),
        "renamed-fields": Scenario(
            line="webhooks with other field names", faults={"renamed_fields": True}
        ),
        "renamed-api": Scenario(
            line="APIs with other field names", faults={"renamed_api_fields": True}
        ),
        "partial-history": Scenario(
            line="events has only the newer half of each history", faults={"partial_history": True}
        ),
        "dateless": Scenario(line="no change has a time", faults={"dateless": True}),
        "spanish": Scenario(line="official texts are Spanish", faults={"spanish": True}),
        "any-receipt": Scenario(
            line="every receipt number is a case that was received", faults={"knows_all": True}
        ),
        "strict-batches": Scenario(
            line="one unknown receipt makes a batch 404; answers come in any order",
            faults={"batch_whole": True, "batch_shuffled": True},
        ),
        "tight-limits": Scenario(
            line="ten requests a minute and a hundred a day, for each API",
            limits=Limits(per_minute=10, per_day=100),
        ),
        "flaky-api": Scenario(
            line="three in ten requests are 503, to be tried again after a second",
            faults={"api": {"status": 503, "share": 0.3, "retry_after": 1}},
        ),
        "lost-answers": Scenario(
            line="three in ten answers break off after the work was done",
            faults={"api": {"answer": "cut", "share": 0.3, "after": True}},
        ),
        "api-down": Scenario(
            line="every request of an API is 503", faults={"api": {"status": 503}}
        ),
        "html-api": Scenario(
            line="every request is answered with a page of HTML", faults={"api": {"answer": "html"}}
        ),
        "truncated-api": Scenario(
            line="every answer is half of its JSON", faults={"api": {"answer": "truncated"}}
        ),
        "redirecting-api": Scenario(
            line="every request is redirected elsewhere", faults={"api": {"answer": "redirect"}}
        ),
        "hanging-api": Scenario(
            line="every request hangs for 30 seconds", faults={"api": {"answer": "silence"}}
        ),
        "wrong-receipt": Scenario(
            line="answers are about another receipt", faults={"api": {"answer": "wrong_receipt"}}
        ),
        "other-errors": Scenario(
            line="errors of another shape than the page's",
            faults={"api": {"answer": "other_error", "status": 502}},
        ),
    }
)
