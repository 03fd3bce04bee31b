"""Messages to operations on the firm's list of cases."""

from casebell.ops_messages.base import OpsMessage


class CaseListProblems(OpsMessage, frozen=True, kw_only=True, tag="case_list_problems"):
    """The firm's list of cases was imported, but for some lines; once for each state of it."""

    file: str
    #: What identifies this state of the file.
    sha256: str
    taken: int
    left_out: int

    @property
    def key(self) -> str:
        """The file, as it is."""
        return self.sha256


class CaseListUnusable(OpsMessage, frozen=True, kw_only=True, tag="case_list_unusable"):
    """The firm's list of cases cannot be imported at all; once for each state of it."""

    file: str
    #: What identifies this state of the file; where it cannot be read, the reason and the day.
    state: str
    reason: str

    @property
    def key(self) -> str:
        """The file, as it is."""
        return self.state


class CaseListMissing(OpsMessage, frozen=True, kw_only=True, tag="case_list_missing"):
    """The firm's list of cases has not been there for long; once a day."""

    file: str
    #: The list that was imported last; "" where none was.
    last: str
    #: Since 1970: the same file may go a second time.
    day: int

    @property
    def key(self) -> str:
        """The file, since the last list, on this day."""
        return f"{self.last}:{self.day}"
