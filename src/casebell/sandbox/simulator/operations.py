"""What can be asked of the simulator: a table, of which routes and description are made."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from casebell.sandbox.simulator.problems import Problem
from casebell.settings.values import nearest

if TYPE_CHECKING:
    from casebell.sandbox.simulator.app import Simulator

Model = TypeVar("Model", bound=BaseModel)

#: Bytes of a body: ten thousand movements.
MAX_BODY = 8 * 1024 * 1024
#: Characters of an Idempotency-Key.
MAX_KEY = 255


class Side(StrEnum):
    """Whose an operation is."""

    PARLEY = "parley"
    TORCH = "torch"
    CONTROL = "control"
    #: Needs no token.
    OPEN = "open"


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """One of the address."""

    name: str
    about: str
    schema: Mapping[str, Any]
    required: bool = False
    #: It may come several times.
    repeated: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What an operation comes to."""

    content: Any
    status: int = 200


@dataclass(kw_only=True, slots=True)
class Call:
    """One request that may be answered."""

    simulator: "Simulator"
    operation: "Operation"
    request: Request
    #: The body as JSON; None without one.
    value: Any = None
    query: dict[str, list[str]] = field(default_factory=dict)

    def one(self, name: str) -> str | None:
        """A parameter that may come once."""
        given = self.query.get(name, [])
        if len(given) > 1:
            raise Problem.invalid(f"{name} may be given once.")
        return given[0] if given else None

    def whole(self, name: str, *, least: int, most: int, default: int) -> int:
        """A parameter that is a whole number."""
        given = self.one(name)
        if given is None:
            return default
        digits = given.isascii() and given.isdigit() and len(given) <= 9
        if not digits or not least <= int(given) <= most:
            raise Problem.invalid(f"{name} must be a whole number from {least} to {most}.")
        return int(given)

    def body(self, model: type[Model]) -> Model:
        """The body as it should be.

        Raises:
            Problem: it is not so.
        """
        try:
            return model.model_validate(self.value)
        except ValidationError as error:
            raise Problem.invalid(_sentence(error, model)) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    side: Side
    summary: str
    handler: Callable[[Call], Awaitable[Result]]
    parameters: Sequence[Parameter] = ()
    body: type[BaseModel] | None = None
    #: The schema of what is answered, by status.
    answers: Mapping[int, Mapping[str, Any] | type[BaseModel]]
    #: Statuses of errors beside 400, and those of the token and the limits.
    problems: Sequence[int] = ()
    #: Whether an Idempotency-Key makes it safe to repeat.
    idempotent: bool = False


def read_json(content: bytes) -> Any:
    """A body as JSON.

    Raises:
        Problem: it is none.
    """
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Problem.invalid("The body must be JSON in UTF-8.") from None


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """What is wrong first, without what was given."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "The body"
    hint = ""
    if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
        hint = " " + nearest(first["loc"][0], model.model_fields)
    said = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{where}: {said}.{hint}".encode("utf-8", "replace").decode().rstrip()
