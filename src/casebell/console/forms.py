"""Reads what a browser sends: the fields of a form, and the parameters of an address."""

from collections.abc import Mapping, Sequence
from typing import Any, get_origin
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from casebell.api.parameters import Parameters
from casebell.api.requests import MAX_BODY, arguments_of
from casebell.errors import BadArgument, EncodedBody
from casebell.http.reading import check_headers, read_body

#: Fields of a form: each ticked row is one.
MAX_FIELDS = 1_000

#: The fields, each with its values in order.
Fields = Mapping[str, Sequence[str]]


async def form_of(scope: Scope, receive: Receive) -> Fields:
    """The fields of a form.

    Raises:
        BodyTooLarge, EncodedBody: it must not be read.
        BadArgument: it is no form, or has too many fields.
    """
    codings = check_headers(scope["headers"], max_body=MAX_BODY).codings
    if any(value.strip().lower() != b"identity" for value in codings):
        raise EncodedBody
    body = await read_body(receive, max_body=MAX_BODY)
    return fields_of(body.decode("latin-1"))


def query_of(scope: Scope) -> Fields:
    """The parameters of an address; raises as `fields_of` does."""
    return fields_of(scope["query_string"].decode("latin-1"))


def fields_of(text: str) -> Fields:
    """The fields of a text as forms and addresses have them.

    Raises:
        BadArgument: there are too many, or one is no UTF-8.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise BadArgument("This form cannot be read.") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        # Browsers send the ends of lines as HTML has it.
        found.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return found


def understood(model: type[Parameters], given: Fields) -> Mapping[str, Any]:
    """What fields are to the verb. One that was left empty was not given.

    Raises:
        BadArgument: a name is unknown, is there twice, or its value cannot be understood.
    """
    values: dict[str, Any] = {}
    for name, texts in given.items():
        filled = [text for text in texts if text.strip()]
        if not filled:
            continue
        if _takes_several(model, name):
            values[name] = filled
        elif len(filled) > 1:
            raise BadArgument("It is there more than once.", argument=name)
        else:
            values[name] = filled[0].strip()
    return arguments_of(model, values, in_address=True)


def narrowed(model: type[Parameters], arguments: Mapping[str, Any]) -> Mapping[str, str]:
    """The fields that a form needs for the same filter: those that narrow anything."""
    return {
        name: "true" if arguments[name] is True else str(arguments[name])
        for name, field in model.model_fields.items()
        if name in arguments and arguments[name] != field.default
    }


def _takes_several(model: type[Parameters], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and any(
        get_origin(one) is list for one in (field.annotation, *_alternatives(field.annotation))
    )


def _alternatives(annotation: Any) -> Sequence[Any]:
    found = []
    for one in getattr(annotation, "__args__", ()):
        found.append(one)
        found.extend(_alternatives(one))
    return found
