"""How channels and servers stand, as an operator is told."""

from typing import Any

from casebell.alerts import AlertKind, NewAlert
from casebell.clock import HOUR, iso
from casebell.service.standing import Standing
from casebell.settings import Settings
from casebell.settings.models import Alerts
from casebell.store import marks, outbox
from casebell.store.engine import Store
from casebell.store.liveness import Living
from casebell.store.servers import Server
from contracts.actors import ADMIN
from contracts.writing import writing
from service.harness import OperationsHarness, settings_of


def standing(harness: OperationsHarness, **given: Any) -> Standing:
    """The verbs over a harness."""
    return Standing(
        **{
            "store": harness.store,
            "settings": lambda: harness.settings,
            "targets": harness.dispatcher.channels.known_targets,
            "paused_until": harness.dispatcher.paused_until,
            **given,
        }
    )


async def wait(store: Store, *subjects: str, channel: str, target: str) -> None:
    """Put alerts into the outbox."""
    new = [
        NewAlert(kind=AlertKind.OPS, subject=one, channel=channel, target=target, urgent=False)
        for one in subjects
    ]
    async with writing(store) as connection:
        await outbox.add(connection, new, now=1)


class TestChannels:
    """Whom each channel reached, and what waits."""

    async def test_nothing_was_sent_yet(self, harness: OperationsHarness) -> None:
        """Every channel of the configuration is there, with its targets."""
        (channel,) = await standing(harness).list_channels(actor=ADMIN)
        assert channel == {
            "name": "slack",
            "targets": [
                {
                    "target": "json",
                    "last_sent_at": None,
                    "last_failure": None,
                    "waiting": 0,
                    "waiting_for_hours": 0,
                    "self_test_due_at": None,
                    "paused_until": None,
                }
            ],
        }

    async def test_when_a_self_test_is_due(self, harness: OperationsHarness) -> None:
        """From when the target was known; of a channel that has one, and not in pilot mode."""
        channels = harness.settings.channels
        tested = channels["slack"].model_copy(update={"self_test": 3_600.0})
        settings = harness.settings.model_copy(update={"channels": {"slack": tested}})
        now = harness.clock.now()

        async def due(settings: Settings) -> str | None:
            shown = standing(harness, settings=lambda: settings)
            (channel,) = await shown.list_channels(actor=ADMIN)
            return channel["targets"][0]["self_test_due_at"]

        assert await due(settings) is None
        await harness.store.transact(marks.first, marks.target_mark("slack", "json"), now=now)
        assert await due(settings) == iso(now + HOUR)
        assert await due(harness.settings) is None
        assert await due(settings.model_copy(update={"alerts": Alerts(pilot="slack")})) is None

    async def test_what_became_of_attempts(self, harness: OperationsHarness) -> None:
        """The last success and the last failure, each with its time, a test's among them."""
        await harness.failed_alert()
        failed_at = harness.clock.now()
        harness.clock.advance(5.0)
        await harness.operations.test_channel(name="slack", actor=ADMIN)
        paused = harness.clock.now() + 7
        models = standing(harness, paused_until={"slack": paused}.get)
        (channel,) = await models.list_channels(actor=ADMIN)
        assert channel["targets"] == [
            {
                "target": "json",
                "last_sent_at": iso(harness.clock.now()),
                "last_failure": {"at": iso(failed_at), "reason": "gave_up", "detail": ""},
                "waiting": 0,
                "waiting_for_hours": 0,
                "self_test_due_at": None,
                "paused_until": iso(paused),
            }
        ]

    async def test_what_the_configuration_no_longer_has(self, harness: OperationsHarness) -> None:
        """A target or a channel that is gone is shown as long as an alert waits for it."""
        await harness.failed_alert(target="left")
        await harness.failed_alert("b", channel="pager", target="left")
        (channel,) = await standing(harness).list_channels(actor=ADMIN)
        assert [one["target"] for one in channel["targets"]] == ["json"]
        await wait(harness.store, "c", channel="slack", target="left")
        await wait(harness.store, "c", "d", channel="pager", target="left")
        found = await standing(harness).list_channels(actor=ADMIN)
        assert [
            (channel["name"], one["target"], one["waiting"], one["last_failure"] is None)
            for channel in found
            for one in channel["targets"]
        ] == [("slack", "json", 0, True), ("slack", "left", 1, False), ("pager", "left", 2, False)]

    async def test_where_targets_are_not_known(self, harness: OperationsHarness) -> None:
        """A command that cannot load a channel shows of it what is on record."""
        harness.settings = settings_of("parley")
        models = standing(harness, targets=dict)
        (channel,) = await models.list_channels(actor=ADMIN)
        assert (channel["name"], channel["targets"]) == ("slack", [])
        await harness.failed_alert(target="known")
        (channel,) = await models.list_channels(actor=ADMIN)
        assert [one["target"] for one in channel["targets"]] == ["known"]


class TestServers:
    """Which servers work on this database."""

    async def test_each_with_its_settings(self, harness: OperationsHarness) -> None:
        """The one that answers, and whether the others work by the same settings."""

        def server(name: str, *channels: str) -> Server:
            return Server(name=name, started_at=0, channels=frozenset(channels), settings={})

        living = [
            Living(server=server("here", "slack", "mail"), this_one=True),
            Living(server=server("there"), differs=["rules"]),
        ]
        verbs = standing(harness, servers=lambda: living).verbs()
        assert await verbs["list_servers"](actor=ADMIN) == [
            {
                "name": "here",
                "started_at": "1970-01-01T00:00:00.000000Z",
                "channels": ["mail", "slack"],
                "settings_agree": True,
                "differs": [],
                "this_one": True,
            },
            {
                "name": "there",
                "started_at": "1970-01-01T00:00:00.000000Z",
                "channels": [],
                "settings_agree": False,
                "differs": ["rules"],
                "this_one": False,
            },
        ]

    def test_without_a_server_nobody_knows(self, harness: OperationsHarness) -> None:
        """A command that opens the store itself does not guess from its rows who lives."""
        assert "list_servers" not in standing(harness).verbs()
