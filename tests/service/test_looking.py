"""The record of looking: before a watched actor sees evidence, the journal says so."""

import hashlib
import json
from typing import Any

import pytest

from casebell.actors import Actor, Right, Role, command_line
from casebell.clock import iso
from casebell.errors import NotFound, StorageUnavailable
from casebell.events import HeldState
from casebell.json_text import canonical
from casebell.service import Service
from casebell.service.arrivals import ArrivalReading
from casebell.service.exporting import Exporting
from casebell.service.reading import Reading
from casebell.store import held
from casebell.store.engine import Store
from casebell.store.journal import Entry, append, entry_bytes
from casebell.store.journal import leaf_hash as hashed
from casebell.store.schema import journal
from contracts.actors import an_actor
from contracts.case_events import case_event
from contracts.clock_and_log import ManualClock
from contracts.filled import hold
from contracts.stores import failing_transactions, read_table, store_undecided
from contracts.writing import writing
from service.harness import settings_of

AUDITOR = an_actor("token:audit", role=Role.AUDITOR, by="Ana")
SHELL = command_line("jchan", by="Jia Chan")
#: Bytes that no text is.
BODY = b'{"id": "evt_1", "raw": "\xff\x00\\ud83d"}'


@pytest.fixture
async def service(store: Store) -> Service:
    """What can be read of an event and of two held deliveries."""
    await store_undecided(store, case_event("evt_1", body=BODY), case_event("evt_2"))
    await hold(store, b"first")
    await hold(store, b"\xffsecond")
    settings, clock = settings_of("parley"), ManualClock()
    return Service(
        Reading(store=store, settings=lambda: settings, clock=clock).verbs(),
        Exporting(store=store, settings=lambda: settings, clock=clock).verbs(),
        ArrivalReading(store=store, settings=lambda: settings, clock=clock).verbs(),
    )


#: What is asked for, and what the journal then has: kind, subject, data.
SEEN: dict[str, tuple[dict[str, Any], list[tuple[str, str, dict[str, Any]]]]] = {
    "event_body": ({"number": 1}, [("body.read", "event:1", {})]),
    "show_event": ({"key": "evt_1"}, [("body.read", "event:1", {})]),
    "list_held": (
        {"limit": 5},
        [("held.read", "held", {"filter": {"state": "held"}, "rows": 2, "first": 1, "last": 2})],
    ),
    "list_journal": (
        {"limit": 3, "kind": "delivery.stored", "actor_name": "source:parley"},
        [
            (
                "journal.read",
                "journal",
                {
                    "filter": {"kind": "delivery.stored", "actor": "source:parley"},
                    "rows": 2,
                    "first": 1,
                    "last": 2,
                },
            )
        ],
    ),
}
#: Of these nothing is on record: no body is in them.
UNRECORDED: dict[str, dict[str, Any]] = {
    "list_events": {"limit": 5},
    "find_event": {"number": 1},
    "why": {"key": "evt_1"},
    "list_alerts": {"limit": 5},
    "list_refused": {"limit": 5},
    "list_arrivals": {"limit": 5},
}


async def new_entries(store: Store, after: int) -> list[tuple[str, str, dict[str, Any]]]:
    """What the journal has beyond so many entries, all by the auditor."""
    rows = (await read_table(store, journal))[after:]
    found = []
    for row in rows:
        data = json.loads(row.data)
        assert (row.actor, data.pop("by")) == ("token:audit", "Ana")
        found.append((row.kind, row.subject, data))
    return found


@pytest.mark.parametrize("verb", SEEN)
async def test_it_is_on_record(store: Store, service: Service, verb: str) -> None:
    """Who looked, at what, with which filter, at how many; the shell could read the file itself."""
    arguments, expected = SEEN[verb]
    before = len(await read_table(store, journal))
    shown = await service.ask(verb, arguments, actor=SHELL, raw=True)
    assert len(await read_table(store, journal)) == before
    assert await service.ask(verb, arguments, actor=AUDITOR, raw=True) == shown
    assert await new_entries(store, before) == expected


