"""How a message reaches one recipient of a loaded service."""

from typing import Final, Protocol

from casebell.alerts import Message

#: In characters, whatever a service takes.
MAX_TITLE: Final = 200
MAX_BODY: Final = 8000


class Transport(Protocol):
    """Both run in a thread of their own, the second inside `recorded_exchanges()`."""

    def fit(self, message: Message) -> Message:
        """The message within what the service takes."""
        ...

    def send(self, message: Message) -> bool:
        """Send what fits, and wait for the answer; whether the service took it.

        Raises:
            Exception: any, of a defect; nobody knows then what became of the message.
        """
        ...
