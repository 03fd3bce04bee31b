"""What commands share: where the configuration comes from, and how points in time are written."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from casebell.cli.options import moment, utf8
from cli.office import Office

NEW_YORK = "America/New_York"


def at(text: str) -> int:
    """A full ISO time in our microseconds."""
    return round(datetime.fromisoformat(text).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2025-10-14T19:22:03Z", "2025-10-14T19:22:03+00:00"),
        ("2025-10-14T19:22:03+02:00", "2025-10-14T17:22:03+00:00"),
        ("2025-10-14 15:22", "2025-10-14T19:22:00+00:00"),
        ("2025-10-14", "2025-10-14T04:00:00+00:00"),
        ("2025-12-14", "2025-12-14T05:00:00+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59-12:00"),
    ],
)
def test_a_time_without_a_zone_is_the_firms(written: str, meant: str) -> None:
    """What a listing shows can be typed: without an offset, in the zone of `server.timezone`."""
    assert moment(written, NEW_YORK) == at(meant)


@pytest.mark.parametrize(
    ("written", "seconds"), [("90s", 90), ("5m", 300), ("24h", 86_400), ("7d", 604_800)]
)
def test_a_length_is_so_long_ago(written: str, seconds: int) -> None:
    """This time yesterday is "24h"."""
    ago = moment(written, NEW_YORK)
    assert ago is not None
    assert abs(time.time() - seconds - ago / 1_000_000) < 5


def test_none_is_none() -> None:
    """An option that was not given does not filter."""
    assert moment(None, NEW_YORK) is None
    assert utf8(None) is None


@given(st.text())
def test_any_other_text_is_a_usage_error(text: str) -> None:
    """Nothing that can be typed ends in anything but a time or a usage error."""
    try:
        found = moment(text, NEW_YORK)
    except typer.BadParameter:
        return
    assert isinstance(found, int)


@pytest.mark.parametrize("text", ["yesterday", "24", "-1h", "2025-13-01", ""])
def test_what_is_no_time(office: Office, text: str) -> None:
    """It is told how times are written, as a usage error and before anything is read."""
    ran = office("events", "list", f"--since={text}")
    assert (ran.code, ran.out) == (2, "")
    assert "2026-11-21T09:30:00Z" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("why", "\udcff"),
        ("events", "show", "\udcff"),
        ("events", "list", "--text", "\udcff"),
        ("events", "list", "--source", "\udcff"),
        ("events", "list", "--receipt", "\udcff"),
        ("channels", "test", "\udcff"),
        ("send", "--sample", "parley-rfe", "--secret", "\udcff"),
        ("events", "list", "--limit", "0"),
        ("events", "list", "--limit", "9" * 30),
        ("events", "list", "--limit", "many"),
        ("events", "list", "--status", "rfe"),
        ("events", "list", "--tag", "urgent"),
        ("events", "list", "--receipt", "A123456789"),
        ("alerts", "list", "--state", "lost"),
        ("alerts", "retry", "0"),
        ("alerts", "retry", "9" * 30),
        ("held", "release", "x"),
    ],
)
def test_values_nothing_can_be_done_with(office: Office, arguments: tuple[str, ...]) -> None:
    """Bytes that are no text, numbers no row has, words nobody knows: usage errors, all of them."""
    ran = office(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Error: Invalid value")
    assert len(ran.err.splitlines()) == 2


def test_the_configuration_before_and_after_the_verb(office: Office, bare: Office) -> None:
    """`--config` is taken on either side; the one after the verb wins."""
    before = office.run("--config", str(office.config), "events", "list", "--json")
    after = office.run("events", "list", "--json", "--config", str(office.config))
    assert before.lines() == after.lines() != []
    both = office.run("--config", str(office.config), "events", "list", f"--config={bare.config}")
    assert both.code == 3
    assert "no database yet" in both.err


def test_the_configuration_from_the_environment_or_here(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the option: CASEBELL_CONFIG, and without that ./config.toml."""
    nowhere = office.run("events", "list")
    assert nowhere.code == 2
    assert "casebell init" in nowhere.err
    monkeypatch.setenv("CASEBELL_CONFIG", str(office.config))
    assert len(office.run("events", "list", "--json").lines()) == 5
    monkeypatch.delenv("CASEBELL_CONFIG")
    monkeypatch.chdir(office.directory)
    assert len(office.run("events", "list", "--json").lines()) == 5


def test_a_named_configuration_that_is_missing(office: Office, tmp_path: Path) -> None:
    """A name that leads nowhere is never replaced by a file that happens to be here."""
    missing = tmp_path / "missing.toml"
    ran = office.run("events", "list", "--config", str(missing))
    assert (ran.code, ran.out) == (2, "")
    assert str(missing) in ran.err


def test_since_and_until(office: Office) -> None:
    """`--since` begins at a moment, `--until` ends before it."""
    stamp = office("events", "list", "--json").lines()[2]["received_at"]
    just_after = (datetime.fromisoformat(stamp) + timedelta(microseconds=1)).astimezone(UTC)

    def keys(*options: str) -> list[str]:
        return [event["key"] for event in office("events", "list", "--json", *options).lines()]

    everything = keys()
    assert keys("--since", stamp) == everything[:3]
    assert keys("--until", stamp) == everything[3:]
    assert keys("--since", stamp, "--until", just_after.isoformat()) == everything[2:3]
    assert keys("--since", "1h") == everything
    assert keys("--until", "1h") == []
