"""A Monday in the firm, and who got which message when.

`PYTHONPATH=tests python -m e2e.firm_day` prints it, with `--texts` every message, too.
"""

import asyncio
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from structlog.testing import capture_logs

from casebell.events import Micros
from e2e.firm import ZONE, Firm

#: Cyber Monday of 2026: the first working day after Thanksgiving's long weekend.
MONDAY = datetime(2026, 11, 30)  # noqa: DTZ001 - a day, which has no zone
TUESDAY = MONDAY + timedelta(days=1)


async def play(firm: Firm) -> None:
    """From Monday at midnight until Tuesday at ten to eleven."""
    cases = firm.cases
    confidential = [case for case in cases if case.confidential and case.owner]
    plain = [case for case in cases if not case.confidential and case.owner]
    unowned = [case for case in cases if not case.owner]
    of_jchan = [case for case in plain if case.owner == "jchan"]
    of_asingh = [case for case in plain if case.owner == "asingh"]
    # The list of cases is imported first.
    await firm.at("00:30")
    await firm.at("03:00")
    moved = "Case Was Transferred And A New Office Has Jurisdiction"
    await firm.receive(
        "parley-received", plain[:120], normalized_status="other", raw_status_text=moved
    )
    await firm.at("07:15")
    await firm.receive("parley-received", plain[200:230])
    await firm.at("09:12")
    await firm.receive("parley-rfe", of_jchan[40:41])
    await firm.at("09:30")
    await firm.open_mail("jchan")
    await firm.at("10:40")
    await firm.receive("parley-rfe", unowned[3:4])
    await firm.at("11:00")
    await firm.receive("parley-rfe", confidential[2:3])
    await firm.at("11:20")
    await firm.receive("parley-approved", plain[300:315])
    await firm.at("13:00")
    await firm.receive("parley-noid", of_asingh[30:31])
    await firm.at("14:30")
    await firm.receive("parley-interview", of_asingh[60:62])
    await firm.at("17:45")
    await firm.receive("parley-denied", plain[400:401])
    await firm.at("19:00")
    await firm.receive("parley-rfe", of_jchan[70:71])
    await firm.at("10:50", days=1)


async def played(firm: Firm) -> None:
    """The day, with a server for it, whose log nobody reads."""
    with capture_logs():
        async with firm.running():
            await play(firm)


def printed(firm: Firm) -> str:
    """By recipient, each message with its time."""
    messages = firm.messages()
    lines = []
    for recipient, number in sorted(Counter(one.recipient for one in messages).items()):
        lines.append(f"{recipient}: {number}")
        told = firm.messages_of(recipient)
        lines += [f"  {_clock(one.at)}  {one.title}" for one in told]
    return "\n".join(lines)


def _clock(at: Micros) -> str:
    return f"{datetime.fromtimestamp(at / 1e6, UTC).astimezone(ZONE):%a %H:%M}"


async def main() -> None:
    """Play it, and print who got what."""
    with tempfile.TemporaryDirectory() as folder:
        firm = Firm(Path(folder), begins=MONDAY)
        await played(firm)
    sys.stdout.write(f"{printed(firm)}\n")
    if "--texts" in sys.argv:
        for one in firm.messages():
            head = f"=== {_clock(one.at)} {one.recipient}: {one.title}"
            sys.stdout.write(f"\n{head}\n{one.text}\n")


if __name__ == "__main__":
    asyncio.run(main())
