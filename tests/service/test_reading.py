"""What an operator can see: values as docs/contract.md has them."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.errors import BadArgument, NotFound
from casebell.service import UnknownCommand
from casebell.service.filters import moment
from casebell.service.listing import MAX_PAGE
from casebell.service.reading import Reading
from casebell.service.rights import NOT_JSON
from casebell.store import pushed_out, refused, streaks
from casebell.store.engine import Store
from contracts.actors import ADMIN
from contracts.case_events import case_event
from contracts.clock_and_log import ManualClock
from contracts.exports import exporting
from contracts.store_contract import refusal
from contracts.stores import store_undecided
from contracts.writing import writing
from service.harness import settings_of

NEW_YORK = "America/New_York"
NOW = 1_760_000_000_000_000


def at(text: str) -> int:
    """A full ISO time in our microseconds."""
    return round(datetime.fromisoformat(text).timestamp()) * 1_000_000


def reading(store: Store, *, paged: bool = True) -> Reading:
    """The read models over a store."""
    settings = settings_of("parley", timezone=NEW_YORK)
    return Reading(store=store, settings=lambda: settings, clock=ManualClock(), paged=paged)


class TestMoment:
    """Points in time as people write them."""

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("2025-10-14T19:22:03Z", "2025-10-14T19:22:03+00:00"),
            ("2025-10-14T19:22:03+02:00", "2025-10-14T17:22:03+00:00"),
            ("2025-10-14 15:22", "2025-10-14T19:22:00+00:00"),
            ("2025-10-14", "2025-10-14T04:00:00+00:00"),
            ("2025-12-14", "2025-12-14T05:00:00+00:00"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
            ("9999-12-31T23:59:59+12:00", "9999-12-31T11:59:59+00:00"),
        ],
    )
    def test_a_time_without_a_zone_is_the_firms(self, written: str, meant: str) -> None:
        """What a list shows can be typed: without an offset, in the zone of `server.timezone`."""
        assert moment(written, timezone=NEW_YORK, now=NOW) == at(meant)

    @pytest.mark.parametrize(
        ("written", "seconds"), [("90s", 90), ("5m", 300), ("24h", 86_400), ("7d", 604_800)]
    )
    def test_a_length_is_so_long_ago(self, written: str, seconds: int) -> None:
        """This time yesterday is "24h"."""
        assert moment(written, timezone=NEW_YORK, now=NOW) == NOW - seconds * 1_000_000

    @pytest.mark.parametrize(
        "written",
        [
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-12:00",
            "9999-12-31T23:59:59.999999Z",
        ],
    )
    def test_a_time_that_could_not_be_shown(self, written: str) -> None:
        """In UTC it would lie in a year that no list and no record can write."""
        with pytest.raises(BadArgument):
            moment(written, timezone=NEW_YORK, now=NOW)

    @given(st.text())
    def test_any_other_text_is_an_error_of_who_asks(self, text: str) -> None:
        """Nothing that can be typed ends in anything but a time or that error."""
        try:
            found = moment(text, timezone=NEW_YORK, now=NOW)
        except BadArgument:
            return
        assert isinstance(found, int)


@pytest.mark.parametrize("paged", [True, False])
async def test_pages_of_events(store: Store, paged: bool) -> None:
    """A server's answer has at most a page, and says where the next one begins."""
    await store_undecided(store, *(case_event(f"evt_{number}") for number in range(MAX_PAGE + 3)))
    models = reading(store, paged=paged)
    first = await models.list_events(actor=ADMIN, limit=MAX_PAGE + 2)
    ids = [one["id"] for one in first["items"]]
    if not paged:
        assert (ids, first["next"]) == ([*range(MAX_PAGE + 3, 1, -1)], "2")
        return
    assert (ids, first["next"]) == ([*range(MAX_PAGE + 3, 3, -1)], "4")
    last = await models.list_events(actor=ADMIN, limit=2, cursor=first["next"])
    assert ([one["id"] for one in last["items"]], last["next"]) == ([3, 2], "2")
    whole = await models.list_events(actor=ADMIN, limit=MAX_PAGE, cursor="501")
    assert (len(whole["items"]), whole["next"]) == (MAX_PAGE, None)


async def test_where_nothing_is(store: Store) -> None:
    """Lists are empty, a key is told as unknown, nothing waits."""
    models = reading(store)
    empty: dict[str, object] = {"items": [], "next": None, "looked_back_to": None}
    assert await models.list_events(actor=ADMIN, limit=5) == empty
    assert await models.list_alerts(actor=ADMIN, limit=5) == empty
    assert await models.list_held(actor=ADMIN, limit=5) == empty
    assert await models.list_refused(actor=ADMIN, limit=5) == empty
    assert set((await models.waiting(actor=ADMIN)).values()) == {0}
    for verb in (models.show_event, models.why):
        with pytest.raises(NotFound) as caught:
            await verb(key="evt_1", actor=ADMIN)
        assert "casebell events list" in caught.value.hint


