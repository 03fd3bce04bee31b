"""Who asks: a name for the journal, a role with its rights, and whose cases are one's own.

Every right is off until a role has it. The table of roles and rights is that of docs/contract.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from casebell.spelling import spelling


class Role(StrEnum):
    """What somebody is to Casebell; of two the later is the stronger."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Right(StrEnum):
    """What somebody may do."""

    #: See cases, events, alerts, the queue and reports.
    CASES = "cases"
    #: See the confidential ones of others, too.
    CONFIDENTIAL = "confidential"
    #: See held deliveries with their bodies, refused ones, channels, rules and servers.
    OPERATIONS = "operations"
    #: Acknowledge changes, enter and confirm dates, say that something is answered.
    FOLLOW_UP = "follow_up"
    #: Edit cases of one's own.
    OWN_CASES = "own_cases"
    #: Edit any case that one sees; import a list of cases.
    EDIT_CASES = "edit_cases"
    #: Retry, dismiss, test, release, discard, readmit, reload.
    OPERATE = "operate"
    #: See exact bodies and the journal; export.
    EVIDENCE = "evidence"
    #: Accounts and tokens.
    ACCOUNTS = "accounts"
    #: The account that one signed in with: its password, second factor and sessions.
    OWN_ACCOUNT = "own_account"


GRANTS: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.VIEWER: frozenset({Right.CASES, Right.FOLLOW_UP, Right.OWN_CASES, Right.OWN_ACCOUNT}),
        Role.OPERATOR: frozenset(
            {
                *(Right.CASES, Right.FOLLOW_UP, Right.OWN_CASES, Right.EDIT_CASES),
                *(Right.OPERATIONS, Right.OPERATE, Right.OWN_ACCOUNT),
            }
        ),
        Role.AUDITOR: frozenset(
            {
                *(Right.CASES, Right.CONFIDENTIAL, Right.OPERATIONS, Right.EVIDENCE),
                Right.OWN_ACCOUNT,
            }
        ),
        Role.ADMIN: frozenset(Right),
    }
)


def strongest(roles: Iterable[Role]) -> Role:
    """The strongest of several; an auditor is stronger than an operator, who sees less."""
    return max(roles, key=list(Role).index)


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """Somebody who asks the service."""

    #: For the journal: `cli:jchan`, `token:practice`, `account:ana`.
    name: str
    role: Role
    #: Whose cases are one's own; None is nobody's.
    person: str | None = None
    #: How else cases may write their owner who is this person.
    names: frozenset[str] = field(default_factory=frozenset)
    teams: frozenset[str] = field(default_factory=frozenset)
    #: Who it is, as claimed by `--by`.
    by: str | None = None
    #: Whether what it looks at goes on record: the bearer of a token, or of an account.
    watched: bool = True

    @property
    def owner_keys(self) -> frozenset[str]:
        """The owners of its own cases, as texts are compared."""
        return frozenset(map(spelling, {self.person or "", *self.names})) - {""}

    @property
    def team_keys(self) -> frozenset[str]:
        """The teams of its own cases, as texts are compared."""
        return frozenset(map(spelling, self.teams)) - {""}

    def owns(self, owner: str) -> bool:
        """Whether a case of this owner is its own; nobody owns one without."""
        return spelling(owner) in self.owner_keys

    def is_of(self, team: str) -> bool:
        """Whether a case of this team is of one of its teams."""
        return spelling(team) in self.team_keys

    def may(self, right: Right) -> bool:
        """Whether the role has a right."""
        return right in GRANTS[self.role]

    @property
    def account(self) -> str | None:
        """The name of the account that it signed in with; None of a token or the command line."""
        kind, _, name = self.name.partition(":")
        return name if kind == "account" else None

    @property
    def sees_failed_of_all(self) -> bool:
        """Whether the failed alerts of others' confidential cases are shown, masked."""
        return self.may(Right.OPERATE)


#: Sees what everybody with any role sees.
NOBODY = Actor(name="nobody", role=Role.VIEWER)
#: What a server does by itself, as it is configured.
SERVER = Actor(name="server", role=Role.ADMIN, watched=False)


def command_line(user: str, *, by: str | None = None) -> Actor:
    """Whoever may use the socket, or the database's file: there is nothing to keep from them.

    Args:
        user: the name of the system's user.
        by: who it is, as claimed.
    """
    return Actor(name=f"cli:{user}", role=Role.ADMIN, by=by, watched=False)
