"""Calendars and escalations, and what refers to them, as the file writes them."""

from datetime import date
from pathlib import Path

import pytest

from casebell.errors import ConfigError
from casebell.settings import Settings, load
from casebell.settings.calendars import CalendarSettings, Days, Elapsed, Step, Window

HEAD = """
[sources.parley]
kind = "parley"
secrets = ["0123456789abcdef"]
[channels.chat]
url = "json://localhost"
{channel}
[[rules]]
name = "All"
when = {{}}
notify = ["chat"]
[calendars.office]
open = ["mon-fri 08:00-18:00"]
"""


def loaded(folder: Path, text: str, *, channel: str = "") -> Settings:
    file = folder / "config.toml"
    file.write_text(HEAD.format(channel=channel) + text, encoding="utf-8")
    file.chmod(0o600)
    return load(file, environ={})


def problem(folder: Path, text: str, *, channel: str = "") -> str:
    with pytest.raises(ConfigError) as error:
        loaded(folder, text, channel=channel)
    return "\n".join(f"{one.key}: {one.message} {one.hint}" for one in error.value.problems)


@pytest.mark.parametrize(
    ("written", "window"),
    [
        ("mon-fri 08:00-18:00", Window((0, 1, 2, 3, 4), 480, 1080)),
        ("sat,sun 10:00-14:30", Window((5, 6), 600, 870)),
        ("fri-mon 9:00-12:00", Window((0, 4, 5, 6), 540, 720)),
        ("22:00-06:00", Window((0, 1, 2, 3, 4, 5, 6), 1320, 360)),
        ("00:00-24:00", Window((0, 1, 2, 3, 4, 5, 6), 0, 1440)),
        ("Mon 08:00-18:00", Window((0,), 480, 1080)),
    ],
)
def test_opening_hours(written: str, window: Window) -> None:
    """Days by their first three letters, over the end of the week too; none are all."""
    assert CalendarSettings.model_validate({"name": "c", "open": written}).open == (window,)


@pytest.mark.parametrize(
    "written", ["", "mon", "mon 8-18", "mo 08:00-18:00", "mon 08:00-25:00", "mon 08:00-08:00", 5]
)
def test_no_opening_hours(written: object) -> None:
    """Refused, and nothing is guessed."""
    with pytest.raises(ValueError, match="hours"):
        CalendarSettings.model_validate({"name": "c", "open": [written]})


def test_closed_days() -> None:
    """One, or from the first to the last, as text or as TOML has dates."""
    given = ["2026-11-27", "2026-12-24..2026-12-26", date(2027, 1, 4)]
    calendar = CalendarSettings.model_validate({"name": "c", "open": "8:00-9:00", "closed": given})
    assert calendar.closed == (
        Days(date(2026, 11, 27), date(2026, 11, 27)),
        Days(date(2026, 12, 24), date(2026, 12, 26)),
        Days(date(2027, 1, 4), date(2027, 1, 4)),
    )


@pytest.mark.parametrize(
    "written", ["2026-02-30", "2026-12-26..2026-12-24", "2026-01-01..2028-01-01", "tomorrow"]
)
def test_no_days(written: str) -> None:
    """A day that there is not, and days in the wrong order."""
    with pytest.raises(ValueError, match=r"day|year"):
        CalendarSettings.model_validate({"name": "c", "open": "8:00-9:00", "closed": [written]})


@pytest.mark.parametrize(
    ("written", "elapsed"),
    [("2h", Elapsed(0, 7200.0)), ("1d", Elapsed(1, 0.0)), ("1d4h30m", Elapsed(1, 16200.0))],
)
def test_elapsed(written: str, elapsed: Elapsed) -> None:
    """Days are kept apart: by a calendar they are none of 24 hours."""
    assert Step.model_validate({"after": written, "notify": "chat"}).after == elapsed


@pytest.mark.parametrize("written", ["", "0s", "30s", "4", "1d1d", "99999999d", "h", "5000d", 7])
def test_no_time(written: object) -> None:
    """Not below a minute, not above ten years."""
    with pytest.raises(ValueError, match=r"duration|minute"):
        Step.model_validate({"after": written, "notify": "chat"})


ESCALATION = """
[[escalations]]
name = "Unseen"
when = {{ status = ["rfe_issued"] }}
steps = [{steps}]
"""


