"""What a route of the API is, and how the one of a request is found."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from typing_extensions import TypedDict

from casebell.actors import GRANTS
from casebell.api.parameters import Parameters
from casebell.errors import BadArgument, NotFound
from casebell.events import MAX_NUMBER
from casebell.service.filters import receipt_number
from casebell.service.rights import RIGHTS
from casebell.shapes import described

#: The description of all this, made by `openapi.py`.
DESCRIPTION = Path(__file__).with_name("openapi.json")

#: The types of answers.
JSON = "application/json"
BYTES = "application/octet-stream"
JSON_LINES = "application/x-ndjson"
CSV = "text/csv; charset=utf-8"

T = TypeVar("T")
#: What a part of the path is to the verb.
Arguments: TypeAlias = Callable[[Any], Mapping[str, Any]]

_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)
_PART = re.compile(r"\{(\w+)\}")


@described
class Listing(TypedDict, Generic[T]):
    """A page, newest first."""

    items: list[T]
    next: str | None
    """The `cursor` of the next page; null behind the last row."""


def _number(text: str) -> int:
    """The number of a row.

    Raises:
        NotFound: no row can have it.
    """
    number = int(text) if _DIGITS.fullmatch(text) else 0
    if not 1 <= number <= MAX_NUMBER:
        raise NotFound("There is nothing of this number.")
    return number


def _receipt(text: str) -> str:
    """A receipt number in any spelling.

    Raises:
        NotFound: it is none.
    """
    try:
        return receipt_number(text)
    except BadArgument:
        raise NotFound("There is no case of this receipt number.") from None


#: How each part of a path is read.
PARTS: Mapping[str, Callable[[str], Any]] = {
    "id": _number,
    "name": str,
    "receipt": _receipt,
    "token": str,
}


def one_of_ids(number: int) -> Mapping[str, Any]:
    """A row by its number, for a verb that takes several."""
    return {"ids": [number]}


def named(argument: str) -> Arguments:
    """The part of the path under the name that the verb has for it."""
    return lambda value: {argument: value}


@dataclass(frozen=True, kw_only=True, slots=True)
class Addressed:
    """One method of one path."""

    method: str
    #: Behind the prefix, with the names of its variable parts: `events/{id}/why`.
    path: str

    @property
    def part_names(self) -> list[str]:
        """The names of the variable parts of its path."""
        return _PART.findall(self.path)

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches its paths."""
        return re.compile(_PART.sub(r"(?P<\1>[^/]+)", self.path.replace(".", r"\.")))


@dataclass(frozen=True, kw_only=True, slots=True)
class Route(Addressed):
    """A method of a path of the API."""

    #: What the service is asked; "" for the description, which the API itself has.
    verb: str
    #: The type of its answer.
    answer: Any
    #: What it does, as a sentence.
    summary: str
    #: What the variable part of the path is to the verb.
    part: Arguments = dict
    #: Its parameters.
    query: type[Parameters] = Parameters
    #: Its JSON body; None where it takes none.
    body: type[Parameters] | None = None
    #: Whether its body is a CSV instead, which the verb has as `content`.
    takes_csv: bool = False
    #: Whether a body must be there.
    needs_body: bool = False
    #: Statuses that it can have beside those of all.
    statuses: frozenset[int] = frozenset()
    #: What its answer can be where it is not JSON.
    media: tuple[str, ...] = (JSON,)

    @property
    def raw(self) -> bool:
        """Whether its answer is bytes or lines."""
        return self.media != (JSON,)

    @property
    def may_be(self) -> frozenset[int]:
        """Every status that it can have."""
        found = {200, 400, 401, 429, 503} | self.statuses
        if self.verb and not all(RIGHTS[self.verb] in rights for rights in GRANTS.values()):
            found.add(403)
        if self.part_names:
            found.add(404)
        if self.method != "GET":
            # An empty object is taken by all.
            found |= {408, 413, 415}
        return frozenset(found)


R = TypeVar("R", bound=Addressed)


class Routes(Generic[R]):
    """Finds the route of a request.

    A path that is written out goes before one with a variable part: `events/export` is no event.
    """

    def __init__(self, routes: Sequence[R]) -> None:
        self._of: dict[str, tuple[re.Pattern[str], dict[str, R]]] = {}
        for route in sorted(routes, key=lambda one: bool(one.part_names)):
            _, methods = self._of.setdefault(route.path, (route.pattern, {}))
            methods[route.method] = route

    def of(self, path: str) -> tuple[Mapping[str, R], Mapping[str, str]]:
        """The routes of a path by method, and its variable parts as they stand in it."""
        for pattern, methods in self._of.values():
            if found := pattern.fullmatch(path):
                return methods, found.groupdict()
        return {}, {}
