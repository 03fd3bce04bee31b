"""Reads what a request gives: its parameters and its JSON body, each name once, none unknown.

A message says which parameter is wrong and never what was given.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.types import Scope

from casebell.api.parameters import Parameters
from casebell.case_file import MAX_BYTES
from casebell.errors import BadArgument, BodyNotCsv, BodyNotJson, EncodedBody
from casebell.http.reading import check_headers, read_body
from casebell.settings.values import nearest

#: Bytes of a JSON body.
MAX_BODY = 64 * 1024
#: Parameters of one request, and what is shown of a name.
MAX_PARAMETERS = 50
MAX_NAME = 60


def arguments_of(
    model: type[Parameters], given: Mapping[str, Any], *, in_address: bool = False
) -> Mapping[str, Any]:
    """What the given values are to the verb; what is left out has the model's default.

    Args:
        in_address: they are texts, of numbers too.

    Raises:
        BadArgument: a name is unknown, or its value cannot be understood.
    """
    for name in given:
        if name not in model.model_fields:
            known = nearest(name[:MAX_NAME], model.model_fields)
            said = f"There is no such parameter. {known}".rstrip()
            raise BadArgument(said, argument=shown(name))
    try:
        read = model.model_validate(given, context=in_address)
    except ValidationError as error:
        raise _wrong(error) from None
    return read.arguments()


def query_of(scope: Scope) -> Mapping[str, str]:
    """The parameters in the address.

    Raises:
        BadArgument: one is there twice, or there are too many.
    """
    try:
        # What is not UTF-8 becomes halves of surrogate pairs, which no parameter takes.
        pairs = parse_qsl(
            scope["query_string"].decode("latin-1"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        raise BadArgument("There are too many parameters.") from None
    return _each_once(pairs)


def check_body(scope: Scope, *, max_body: int = MAX_BODY) -> Sequence[bytes]:
    """Check the headers before the body is read; the types that they say it has.

    Raises:
        BodyTooLarge, EncodedBody: it must not be read.
    """
    codings = check_headers(scope["headers"], max_body=max_body).codings
    if any(value.strip().lower() != b"identity" for value in codings):
        raise EncodedBody
    types = [value for name, value in scope["headers"] if name == b"content-type"]
    return [value.partition(b";")[0].strip().lower() for value in types]


async def csv_of(scope: Scope, receive: Any) -> bytes:
    """The CSV in the body.

    Raises:
        BodyTooLarge, EncodedBody, BodyNotCsv: it must not be read.
    """
    if check_body(scope, max_body=MAX_BYTES) != [b"text/csv"]:
        raise BodyNotCsv
    return await read_body(receive, max_body=MAX_BYTES)


async def body_of(scope: Scope, receive: Any, *, needed: bool) -> Mapping[str, Any]:
    """The JSON object in the body; an empty one where there may be none, and is none.

    Raises:
        BodyTooLarge, EncodedBody, BodyNotJson: it must not be read.
        BadArgument: it is no JSON object, or it has a name twice.
    """
    types = check_body(scope)
    if types not in ([], [b"application/json"]):
        raise BodyNotJson
    body = await read_body(receive, max_body=MAX_BODY)
    if not body and not needed:
        return {}
    if body and not types:
        raise BodyNotJson
    try:
        value = json.loads(body, object_pairs_hook=_each_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadArgument("The body is no JSON.") from None
    if not isinstance(value, dict):
        raise BadArgument("The body is no JSON object.")
    for name, one in value.items():
        if one is None:
            raise BadArgument("Leave it out instead of giving null.", argument=shown(name))
    return value


def _each_once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise BadArgument("It is there more than once.", argument=shown(name))
        found[name] = value
    return found


def _no_constant(_: str) -> NoReturn:
    """NaN and the infinities are no JSON."""
    raise ValueError


def _wrong(error: ValidationError) -> BadArgument:
    """The first thing that is wrong, without the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    return BadArgument(first["msg"].removesuffix(".") + ".", argument=name)


def shown(name: str) -> str:
    """A name as a message has it: short, in visible ASCII."""
    return ascii(name[:MAX_NAME])[1:-1]
