"""`casebell why KEY`: everything that became of an event, as sentences."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from casebell.cli.options import AsJson, Config, Key
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_answer
from casebell.service.story import story
from casebell.times import local_time


def why(key: Key, as_json: AsJson = False, config: Config = None) -> None:
    """What became of an event: verification, change, rules, alerts and attempts."""
    client = ServiceClient(config)
    for explanation in client.read("why", key=key):
        print_answer(explanation, _lines(explanation, client.timezone), as_json=as_json)


def _lines(explanation: Mapping[str, Any], zone: str) -> Iterator[str]:
    time = partial(local_time, zone=zone)
    for section in story(explanation):
        yield section.heading.text(time)
        for point in section.points:
            yield f"  {point.sentence.text(time)}"
            yield from (f"    {sentence.text(time)}" for sentence in point.under)
    yield ""
