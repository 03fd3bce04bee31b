"""Reads what a browser sends: the fields of a form, and the parameters of an address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_origin
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from casebell.api.parameters import Parameters
from casebell.api.requests import MAX_BODY, arguments_of, check_body
from casebell.console.multipart import parts_of
from casebell.errors import BadArgument
from casebell.http.reading import read_body

#: Fields of a form: each ticked row is one.
MAX_FIELDS = 1_000

#: The fields, each with its values in order.
Fields = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What a browser sends of a form."""

    fields: Fields = field(default_factory=dict)
    #: What the files hold that were chosen, by the names of their fields.
    files: Mapping[str, bytes] = field(default_factory=dict)


async def form_of(scope: Scope, receive: Receive, *, max_body: int = MAX_BODY) -> Form:
    """The fields of a form.

    Args:
        max_body: bytes that it may have.

    Raises:
        BodyTooLarge, EncodedBody: it must not be read.
        BadArgument: it is no form, or has too many fields.
    """
    types = check_body(scope, max_body=max_body)
    body = await read_body(receive, max_body=max_body)
    if types == [b"multipart/form-data"]:
        (given,) = (value for name, value in scope["headers"] if name == b"content-type")
        return _with_files(given.decode("latin-1"), body)
    return Form(fields=fields_of(body.decode("latin-1")))


def _with_files(content_type: str, body: bytes) -> Form:
    fields: dict[str, list[str]] = {}
    files: dict[str, bytes] = {}
    for part in parts_of(content_type, body, most=MAX_FIELDS):
        if part.is_file:
            files[part.name] = part.content
            continue
        try:
            text = part.content.decode()
        except UnicodeDecodeError:
            raise BadArgument("This form cannot be read.") from None
        fields.setdefault(part.name, []).append(text.replace("\r\n", "\n"))
    return Form(fields=fields, files=files)


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
