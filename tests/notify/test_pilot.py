"""Pilot mode: each message goes to one channel, with whom it is meant for on top."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from casebell.alerts import FailureReason, Message
from casebell.clock import SystemClock
from casebell.errors import ConfigError
from casebell.notify.channel import Channels
from casebell.notify.load import load_channels
from casebell.sandbox.http_sink import HttpSink
from casebell.settings import Settings, load
from casebell.store import targets
from casebell.store.engine import Store
from casebell.store.schema import alerts
from contracts.case_events import classified_event
from contracts.stores import read_table, store_classified
from notify.harness import DispatcherHarness, running

HEAD = """
[sources.parley]
kind = "parley"
secrets = ["0123456789abcdef"]

[channels.slack]
url = "json://127.0.0.1:{room}/"
pace = "0s"

[channels.pilot]
url = "json://127.0.0.1:{pilot}/"
pace = "0s"

[channels.several]
urls = ["json://127.0.0.1:{pilot}/a", "json://127.0.0.1:{pilot}/b"]

[channels.hook]
webhook = "http://127.0.0.1:{pilot}/"
secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"

[[rules]]
name = "All"
when = {{}}
notify = ["slack"]
"""

MESSAGE = Message(title="RFE issued", body="Look.")


class Piloting:
    """Two receivers, and a configuration that may have a pilot."""

    def __init__(self, folder: Path, room: HttpSink, pilot: HttpSink) -> None:
        self.room, self.pilot = room, pilot
        self._file = folder / "config.toml"

    def settings(self, pilot: str = "pilot") -> Settings:
        """As loaded, with this pilot."""
        text = HEAD.format(room=self.room.port, pilot=self.pilot.port)
        self._file.write_text(text + (f'[alerts]\npilot = "{pilot}"\n' if pilot else ""))
        self._file.chmod(0o600)
        return load(self._file, environ={})

    def channels(
        self, pilot: str = "pilot", *, running: tuple[Settings, Channels] | None = None
    ) -> Channels:
        """Loaded."""
        return load_channels(self.settings(pilot), clock=SystemClock(), running=running)


@pytest.fixture
async def piloting(tmp_path: Path) -> AsyncIterator[Piloting]:
    """Both receivers listen."""
    async with AsyncExitStack() as stack:
        room = await stack.enter_async_context(HttpSink())
        pilot = await stack.enter_async_context(HttpSink())
        yield Piloting(tmp_path, room, pilot)


async def test_to_the_pilot_alone(piloting: Piloting, store: Store) -> None:
    """The alert is sent; its own target got nothing, and is not said to have been reached."""
    await store_classified(store, classified_event("a"))
    harness = DispatcherHarness(store, {})
    harness.channels = piloting.channels()
    harness.dispatcher.channels_changed()
    async with running(harness):
        await harness.put("change:1", target="json")
        await harness.until(**{"change:1": "sent"})
    (request,) = piloting.pilot.requests
    message = json.loads(request.body)
    assert message["title"].startswith("Pilot: ")
    assert message["message"].startswith("Pilot: meant for json over slack.\n")
    assert piloting.room.requests == []
    (alert,) = await read_table(store, alerts)
    assert alert.reason == FailureReason.PILOT
    async with store.read() as connection:
        assert await targets.known(connection) == []


async def test_taken_up_and_ended(piloting: Piloting) -> None:
    """A reload begins and ends it; a channel that stays the same keeps its instance."""
    before = piloting.settings(""), piloting.channels("")
    during = piloting.settings(), piloting.channels(running=before)
    again = piloting.channels(running=during)
    assert again.by_name["slack"] is during[1].by_name["slack"]
    after = piloting.channels("", running=during)
    for channel in during[1].by_name.values():
        # What a reload replaces is closed.
        await channel.close()
    for channels in (before[1], after):
        message_to = channels.by_name["slack"]
        result = await message_to.send(target="json", message=MESSAGE)
        assert result.delivered
        assert not result.diverted
    assert len(piloting.room.requests) == 2


def test_a_lease_lasts_as_long_as_all_of_them(piloting: Piloting) -> None:
    """Every channel may wait for the pilot: an alert in hand is not taken up by another server."""
    alone = piloting.channels("").policies["slack"].timeout
    assert piloting.channels().policies["slack"].timeout >= 4 * alone


@pytest.mark.parametrize(
    ("pilot", "said"),
    [
        ("several", "is a channel with several targets"),
        ("hook", "A pilot is for people to read"),
        ("nobody", "There is no such channel"),
    ],
)
def test_no_pilot(piloting: Piloting, pilot: str, said: str) -> None:
    """One target, and people who read it."""
    with pytest.raises(ConfigError) as caught:
        piloting.channels(pilot)
    assert said in str(caught.value.problems)


def test_a_warning(piloting: Piloting) -> None:
    """Whoever checks the configuration is told that nobody else hears."""
    assert any("alerts.pilot is set" in warning for warning in piloting.settings().warnings)
