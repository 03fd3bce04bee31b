"""Messages to operations on what Casebell runs by: configuration, storage, certificate."""

from casebell.ops_messages.base import OpsMessage


class ConfigRejected(OpsMessage, frozen=True, kw_only=True, tag="config_rejected"):
    """A new configuration cannot be used."""

    config_sha256: str
    #: A digest of the file and of everything that is wrong, some of which may lie elsewhere.
    state: str
    problems: int
    first_problem: str

    @property
    def key(self) -> str:
        """The state of the file and its surroundings."""
        return self.state


class StorageFails(OpsMessage, frozen=True, kw_only=True, tag="storage_fails"):
    """Nothing can be stored. Sent past the outbox, which cannot be written either."""

    seconds: int
    reason: str
    hint: str

    @property
    def urgent(self) -> bool:
        """Yes: deliveries are answered 503."""
        return True


class StorageWorks(OpsMessage, frozen=True, kw_only=True, tag="storage_works"):
    """The storage can be written again."""

    seconds: int


class StoreCreated(OpsMessage, frozen=True, kw_only=True, tag="store_created"):
    """There was no database, and a new one was made."""

    place: str
    #: Whether a server had run there before: then a file is missing.
    had_server: bool
    created_at: int

    @property
    def key(self) -> str:
        """The new database."""
        return str(self.created_at)

    @property
    def urgent(self) -> bool:
        """Where a server had run: what it stored is missing."""
        return self.had_server


class StoreAltered(OpsMessage, frozen=True, kw_only=True, tag="store_altered"):
    """Something in the database is not ours. Sent past the outbox, which it may swallow."""

    place: str
    differences: str

    @property
    def urgent(self) -> bool:
        """Yes: alerts may never be sent."""
        return True


class CertificateEnds(OpsMessage, frozen=True, kw_only=True, tag="certificate_ends"):
    """The server's certificate ends soon, or has ended."""

    ends_at: str
    #: "ends in 13 days", "has ended".
    state: str
    #: Days before the end at which this is told.
    stage: int

    @property
    def key(self) -> str:
        """The certificate, and how near its end is."""
        return f"{self.ends_at}:{self.stage}"

    @property
    def urgent(self) -> bool:
        """Where only days are left."""
        return self.stage <= 3


class CertificateNotUsed(OpsMessage, frozen=True, kw_only=True, tag="certificate_not_used"):
    """A renewed certificate lies on disk that cannot be used."""

    reason: str
    #: Of the one in use.
    ends_at: str

    @property
    def key(self) -> str:
        """The certificate that should have been replaced."""
        return self.ends_at