@pytest.mark.parametrize(
    ("text", "channel", "said"),
    [
        ("", 'quiet_outside = "offic"', "channels.chat.quiet_outside: There is no such calendar."),
        ("", 'digest = { at = "08:00", calendar = "x" }', "chat.digest.calendar: There is no such"),
        ("", 'digest = { at = "24:00", calendar = "office" }', "digest.at: This is no time of day"),
        (
            ESCALATION.format(steps='{ after = "2h", of = "offce", notify = ["chat"] }'),
            "",
            "escalations[1].steps[1].of: There is no such calendar. Did you mean `office`?",
        ),
        (
            ESCALATION.format(steps='{ after = "2h", notify = ["caht"] }'),
            "",
            "escalations[1].steps[1].notify[1]: There is no such channel. Did you mean `chat`?",
        ),
        (
            ESCALATION.format(
                steps='{ after = "2h", notify = ["chat"] }, { after = "1h", notify = ["chat"] }'
            ),
            "",
            "escalations[1].steps[2].after: This step would not come after the one before it.",
        ),
        (
            ESCALATION.format(steps='{ after = "10d", notify = ["chat"] }'),
            "",
            "This step never comes: the escalation stops before it. `stop` is 10 days after the",
        ),
        (
            ESCALATION.format(steps='{ after = "2h", notify = ["chat"] }') * 2,
            "",
            "escalations[2].name: Another escalation has the same name.",
        ),
        (
            ESCALATION.format(steps='{ after = "2h", notify = ["chat"] }').replace(
                'status = ["rfe_issued"]', 'source = ["prley"]'
            ),
            "",
            "escalations[1].when.source[1]: There is no such source.",
        ),
        ("[calendars.home]\nholidays = 'none'\n", "", "calendars.home.open: This key is required."),
        ("[ops]\nheartbeat = 'watch.example.com'\n", "", "ops.heartbeat: This is no address"),
    ],
)
def test_refused(tmp_path: Path, text: str, channel: str, said: str) -> None:
    """Each at its place."""
    assert said in problem(tmp_path, text, channel=channel)


DEADLINES = '[[rules]]\nname = "RFE"\nwhen = { status = ["rfe_issued"] }\nnotify = ["chat"]\n'


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        (DEADLINES, True),
        (DEADLINES + ESCALATION.format(steps='{ after = "2h", notify = ["chat"] }'), False),
        (
            DEADLINES
            + ESCALATION.format(steps='{ after = "2h", notify = ["chat"] }').replace(
                '["rfe_issued"]', '["rfe_issued"], owner = ["jchan"]'
            ),
            True,
        ),
        ('[[rules]]\nname = "No"\nwhen = { tags = ["deadline"] }\nnotify = []\n', False),
    ],
)
def test_nobody_must_acknowledge(tmp_path: Path, text: str, warned: bool) -> None:
    """A rule for deadlines that tells somebody, without an escalation that covers it for sure."""
    warnings = loaded(tmp_path, text).warnings
    assert any("No escalation covers what rule “RFE” tells of" in one for one in warnings) is warned


ON_DEADLINES = '[[rules]]\nname = "D"\nwhen = { tags = ["deadline"] }\nnotify = ["chat"]\n'
URGENT = "urgent = true\n"
QUIET = 'quiet_outside = "office"'


@pytest.mark.parametrize(
    ("text", "channel", "warned"),
    [
        (DEADLINES, QUIET, True),
        (DEADLINES, 'digest = { at = "08:00", calendar = "office" }', True),
        (DEADLINES, "", False),
        (DEADLINES + URGENT, QUIET, False),
        # Another rule tells of the same urgently.
        (DEADLINES + ON_DEADLINES + URGENT, QUIET, False),
        (DEADLINES + ON_DEADLINES, QUIET, True),
    ],
)
def test_what_must_be_answered_waits(tmp_path: Path, text: str, channel: str, warned: bool) -> None:
    """Until Monday, for want of one word in a rule."""
    warnings = loaded(tmp_path, text, channel=channel).warnings
    assert any(one.startswith("What rule “RFE” tells of") for one in warnings) is warned


def test_any_deadline_covers_a_request(tmp_path: Path) -> None:
    """A request for evidence has one, whatever its text."""
    escalation = ESCALATION.format(steps='{ after = "2h", notify = ["chat"] }')
    of_tags = escalation.replace('status = ["rfe_issued"]', 'tags = ["deadline"]')
    assert not any(
        "No escalation covers" in one for one in loaded(tmp_path, DEADLINES + of_tags).warnings
    )


def test_the_heartbeat_is_a_secret(tmp_path: Path) -> None:
    """Whoever knows the address could keep the watch quiet."""
    settings = loaded(tmp_path, "[ops]\nheartbeat = 'https://watch.example.com/ping/s3cret'\n")
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings.model_dump(mode="json"))
