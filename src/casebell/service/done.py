"""What the verbs that change something answer, as types: docs/contract.md has them in the API."""

from collections.abc import Mapping

from typing_extensions import TypedDict

from casebell.shapes import described


@described
class AlertsDone(TypedDict):
    """The alerts to which something was done."""

    alerts: list[int]
    left: list[int]
    """Of all that match, those that have nobody to go to any more."""


@described
class HeldDiscarded(TypedDict):
    """A held delivery that was closed without acting on it."""

    held: int
    status: str
    """`discarded`."""


@described
class HeldReleased(TypedDict):
    """What became of a held delivery, or of a part of it."""

    held: int
    status: str
    """`stored`, `duplicate`, `conflict`, `held`, `closed`; `still_held`: nothing changed."""
    event: int | None
    part: int | None
    """The held delivery that a part of it is now."""
    problem: str
    """Why it stays held."""
    hint: str


@described
class Released(TypedDict):
    """The held deliveries that were tried again."""

    held: list[HeldReleased]


@described
class RefusedChecked(TypedDict):
    """What became of a refused delivery that was checked again."""

    refused: int
    source: str
    status: str
    error: str | None
    event: int | None
    held: int | None


@described
class Readmitted(TypedDict):
    """The refused deliveries that were checked again."""

    readmitted: int
    """How many authenticate now."""
    refused: list[RefusedChecked]


@described
class TargetTested(TypedDict):
    """The result of a test message to one target."""

    target: str
    """A safe label, never a URL."""
    outcome: str
    reason: str | None
    detail: str
    delivered: bool


@described
class ChannelTested(TypedDict):
    """The results of the test messages to a channel."""

    channel: str
    targets: list[TargetTested]


@described
class Reloaded(TypedDict):
    """The configuration in force after a reload."""

    config_sha256: str
    changed: Mapping[str, Mapping[str, list[str]]]
    """By kind of table, the names that are `added`, `removed` and `changed`."""
    needs_restart: list[str]
    """The keys that differ from what the server started with, and wait for a restart."""
    warnings: list[str]


@described
class LineLeftOut(TypedDict):
    """A line of a list of cases that was left out."""

    line: int
    """Where it begins in the file."""
    reason: str


@described
class CasesPut(TypedDict):
    """What some rows of a list of cases came to."""

    new: int
    """Cases that the firm had not named before."""
    changed: int
    unchanged: int
    problems: list[LineLeftOut]


@described
class CasesImported(CasesPut):
    """What a list of cases came to; of a dry run, what it would come to."""

    dry_run: bool
    left_out: int
    """How many problems there are; the first thousand are named."""
    altered: int
    """Lines of which a text was cut, or lost characters that cannot be seen."""
    ignored: list[str]
    """Headings that mean nothing here; nothing of their columns is kept."""
    encoding: str
    """How the file was read: `UTF-8`, `UTF-16` or `Windows-1252`."""
    sha256: str
    """Of the file."""


@described
class CaseProblem(TypedDict):
    """A case of which an API could not be asked."""

    receipt: str
    """Masked where it is confidential and another's."""
    problem: str


@described
class CasesRegistered(TypedDict):
    """A piece of a registration."""

    upstream: str
    dry_run: bool
    registered: int
    """Cases that the API tracks from now on."""
    already: int
    """Cases that it tracked before."""
    problems: list[CaseProblem]
    remaining: int
    """Cases that are still to be registered, without those that have problems."""
    done: bool
    """Whether none is left; else ask again, with the number of problems so far as `skip`."""


@described
class Subscribed(TypedDict):
    """A subscription that was made."""

    upstream: str
    url: str
    events: list[str]
    id: str
    created_at: str | None
    secrets: int
    """How many secrets the `secret_file` has: those of earlier subscriptions stay valid."""
    running: bool
    """Whether a server uses them already."""


@described
class Reconciled(TypedDict):
    """How far the reconciliation of an API is."""

    upstream: str
    run: int | None
    """Its number; null of a look at one case."""
    checked: int
    """Cases so far."""
    found: int
    """Changes that no webhook had delivered."""
    first_looks: int
    """Cases that were looked at for the first time: nobody was alerted of what was there."""
    failed: int
    """Cases of which the API told nothing."""
    remaining: int
    """Cases that are left."""
    done: bool
    waits: str | None
    """Why it does not go on now, as a sentence."""
    fails: bool
    """Whether it waits because the API fails, and not because its limits are reached."""
    elsewhere: str | None
    """The process that works on it, where another does."""
