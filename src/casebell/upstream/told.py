"""What the provider's APIs say, as values."""

from casebell.errors import UpstreamError
from casebell.events import Micros, Value


class Told(Value):
    """One thing that an API told of a case: its state, or an entry of its history."""

    #: Canonical: the one that was asked for.
    receipt: str
    #: A JSON object as the body of a delivery has it, which `casebell.receive.understand` reads.
    #: The bytes are those that came; an entry of a history has the receipt in addition.
    body: bytes
    #: Its time, as far as it can be read.
    at: Micros | None


class CaseUnknown(Value):
    """The API does not know the case, at this time."""

    receipt: str


class CaseProblem(Value):
    """The API could not tell of this case; it may be asked again."""

    receipt: str
    #: Why, as a sentence for an operator.
    message: str
    #: The code of the error.
    code: str
    hint: str = ""

    @classmethod
    def of(cls, receipt: str, error: UpstreamError) -> "CaseProblem":
        """An error that concerns this case."""
        return cls(receipt=receipt, message=error.message, hint=error.hint, code=error.code)


class NewReceipt(Value):
    """A case to register."""

    #: Canonical.
    receipt: str
    #: What the firm calls it; sent only where the settings say `labels`.
    label: str = ""


class Registered(Value):
    """What became of cases that were to be registered; canonical receipts, as they were asked.

    One that is in neither was not registered.
    """

    registered: tuple[str, ...]
    already: tuple[str, ...]


class Subscription(Value):
    """A subscription as the API confirmed it."""

    id: str
    url: str
    events: tuple[str, ...]
    #: As it came; "" where it did not.
    created_at: str
