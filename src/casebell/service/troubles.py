"""What is wrong with a server and its database, in words: `casebell doctor` and the pages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from casebell.times import counted

#: What a verb answers.
Answer = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """Something that is wrong."""

    #: Without a full stop.
    what: str
    #: The command, or the thing, to do next.
    then: str


def of_checks(checks: Answer) -> Iterator[Trouble]:
    """Of the checks of `/ready`."""
    failing = [name for name, state in checks.items() if state == "failing"]
    if failing:
        yield Trouble(what=f"not ready: {', '.join(failing)}", then="look at its log")
    if checks.get("settings") == "differs":
        yield Trouble(
            what="another server on this database works by other settings",
            then="give each the same sources, channels and rules; casebell reload",
        )


def of_storage(state: Answer) -> Iterator[Trouble]:
    """Of the storage, while nothing can be stored."""
    if state["failing"]:
        lasts = f"nothing could be stored for {counted(state['seconds'], 'second')}"
        yield Trouble(what=f"{lasts}. {state['reason']}".rstrip(". "), then=state["hint"])


def of_tables(sound: Answer) -> Iterator[Trouble]:
    """Of tables that are not as Casebell made them."""
    if sound["differences"]:
        yield Trouble(
            what=f"its tables are not as Casebell made them: {'; '.join(sound['differences'])}",
            then="remove what is not Casebell's, or restore a backup",
        )


def of_outbox(sound: Answer) -> Iterator[Trouble]:
    """Of changes that were decided and never told."""
    if untold := sound["untold_changes"]:
        yield Trouble(
            what=f"{counted(len(untold), 'change')} decided, and no alert was ever made of it",
            then=f"tell them yourself; change {untold[0]} is the first",
        )


def of_proxy(doubts: Answer) -> Iterator[Trouble]:
    """Of a proxy that is not believed."""
    if proxy := doubts.get("untrusted_proxy"):
        yield Trouble(
            what=f"X-Forwarded-For from {proxy} is not believed, so every sender behind it has its "
            "address",
            then=f'if that is your proxy: server.trusted_proxies = ["{proxy}"], casebell reload',
        )


def of_lost(lost: Mapping[str, int]) -> Iterator[Trouble]:
    """Of refused deliveries that can no longer be readmitted, by source."""
    for source, number in lost.items():
        yield Trouble(
            what=f"{number} deliveries of source {source} that could have been readmitted were "
            "pushed out by others",
            then=f"casebell refused list --source {source}",
        )