@pytest.mark.parametrize(
    ("verb", "arguments", "said"),
    [
        ("list_events", {"status": "rfe"}, "status; known: received, rfe_issued"),
        ("list_events", {"tag": "urgent"}, "tag; known: deadline"),
        ("list_events", {"flag": "odd"}, "flag; known: stale_signature"),
        ("list_events", {"receipt": "A12"}, "three letters and ten digits"),
        ("list_events", {"since": "yesterday"}, "Write a date"),
        ("list_events", {"until": "2025-13-01"}, "Write a date"),
        ("list_alerts", {"state": "lost"}, "state; known: pending"),
        ("list_held", {"state": "lost"}, "state; known: held, released, discarded"),
    ],
)
async def test_what_cannot_be_understood(
    store: Store, verb: str, arguments: dict[str, str], said: str
) -> None:
    """Whoever asks is told what can be; nothing is read."""
    with pytest.raises(BadArgument, match=said) as caught:
        await reading(store).verbs()[verb](actor=ADMIN, **arguments, limit=5)
    assert (caught.value.http_status, caught.value.exit_code) == (400, 2)


async def test_a_filter_of_another_release(store: Store) -> None:
    """A filter that is not known is an error: without it the list would show too much."""
    with pytest.raises(UnknownCommand, match="does not know this command"):
        await reading(store).list_events(actor=ADMIN, limit=5, owner="ana")
    with pytest.raises(UnknownCommand):
        await exporting(store).export_events(actor=ADMIN, owner=None)


class TestNames:
    """A name that nothing bears would make an empty list: "no alert" where there are many."""

    @pytest.mark.parametrize(
        ("verb", "given", "meant"),
        [
            ("list_events", {"source": "parlay"}, "no source .* Did you mean `parley`"),
            ("list_alerts", {"channel": "slak"}, "no channel .* Did you mean `slack`"),
            ("list_refused", {"source": "x"}, "no source .* Known: parley."),
            ("list_refused", {"error": "mismatch"}, "no error .* Did you mean `.*mismatch`"),
            ("export_events", {"source": "Parley"}, "no source .* Did you mean `parley`"),
            ("export_alerts", {"channel": ""}, "no channel .* Known: slack."),
        ],
    )
    async def test_a_misspelt_one(
        self, store: Store, verb: str, given: dict[str, str], meant: str
    ) -> None:
        """It is an error that names what was meant; so is a name in other letters."""
        verbs = {**reading(store).verbs(), **exporting(store).verbs()}
        listed = {} if verb.startswith("export") else {"limit": 5}
        with pytest.raises(BadArgument, match=f"There is {meant}"):
            await verbs[verb](actor=ADMIN, **given, **listed)

    async def test_one_that_is_configured(self, store: Store) -> None:
        """Nothing has come from it yet: an empty list says so."""
        models = reading(store)
        assert (await models.list_events(actor=ADMIN, source="parley", limit=5))["items"] == []
        assert (await models.list_alerts(actor=ADMIN, channel="slack", limit=5))["items"] == []
        assert (await models.list_refused(actor=ADMIN, error="secret_mismatch", limit=5))[
            "items"
        ] == []

    async def test_one_that_was_removed(self, store: Store) -> None:
        """What is on record is found though the configuration no longer has its source."""
        await store_undecided(store, case_event("evt_1", source="torch"))
        async with writing(store) as connection:
            await refused.refuse(connection, [refusal(source="umber")], now=0)
        models = reading(store)
        (event,) = (await models.list_events(actor=ADMIN, source="torch", limit=5))["items"]
        assert event["key"] == "evt_1"
        assert (await models.list_events(actor=ADMIN, source="umber", limit=5))["items"] == []
        with pytest.raises(BadArgument, match=r"Did you mean `torch`\?"):
            await models.list_events(actor=ADMIN, source="torhc", limit=5)


@pytest.mark.parametrize(("since", "until"), [("1h", "24h"), ("2026-11-21", "2026-11-21")])
async def test_a_span_that_holds_nothing(store: Store, since: str, until: str) -> None:
    """Two times in each other's place would list nothing, whatever happened."""
    with pytest.raises(BadArgument, match="`since` is not before `until`"):
        await reading(store).list_alerts(actor=ADMIN, since=since, until=until, limit=5)


async def test_every_answer_is_json(store: Store) -> None:
    """Values only: what a socket, a page or an API can say."""
    await store_undecided(store, case_event("evt_1"), case_event("evt_2"))
    async with writing(store) as connection:
        await refused.refuse(connection, [refusal()], now=0)
        noted = streaks.Noted()
        noted.refuse("signature_mismatch", at=0)
        await streaks.record(connection, {"parley": noted})
        await pushed_out.record(connection, {"parley": 7}, now=ManualClock().now())
    models = reading(store)
    asked: dict[str, dict[str, Any]] = {
        "waiting": {},
        "refused_in_a_row": {},
        "pushed_out": {},
        "soundness": {},
        "why_refused": {"refused_id": 1},
        "show_event": {"key": "evt_1"},
        "find_event": {"number": 1},
        "why": {"key": "evt_1"},
        "explain_event": {"number": 1},
    }
    for verb, call in models.verbs().items():
        if verb in NOT_JSON:
            continue
        answer = await call(actor=ADMIN, **asked.get(verb, {"limit": 5}))
        assert answer
        assert json.loads(json.dumps(answer)) == answer
