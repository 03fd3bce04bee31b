"""Until when an alert waits, in words."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from casebell.service.waits_in_words import WaitsInWords
from casebell.settings import load
from contracts.calendars import at
from contracts.clock_and_log import ManualClock
from settings.loading import MINIMAL

FILE = """
[calendars.office]
timezone = "America/Chicago"
open = "mon-fri 08:00-18:00"
[channels.mail]
url = "json://127.0.0.1/"
quiet_outside = "office"
digest = { at = "08:00", calendar = "office" }
[channels.chat]
url = "json://127.0.0.1/"
"""
#: Fri, Dec 4, 2026; and Monday, 8 AM in Chicago.
NOW, MONDAY = at("2026-12-04T20:00"), at("2026-12-07T09:00")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"reason": "quiet_hours"}, "until Mon 8:00 AM CST, quiet hours of office"),
        ({"reason": "digest"}, "until Mon 8:00 AM CST, the digest of mail"),
        # The key is gone: it will be reconsidered, and until then the time is the server's.
        (
            {"reason": "quiet_hours", "channel": "chat"},
            "until Mon 9:00 AM EST, quiet hours of chat",
        ),
        ({"reason": "digest", "channel": "gone"}, "until Mon 9:00 AM EST, the digest of gone"),
        ({"reason": "grouped"}, None),
        ({"reason": "rate_limited"}, None),
        ({"reason": "digest", "state": "failed"}, None),
        ({"reason": None, "state": "pending"}, None),
    ],
)
def test_until_when(row: dict[str, Any], said: str | None, tmp_path: Path) -> None:
    """In the zone of the calendar for which it waits, with the name of what it waits for."""
    file = tmp_path / "config.toml"
    file.write_text(MINIMAL + FILE)
    settings = load(file, environ={})
    words = WaitsInWords(settings=lambda: settings, clock=ManualClock(NOW))
    alert = {"state": "deferred", "channel": "mail", "not_before": MONDAY, **row}

    assert words(SimpleNamespace(**alert)) == said
