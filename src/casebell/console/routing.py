"""What an address of the console is: a page, an action, or a door."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from casebell.actors import Right
from casebell.api.parameters import Parameters
from casebell.api.requests import MAX_BODY
from casebell.api.routing import Addressed, Arguments
from casebell.console.visit import Visit
from casebell.http.answers import Headers


@dataclass(frozen=True, kw_only=True, slots=True)
class SeeOther:
    """Another page to go to."""

    to: str
    headers: Headers = field(default_factory=list[tuple[bytes, bytes]])


#: What a page shows, by the names that its template has for it; or another page to go to.
View: TypeAlias = Callable[[Visit], Awaitable[Mapping[str, Any] | SeeOther]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Addressed):
    """Something to look at."""

    method: str = "GET"
    #: The h1, and the name of the browser's tab.
    title: str
    #: Whoever does not have it is answered 403.
    right: Right
    view: View
    template: str
    #: Its parameters: those of the API's listing.
    query: type[Parameters] = Parameters
    #: What it is called in the navigation; "" leaves it out.
    nav: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Action(Addressed):
    """A button: something that a verb does, or a file that it gives."""

    method: str = "POST"
    verb: str
    #: The fields of its form, without `next`.
    form: type[Parameters] = Parameters
    #: What the variable part of the path is to the verb.
    part: Arguments = dict
    #: Whether its answer is a file, and the visitor stays on the page.
    file: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A page to be made."""

    template: str
    values: Mapping[str, Any]
    status: int = 200
    headers: Headers = field(default_factory=list[tuple[bytes, bytes]])


@dataclass(frozen=True, kw_only=True, slots=True)
class Door(Addressed):
    """What answers by itself: signing in and out, and what concerns the visitor alone."""

    serve: Callable[[Visit], Awaitable[Shown | SeeOther]]
    #: Whether it is there for whoever is not signed in, or not yet.
    open: bool = False
    #: Whoever does not have it is answered 403; None: all who are signed in may.
    right: Right | None = None
    #: Bytes of its form, of whoever may.
    max_body: int = MAX_BODY
