"""What an operator can do and see: a verb is written once, whoever asks for it.

A verb takes values by name and gives back a value of which JSON can be made.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from casebell.errors import Refusal

Verb: TypeAlias = Callable[..., Awaitable[Any]]

#: Who is named in the journal where the command line asked.
ACTOR = "cli"


class UnknownCommand(Refusal):
    """The running server does not know this command."""

    hint = "It is of another release: restart it."