@pytest.mark.parametrize("verb", SEEN)
async def test_what_cannot_be_on_record_is_not_shown(
    store: Store, service: Service, verb: str
) -> None:
    """503, and nothing is given; the shell still can look."""
    arguments, _ = SEEN[verb]
    with failing_transactions(store):
        with pytest.raises(StorageUnavailable) as caught:
            await service.ask(verb, arguments, actor=AUDITOR, raw=True)
        assert await service.ask(verb, arguments, actor=SHELL, raw=True)
    assert caught.value.http_status == 503


@pytest.mark.parametrize("verb", UNRECORDED)
async def test_what_has_no_body(store: Store, service: Service, verb: str) -> None:
    """Lists, and what became of an event, are looked at all day."""
    before = await read_table(store, journal)
    await service.ask(verb, UNRECORDED[verb], actor=AUDITOR)
    assert await read_table(store, journal) == before


async def test_nothing_was_shown(store: Store, service: Service) -> None:
    """Neither an event that is not there nor an empty page leaves an entry: programs poll."""
    before = len(await read_table(store, journal))
    for verb, given in (("event_body", {"number": 9}), ("show_event", {"key": "evt_9"})):
        with pytest.raises(NotFound):
            await service.ask(verb, given, actor=AUDITOR, raw=True)
    await service.ask("list_held", {"limit": 5, "state": "discarded"}, actor=AUDITOR)
    assert await new_entries(store, before) == []


async def test_the_exact_bytes(store: Store, service: Service) -> None:
    """As they came: what is no UTF-8, too."""
    body = await service.ask("event_body", {"number": 1}, actor=AUDITOR, raw=True)
    assert body == BODY
    assert hashlib.sha256(body).hexdigest() == case_event(body=BODY).body_sha256


async def test_an_entry_as_it_is_on_record(store: Store, service: Service) -> None:
    """Its data is unchanged, so that whoever has the page can compute the leaf."""
    data = {"half": "\ud83d", "number": 10**39, "mark": "\u202eabc", "long": "x" * 200_000}
    entry = Entry(at=1_700_000_000_123_456, kind="k", actor="a", subject="s", data=data, by="Ana")
    seq = await store.transact(append, [entry])
    listed = await service.ask("list_journal", {"limit": 1}, actor=SHELL)
    (item,) = listed["items"]
    (row,) = [row for row in await read_table(store, journal) if row.seq == seq]
    assert item == {
        "seq": seq,
        "at": iso(entry.at),
        "kind": "k",
        "actor": "a",
        "by": "Ana",
        "subject": "s",
        "data": {**data, "by": "Ana"},
        "leaf": row.leaf.hex(),
    }
    told = {name: item[name] for name in ("seq", "kind", "actor", "subject")}
    content = entry_bytes(**told, at=entry.at, data=canonical(item["data"]))
    assert hashed(content).hex() == item["leaf"]


async def test_pages_of_the_journal(store: Store, service: Service) -> None:
    """A reader's own entries are newer than where its next page begins."""

    async def pages(actor: Actor) -> list[int]:
        found: list[int] = []
        cursor = None
        while True:
            page = await service.ask("list_journal", {"limit": 2, "cursor": cursor}, actor=actor)
            found += [item["seq"] for item in page["items"]]
            cursor = page["next"]
            if cursor is None:
                return found

    there = [row.seq for row in await read_table(store, journal)]
    assert await pages(AUDITOR) == there[::-1]
    assert len(await pages(SHELL)) == len(there) + 2


@pytest.mark.parametrize("role", Role)
async def test_the_body_of_a_released_one(store: Store, role: Role) -> None:
    """It is an event's exact body by then, perhaps of a case that one may not see."""
    number = await hold(store, b"of an event")
    await hold(store, b"of none")
    actor = an_actor("token:one", role=role)
    async with writing(store) as connection:
        await held.resolve(
            connection, number, state=HeldState.RELEASED, now=0, actor=actor, event_id=None
        )
    settings = settings_of("parley")
    reading = Reading(store=store, settings=lambda: settings, clock=ManualClock())
    found = await reading.list_held(state=None, limit=5, actor=actor)
    seen = {one["state"]: one["body"] for one in found["items"]}
    may = actor.may(Right.EVIDENCE)
    assert seen == {"held": "of none", "released": "of an event" if may else ""}
