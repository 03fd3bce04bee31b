"""`casebell events list` and `show`: the received-event log, as people and programs read it."""

import re
import unicodedata

import pytest

from casebell.cli import service_client
from casebell.store import walk
from cli.installation import HOSTILE, RECEIVED, Installation
from cli.test_json_keys import KEYS

#: The fields of an event in docs/contract.md, in its order.
FIELDS = KEYS["events list"]


def keys(installation: Installation, *options: str) -> list[str]:
    """Keys of the events listed with these options."""
    return [event["key"] for event in installation("events", "list", "--json", *options).lines()]


def test_the_contracts_fields(installation: Installation) -> None:
    """`--json` prints one object a line with exactly the fields of docs/contract.md."""
    listed = installation("events", "list", "--json")
    assert (listed.code, listed.err) == (0, "")
    for event in listed.lines():
        assert list(event) == FIELDS
    newest = listed.lines()[0]
    assert newest["text"] == "=1+1; Año, “sí”"
    assert newest["received_at"].endswith("Z")
    assert (newest["tags"], newest["flags"]) == ([], ["unknown_wording"])
    # No rule sends a new wording to anybody here, so operations hear of it.
    assert newest["decision"]["outcome"] == "notified"
    assert listed.lines()[-1]["deliveries"] == 2


def test_newest_first_and_limited(installation: Installation) -> None:
    """Fifty unless told otherwise; `--limit` takes the newest."""
    everything = ["evt_formula", "evt_hostile", "obs_rfe", "evt_rfe", "evt_received"]
    assert keys(installation) == everything
    assert keys(installation, "--limit", "2") == everything[:2]
    assert keys(installation, "--limit", "1000000") == everything


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--source", "torch"), ["obs_rfe"]),
        (("--status", "rfe_issued"), ["obs_rfe", "evt_rfe"]),
        (("--tag", "adverse"), ["evt_hostile"]),
        (("--flag", "unknown_wording"), ["evt_formula", "evt_hostile"]),
        (("--receipt", "LIN2290054321"), ["evt_formula"]),
        (("--receipt", " lin-229-005-4321 "), ["evt_formula"]),
        (("--text", "rfe WAS"), ["obs_rfe", "evt_rfe"]),
        (("--text", "%"), []),
        (("--source", "parley", "--tag", "deadline"), ["evt_rfe"]),
        (("--since", "2001-01-01", "--until", "2002-01-01"), []),
    ],
)
def test_filters(installation: Installation, options: tuple[str, ...], found: list[str]) -> None:
    """Filters narrow and combine; receipts are understood in any spelling, text in any case."""
    assert keys(installation, *options) == found


def test_a_list_for_people(installation: Installation) -> None:
    """A heading and a row for each event, in the firm's time; hostile text stays in its cell."""
    ran = installation("events", "list")
    heading, *listed = ran.out.splitlines()
    assert heading.split() == [
        "ID", "RECEIVED", "SOURCE", "RECEIPT", "STATUS", "TAGS", "DECISION", "TEXT",
    ]  # fmt: skip
    assert len(listed) == 5
    assert listed[3].split("  ")[0] == "2"
    assert "deadline" in listed[3]
    assert "notified" in listed[3]
    assert " EST  " in listed[0] or " EDT  " in listed[0]
    assert "[2J]0;ownedeviltxt.exe Told Nothing to see here <b>@all" in listed[1]
    nothing = installation("events", "list", "--source", "torch", "--tag", "adverse")
    assert nothing.out == "No event matches.\n"


def test_one_event(installation: Installation) -> None:
    """`show` prints every field, every delivery and the body; nothing acts on the terminal."""
    ran = installation("events", "show", "evt_hostile")
    assert ran.code == 0
    lines = ran.out.splitlines()
    for field in FIELDS:
        assert any(line.startswith(f"{field}:") for line in lines), field
    assert not {unicodedata.category(c) for c in ran.out if c != "\n"} & {"Cc", "Cf", "Zl", "Zp"}
    assert not any(line.startswith(("Told", "  Nothing")) for line in lines)
    assert any(line.startswith("delivered:") and "secret secret-1" in line for line in lines)
    assert "(2025-10-14 15:22:03 EDT)" in ran.out
    assert '"receipt_number": "WAC2190054321"' in ran.out


def test_one_event_as_json(installation: Installation) -> None:
    """The same for a program: the stored text verbatim, each delivery, the body."""
    (event,) = installation("events", "show", "evt_hostile", "--json").lines()
    assert list(event) == [*FIELDS, "delivered", "body"]
    assert event["text"] == HOSTILE
    assert event["body"].encode() == RECEIVED[3][1]
    (twice,) = installation("events", "show", "evt_received", "--json").lines()
    assert [one["outcome"] for one in twice["delivered"]] == ["stored", "duplicate"]
    assert [one["idempotency_key"] for one in twice["delivered"]] == ["key-0", "key-5"]


def test_an_event_by_its_number(installation: Installation) -> None:
    """The number of a listing's first column does as well as the key."""
    by_key = installation("events", "show", "evt_rfe").out
    assert installation("events", "show", "2").out == by_key


def test_an_event_that_waits_to_be_routed(installation: Installation) -> None:
    """It has no status and no tags yet, which people are told in words; no filter takes it."""
    installation.undecide(2)
    (listed,) = [one for one in installation("events", "list", "--json").lines() if one["id"] == 2]
    assert (listed["status"], listed["tags"], listed["decision"]) == (None, [], None)
    assert listed["delivered_status"] == "rfe_issued"
    (row,) = [line for line in installation("events", "list").out.splitlines() if line[:2] == "2 "]
    assert "  not decided yet  " in row
    shown = installation("events", "show", "2").out.splitlines()
    assert "status:           not decided yet" in shown
    assert "decision:         waits for its decision" in shown
    (event,) = installation("events", "show", "2", "--json").lines()
    assert (event["status"], event["tags"]) == (None, [])
    assert keys(installation, "--status", "rfe_issued") == ["obs_rfe"]


@pytest.mark.parametrize("key", ["evt_nobody", "0", "77", "9" * 40, "٢", "%", ""])
def test_an_event_that_is_not_there(installation: Installation, key: str) -> None:
    """The answer is no, with what shows those there are."""
    ran = installation("events", "show", key)
    assert (ran.code, ran.out) == (1, "")
    assert "casebell events list" in ran.err


def test_says_how_far_it_looked(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a page stopped looking, standard error has the command that goes on from there."""
    monkeypatch.setattr(walk, "SCAN_LIMIT", 1)
    monkeypatch.setattr(walk, "SCAN_PER_RESULT", 0)
    # The command goes on behind a page that found little, and at last asks for a narrower filter.
    found_all = installation("events", "list", "--json", "--text", "rfe")
    assert ([one["key"] for one in found_all.lines()], found_all.err) == (
        ["obs_rfe", "evt_rfe"],
        "",
    )
    monkeypatch.setattr(service_client, "FAR_PAGES", 1)
    listed = installation("events", "list", "--text", "rfe")
    assert (listed.code, listed.out) == (0, "None of these matches.\n")
    assert listed.err.startswith("Looked back to ")
    found: list[str] = []
    for _ in range(5):
        if not (said := re.search(r"--until (\S+)`", listed.err)):
            break
        listed = installation("events", "list", "--json", "--text", "rfe", "--until", said[1])
        found += [event["key"] for event in listed.lines()]
    assert list(dict.fromkeys(found)) == ["obs_rfe", "evt_rfe"]
    assert listed.err == ""
