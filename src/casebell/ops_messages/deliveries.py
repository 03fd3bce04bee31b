"""Messages to operations on deliveries and requests: held, refused, lost."""

from casebell.ops_messages.base import Frequency, OpsMessage


class DeliveriesHeld(OpsMessage, frozen=True, kw_only=True, tag="held"):
    """Deliveries are authentic but were not understood."""

    frequency = Frequency.HOURLY

    source: str
    reason: str
    #: Of the first of them.
    detail: str
    count: int
    first_held: int

    @property
    def key(self) -> str:
        """A source and a reason."""
        return f"{self.source}:{self.reason}"


class ProviderTested(OpsMessage, frozen=True, kw_only=True, tag="provider_test"):
    """A provider's own test arrived."""

    source: str
    first_held: int

    @property
    def key(self) -> str:
        """A source."""
        return self.source


class DeliveriesRefused(OpsMessage, frozen=True, kw_only=True, tag="refused"):
    """Deliveries of a source were refused, in a row or again and again."""

    source: str
    count: int
    #: Since when, and whether others were authentic meanwhile.
    how: str = "of late"
    #: Each error and how often.
    errors: str = "see below"
    #: From how many addresses they came.
    origin: str = ""
    #: The likely cause, and the next step.
    cause: str = "a secret was mistyped or changed, or somebody is forging."
    then: str = "see below."
    #: The command that tells more of one.
    look: str = "casebell refused list"
    #: How many messages on this source there were before.
    telling: int = 0

    @property
    def key(self) -> str:
        """A source and its message: `store.streaks` says how often one is due."""
        return f"{self.source}:{self.telling}"


class RequestsRefused(OpsMessage, frozen=True, kw_only=True, tag="requests_refused"):
    """Requests that may have been deliveries were refused, and no source can be told from them."""

    count: int
    since: str
    errors: str
    origin: str
    cause: str
    then: str
    look: str
    telling: int

    @property
    def key(self) -> str:
        """The message: `store.streaks` says how often one is due."""
        return str(self.telling)


class DeliveriesAuthentic(OpsMessage, frozen=True, kw_only=True, tag="authentic"):
    """A source's deliveries authenticate again, after operations heard that they did not."""

    source: str
    #: How many were refused in a row.
    count: int
    telling: int

    @property
    def key(self) -> str:
        """A source and the number of the message before."""
        return f"{self.source}:{self.telling}"


class RefusalsPushedOut(OpsMessage, frozen=True, kw_only=True, tag="pushed_out"):
    """Refused deliveries that could have been readmitted are gone, for others took their place."""

    frequency = Frequency.HOURLY

    source: str
    count: int

    @property
    def key(self) -> str:
        """A source."""
        return self.source


class SourceSilent(OpsMessage, frozen=True, kw_only=True, tag="source_silent"):
    """Nothing authentic came from a source for longer than expected."""

    source: str
    #: Since when, as stored; and in words, what that was.
    since: int
    last: str
    #: How long a silence may be: "3 days".
    expected: str
    #: When this server was started, as a sentence, if that was since then; else "".
    started: str = ""

    @property
    def key(self) -> str:
        """A source and the beginning of its silence."""
        return f"{self.source}:{self.since}"

    @property
    def urgent(self) -> bool:
        """Yes: what asks for an answer may have been sent, and did not come."""
        return True


class SourceHeard(OpsMessage, frozen=True, kw_only=True, tag="source_heard"):
    """A delivery of a source came, after operations heard that it was silent."""

    source: str
    since: int
    #: When it came, and since when none had.
    came: str
    last: str

    @property
    def key(self) -> str:
        """A source and the beginning of the silence that ended."""
        return f"{self.source}:{self.since}"
