"""Who hears of what by the rules in force, and whether the file is still that of these rules."""

import asyncio
from collections.abc import Callable, Mapping

from typing_extensions import TypedDict

from casebell.actors import Actor
from casebell.route.coverage import coverage_of, gaps_of
from casebell.service import Verb
from casebell.settings import Settings, fingerprint
from casebell.shapes import described


@described
class Coverage(TypedDict):
    """Who hears of a status, a tag or a flag."""

    kind: str
    """`status`, `tag` or `flag`."""
    value: str
    channels: list[str]
    """Those that are alerted in every case."""
    rules: list[str]
    """Those that match it in every case."""
    note: str
    """A remark for the reader, or ""."""


@described
class Rules(TypedDict):
    """The rules in force."""

    coverage: list[Coverage]
    gaps: list[str]
    """What must not be missed and no rule is sure to tell, as sentences."""
    file_differs: bool
    """Whether the file is not as it was when it was last taken up."""


def who_hears(settings: Settings) -> list[Coverage]:
    """Who would be alerted of each status, tag and new wording."""
    return [
        {
            "kind": row.kind,
            "value": row.value,
            "channels": list(row.channels),
            "rules": list(row.rules),
            "note": row.note,
        }
        for row in coverage_of(settings)
    ]


class RuleReading:
    """The verb.

    Args:
        settings: those in force.
    """

    def __init__(self, *, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {"rules": self.rules}

    async def rules(self, *, actor: Actor) -> Rules:
        """Who hears of what by the configuration in force, and its gaps."""
        settings = self._settings()
        found = await asyncio.to_thread(fingerprint, settings.path)
        return {
            "coverage": who_hears(settings),
            "gaps": list(map(str, gaps_of(settings))),
            "file_differs": found != settings.sha256,
        }
