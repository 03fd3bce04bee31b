"""What the upstream delivers in the scenario."""

from casebell.clock import DAY, HOUR, SECOND, SystemClock, iso
from casebell.events import Micros
from casebell.sandbox.deliveries import SAMPLES, document_of
from casebell.sandbox.upstream import Outgoing

#: The day of the scenario: lately, as the console shows it.
_DAY: Micros = SystemClock().now() // SECOND * SECOND - 3 * DAY


def fixture(
    sample: str,
    *,
    receipt: str,
    event_id: str,
    hours: int = 0,
    event_type: str | None = None,
) -> Outgoing:
    """A sample about this receipt, its status changed `hours` into the scenario's day.

    Args:
        event_id: the source's id; "" sends none.
        event_type: instead of the sample's.
    """
    document = document_of(
        *SAMPLES[sample],
        now=_DAY + hours * HOUR,
        event_id=event_id or "none",
        receipt=receipt,
    )
    if not event_id:
        del document["id"]
    if event_type:
        document["type"] = event_type
    return Outgoing.of(SAMPLES[sample][0].name, document)


RFE_RECEIPT = "IOE0912340001"
#: One change, reported twice: by the generic type and by the specific one.
RFE = fixture("parley-rfe", receipt=RFE_RECEIPT, event_id="evt-1001")
RFE_AGAIN = fixture(
    "parley-rfe", receipt=RFE_RECEIPT, event_id="evt-1002", event_type="case.rfe.issued"
)

REJECTED = fixture("torch-rejected", receipt="WAC2690012301", event_id="evt-2001")

#: Torch without an id, observed, and observed again three hours later.
OBSERVED = fixture("torch-rfe", receipt="LIN2690045601", event_id="")
OBSERVED_LATER = fixture("torch-rfe", receipt="LIN2690045601", event_id="", hours=3)
#: What is their event's key then.
OBSERVED_KEY = f"LIN2690045601@{iso(_DAY)}"
OBSERVED_LATER_KEY = f"LIN2690045601@{iso(_DAY + 3 * HOUR)}"

ROUTINE_RECEIPT = "IOE0912340002"
ROUTINE = fixture("parley-received", receipt=ROUTINE_RECEIPT, event_id="evt-1003")

CLAIMED = fixture("parley-received", receipt="IOE0912340003", event_id="evt-1004")
CLAIMED_TORCH = fixture("torch-received", receipt="WAC2690012302", event_id="evt-2002")

NOT_JSON = Outgoing(source="parley", body=b"<html><h1>502 Bad Gateway</h1></html>")
A_NUMBER = fixture("parley-approved", receipt="A123-456-789", event_id="evt-1005")

HOSTILE = fixture("parley-hostile", receipt="IOE0912340004", event_id="evt-1006")

APPROVED = fixture("parley-approved", receipt="IOE0912340005", event_id="evt-1008", hours=48)
OLDER_RFE = fixture("parley-rfe", receipt="IOE0912340005", event_id="evt-1007")

INTERVIEW = fixture("parley-interview", receipt="IOE0912340006", event_id="evt-1009")
SAME_ID = fixture("parley-denied", receipt="IOE0912340006", event_id="evt-1009", hours=1)

NOID = fixture("parley-noid", receipt="IOE0912340007", event_id="evt-1010")

#: Six cases, each received and then asked for evidence: a day's work in a storm.
STORM_RECEIPTS = tuple(f"EAC269007890{number}" for number in range(6))
STORM = tuple(
    fixture(sample, receipt=receipt, event_id=f"evt-{number}{place}", hours=hours)
    for place, receipt in enumerate(STORM_RECEIPTS)
    for number, sample, hours in ((300, "parley-received", 0), (310, "parley-rfe", 30))
)

#: Cases that the firm lists, one of them confidential.
LISTED_RECEIPT, CONFIDENTIAL_RECEIPT = "IOE0912340010", "IOE0912340011"
LISTED = fixture("parley-rfe", receipt=LISTED_RECEIPT, event_id="evt-1020")
CONFIDENTIAL = fixture("parley-denied", receipt=CONFIDENTIAL_RECEIPT, event_id="evt-1021")

DENIED = fixture("parley-denied", receipt="IOE0912340008", event_id="evt-1011")
WHILE_DOWN = fixture("torch-rejected", receipt="WAC2690012303", event_id="evt-2003")
