"""What commands share: where the configuration comes from, and how points in time are written."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.installation import Installation


@pytest.mark.parametrize("text", ["yesterday", "24", "-1h", "2025-13-01", ""])
def test_what_is_no_time(installation: Installation, text: str) -> None:
    """It is told how times are written, as a usage error."""
    ran = installation("events", "list", f"--since={text}")
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
        ("held", "discard", "1", "--by", "\udcff"),
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
        ("events", "list", "--source", "parlay"),
        ("events", "export", "--source", "parlay"),
        ("events", "list", "--since", "1h", "--until", "24h"),
        ("alerts", "list", "--channel", "teem"),
        ("alerts", "export", "--channel", "teem"),
        ("alerts", "retry", "--all", "--channel", "teem"),
        ("alerts", "dismiss", "--all", "--channel", "teem"),
        ("refused", "list", "--source", "parlay"),
        ("refused", "list", "--error", "mismatch"),
        ("refused", "readmit", "--all", "--source", "parlay"),
    ],
)
def test_values_nothing_can_be_done_with(
    installation: Installation, arguments: tuple[str, ...]
) -> None:
    """Bytes that are no text, numbers no row has, words and names nobody knows: usage errors."""
    ran = installation(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Error: Invalid value")
    assert len(ran.err.splitlines()) == 2


def test_the_configuration_before_and_after_the_verb(
    installation: Installation, bare: Installation
) -> None:
    """`--config` is taken on either side; the one after the verb wins."""
    before = installation.run("--config", str(installation.config), "events", "list", "--json")
    after = installation.run("events", "list", "--json", "--config", str(installation.config))
    assert before.lines() == after.lines() != []
    both = installation.run(
        "--config", str(installation.config), "events", "list", f"--config={bare.config}"
    )
    assert both.code == 3
    assert "no database yet" in both.err


def test_the_configuration_from_the_environment_or_here(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the option: CASEBELL_CONFIG, and without that ./config.toml."""
    nowhere = installation.run("events", "list")
    assert nowhere.code == 2
    assert "casebell init" in nowhere.err
    monkeypatch.setenv("CASEBELL_CONFIG", str(installation.config))
    assert len(installation.run("events", "list", "--json").lines()) == 5
    monkeypatch.delenv("CASEBELL_CONFIG")
    monkeypatch.chdir(installation.directory)
    assert len(installation.run("events", "list", "--json").lines()) == 5


def test_a_named_configuration_that_is_missing(installation: Installation, tmp_path: Path) -> None:
    """A name that leads nowhere is never replaced by a file that happens to be here."""
    missing = tmp_path / "missing.toml"
    ran = installation.run("events", "list", "--config", str(missing))
    assert (ran.code, ran.out) == (2, "")
    assert str(missing) in ran.err


def test_since_and_until(installation: Installation) -> None:
    """`--since` begins at a moment, `--until` ends before it."""
    stamp = installation("events", "list", "--json").lines()[2]["received_at"]
    just_after = (datetime.fromisoformat(stamp) + timedelta(microseconds=1)).astimezone(UTC)

    def keys(*options: str) -> list[str]:
        return [
            event["key"] for event in installation("events", "list", "--json", *options).lines()
        ]

    everything = keys()
    assert keys("--since", stamp) == everything[:3]
    assert keys("--until", stamp) == everything[3:]
    assert keys("--since", stamp, "--until", just_after.isoformat()) == everything[2:3]
    assert keys("--since", "1h") == everything
    assert keys("--until", "1h") == []
