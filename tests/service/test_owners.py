"""Open changes whose owner may not see to them."""

import json
from typing import Any

import pytest

from casebell.actors import Actor, Role
from casebell.alerts import AlertKind, Asked, NewAlert
from casebell.clock import DAY
from casebell.events import Absence, Status, Tag
from casebell.service import owners
from casebell.service.owners import OwnerReading
from casebell.service.troubles import of_absent_owners, of_owners, of_people
from casebell.settings.models import PersonSettings
from casebell.store import absences
from casebell.store.engine import Store
from contracts.actors import ADMIN
from contracts.case_events import RECEIVED_AT
from contracts.cases import change_case, say_of_case
from contracts.clock_and_log import ManualClock
from contracts.writing import writing

PEOPLE = {
    "jchan": PersonSettings(id="jchan", name="Jia Chan", email="jchan@f.com"),
    "kim": PersonSettings(id="kim", name="Kim Roe", email="kim@f.com"),
    "ana": PersonSettings(id="ana", name="Ana Ruiz"),
}
ASKED = Asked(deadline=True, urgent=True)
NOTHING = {"count": 0, "receipts": [], "who": []}


def told(person: str, *, change: int) -> NewAlert:
    """An alert of a change to somebody by name."""
    return NewAlert(
        kind=AlertKind.CASE,
        subject=f"change:{change}",
        channel="mail",
        target=f"{person}@f.com",
        urgent=True,
        change_id=change,
        event_id=change,
        person=person,
        addressed_as="@owner",
    )


async def in_doubt(store: Store, *, actor: Actor = ADMIN) -> dict[str, Any]:
    """What the verb answers."""
    verbs = OwnerReading(store=store, people=lambda: PEOPLE, clock=ManualClock())
    return {**await verbs.owners_in_doubt(actor=actor)}


async def away(store: Store, person: str, *, until: int) -> None:
    """Have somebody be away."""
    async with writing(store) as connection:
        absence = Absence(until, "kim")
        await absences.begin(connection, person, absence, now=RECEIVED_AT, actor=ADMIN)


async def test_each_kind(store: Store) -> None:
    """Each open change is of one kind or none; what is closed is of none."""
    facts: list[tuple[dict[str, Any], list[str]]] = [
        ({}, []),
        ({"owner": "John Smith"}, []),
        # Somebody outside the firm, who is told at an address.
        ({"owner": "John Smith", "owner_email": "smith@g.com"}, []),
        ({"owner_email": "smith@g.com"}, []),
        ({"owner": " JIA chan"}, ["jchan"]),
        ({"owner": "kim"}, ["kim"]),
        # Told to somebody who has left, and given to kim afterwards.
        ({"owner": "kim"}, ["left"]),
        ({"owner": "left"}, ["left"]),
        # The owner heard, beside somebody who has left.
        ({"owner": "kim"}, ["kim", "left"]),
        ({"owner": "John Smith", "confidential": True}, []),
    ]
    for number, (said, people) in enumerate(facts, 1):
        alerts = [told(person, change=number) for person in people]
        await change_case(store, number, alerts=alerts, asked=ASKED)
        if said:
            await say_of_case(store, number, **said)
    approved: dict[str, Any] = {"status": Status.APPROVED, "tags": frozenset({Tag.DECISION})}
    await change_case(store, len(facts) + 1, **approved)
    await away(store, "jchan", until=RECEIVED_AT + DAY)
    await away(store, "kim", until=RECEIVED_AT)
    found = await in_doubt(store)
    assert found == {
        "looked": 10,
        "more": False,
        "missing": {"count": 1, "receipts": ["IOE…0001"], "who": []},
        "unknown": {"count": 2, "receipts": ["IOE…0010", "IOE…0002"], "who": ["John Smith"]},
        "gone": {"count": 2, "receipts": ["IOE…0008", "IOE…0007"], "who": ["left"]},
        "away": {"count": 1, "receipts": ["IOE…0005"], "who": ["jchan"]},
    }
    assert json.loads(json.dumps(found)) == found
    assert [one.what for one in (*of_owners(found), *of_absent_owners(found))] == [
        "1 open change without an owner (IOE…0001)",
        (
            "2 open changes with an owner who is nobody in the configuration: John Smith "
            "(IOE…0010, IOE…0002)"
        ),
        (
            "2 open changes told to somebody who is no longer in the configuration, and not to the "
            "owner: left (IOE…0008, IOE…0007)"
        ),
        "1 open change with an owner who is away: jchan (IOE…0005)",
    ]
    operator = await in_doubt(store, actor=Actor(name="token:x", role=Role.OPERATOR))
    assert (operator["looked"], operator["unknown"]["count"]) == (9, 1)


async def test_very_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few receipts are told; the newest are looked at, and that there are others is said."""
    monkeypatch.setattr(owners, "PAGE", 2)
    monkeypatch.setattr(owners, "MAX_PAGES", 3)
    for number in range(1, 10):
        await change_case(store, number, asked=ASKED)
    found = await in_doubt(store)
    assert (found["looked"], found["more"], found["gone"]) == (6, True, NOTHING)
    [trouble] = of_owners(found)
    assert trouble.what == (
        "6 open changes without an owner (IOE…0009, IOE…0008, IOE…0007, 3 more), of the newest 6"
    )


def test_who_cannot_be_told() -> None:
    """Whom no channel can reach; and a stand-in who is nobody, or whom none can reach."""

    def person(name: str, target: str | None, stand_in: str | None = None) -> dict[str, Any]:
        channels = [{"channel": "mail", "target": target}]
        return {"id": name, "name": name.title(), "channels": channels, "stand_in": stand_in}

    everybody = [
        person("jchan", "jchan@f.com", "kim"),
        person("kim", "kim@f.com", "left"),
        person("ben", "ben@f.com", "ana"),
        person("ana", None),
    ]
    assert [one.what for one in of_people(everybody)] == [
        "Ana can be reached on no channel",
        "Kim is away, and left, who stands in, is in no [people] any more",
        "Ben is away, and ana, who stands in, can be reached on no channel",
    ]
    # Where no channel tells people by name, or none could be loaded.
    assert list(of_people([{**person("ana", None), "channels": []}])) == []
