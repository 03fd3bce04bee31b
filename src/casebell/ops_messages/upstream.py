"""Messages on what the upstream's APIs told: first looks, missed changes, and APIs that fail."""

from casebell.ops_messages.base import OpsMessage


class _OfRun(OpsMessage, frozen=True, kw_only=True):
    """Something that a reconciliation found; once for each state of it."""

    #: The API's name in the configuration.
    upstream: str
    #: The number of the reconciliation.
    run: int

    def at(self, so_far: int) -> str:
        """The reconciliation, and how far it had come."""
        return f"{self.upstream}:{self.run}:{so_far}"


class FirstLooks(_OfRun, frozen=True, kw_only=True, tag="first_looks"):
    """Cases were looked at for the first time: in the place of an alert for each."""

    #: Those of the reconciliation so far, and those that this message tells of.
    looked: int
    cases: int
    #: How many of them are in a state that asks for something, and the first few, masked.
    asking: int
    first: str
    #: How many of these have no owner who can be told by name.
    unowned: int

    @property
    def key(self) -> str:
        """Cases looked at., of this reconciliation."""
        return self.at(self.looked)


class FirstLooksOfOwner(_OfRun, frozen=True, kw_only=True, tag="first_looks_of_owner"):
    """The same for the owner of cases that ask for something."""

    looked: int
    asking: int
    first: str

    @property
    def key(self) -> str:
        """Cases looked at, of whomever., of this reconciliation."""
        return self.at(self.looked)


class ChangesMissed(_OfRun, frozen=True, kw_only=True, tag="changes_missed"):
    """Changes were found that no webhook delivered: webhooks are broken."""

    source: str
    found: int
    #: How many changes webhooks of the source brought meanwhile.
    delivered: int
    #: Since when, as people read it.
    since: str

    @property
    def key(self) -> str:
        """Changes found., of this reconciliation."""
        return self.at(self.found)


class CasesNotLookedAt(_OfRun, frozen=True, kw_only=True, tag="cases_not_looked_at"):
    """An API tells nothing of some cases, which it told of before or was never asked of."""

    newly: int
    #: Those of the reconciliation in all.
    failed: int
    #: The first of all that fail, masked, and why.
    first: str
    why: str

    @property
    def key(self) -> str:
        """Cases that fail and did not before., of this reconciliation."""
        return self.at(self.newly)


class ReconciliationWaits(OpsMessage, frozen=True, kw_only=True, tag="reconciliation_waits"):
    """The requests of a day are used up before every case was looked at; once a reconciliation."""

    upstream: str
    run: int
    left: int
    #: The longest unchecked, masked.
    first: str
    why: str

    @property
    def key(self) -> str:
        """The reconciliation."""
        return f"{self.upstream}:{self.run}"


class UpstreamFails(OpsMessage, frozen=True, kw_only=True, tag="upstream_fails"):
    """An API cannot be asked; once until it works again."""

    upstream: str
    #: UTC microseconds.
    since: int
    why: str
    hint: str

    @property
    def key(self) -> str:
        """The API, since it fails."""
        return f"{self.upstream}:{self.since}"


class UpstreamWorks(OpsMessage, frozen=True, kw_only=True, tag="upstream_works"):
    """An API that failed can be asked again."""

    upstream: str
    since: int
    #: As people read it.
    failed: str

    @property
    def key(self) -> str:
        """The API, since it had failed."""
        return f"{self.upstream}:{self.since}"
