"""The description of the API, OpenAPI 3.1, made of the table of routes and the types it names.

`python -m casebell.api.openapi` writes it beside this file. A server only reads it: making it takes
a third of a second of processor time, for which deliveries would wait.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from typing_extensions import TypedDict

import casebell
from casebell.api.parameters import Parameters
from casebell.api.routes import ROUTES
from casebell.api.routing import DESCRIPTION, Route
from casebell.events import MAX_NUMBER
from casebell.http.webhook import API
from casebell.shapes import described


@described
class Error(TypedDict):
    """What went wrong."""

    error: str
    """A stable code."""
    message: str
    """A sentence for people."""
    request_id: str
    """For the server's log."""


#: What each status means.
_STATUSES: Mapping[int, str] = {
    400: "A parameter is unknown, repeated, or cannot be understood; the message names it.",
    401: "There is no token, or none that is known and not revoked.",
    403: "The token's role does not have the right to this.",
    404: "There is nothing of this name or number that the token's role may see.",
    408: "The body did not arrive in time.",
    409: "Its present state does not allow this.",
    413: "The body is too large.",
    415: "The body is of another type than this takes, or is compressed.",
    429: "Too many tokens from this address were wrong, or too many exports are under way.",
    502: "The provider's API was asked in vain.",
    503: "The server cannot answer this now.",
}
_TEXT: Mapping[str, Any] = {"type": "string"}
_REQUEST_ID = {"X-Request-Id": {"required": True, "schema": _TEXT}}
#: Headers of an error beside the one that all have.
_HEADERS: Mapping[int, Mapping[str, Any]] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}}},
    429: {"Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}},
    503: {"Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}},
}
#: The variable parts of paths.
_PARTS: Mapping[str, Mapping[str, Any]] = {
    "id": {
        "description": "Our number.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_NUMBER},
    },
    "name": {"description": "The name in the configuration.", "schema": {**_TEXT, "minLength": 1}},
    "receipt": {
        "description": "The receipt number, in any spelling.",
        "schema": {**_TEXT, "minLength": 1, "examples": ["IOE0912345678"]},
    },
}


class _Schemas(GenerateJsonSchema):
    """Schemas without what says nothing to their readers: titles, and defaults that are null."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """No: a field's name says it."""
        return False

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        """The schema, with the default of what is not given."""
        made = super().default_schema(schema)
        if made.get("default", "") is None:
            del made["default"]
        return made


def describe() -> Mapping[str, Any]:
    """The description."""
    schemas = _Types()
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(f"/{route.path}", {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Casebell",
            "version": casebell.__version__,
            "description": "What Casebell knows and can do, for the bearers of a token.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": API}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`casebell tokens add NAME --role ROLE` makes one.",
                }
            },
            "responses": {str(status): _error(status) for status in _STATUSES},
            "schemas": schemas.definitions,
        },
    }


class _Types:
    """The schemas of all types that routes name."""

    def __init__(self) -> None:
        types: list[tuple[Any, JsonSchemaMode]] = [(Error, "serialization")]
        types += [(route.answer, "serialization") for route in ROUTES if not route.raw]
        types += [(route.body, "validation") for route in ROUTES if route.body is not None]
        found, shared = TypeAdapter.json_schemas(
            [(repr(one), mode, TypeAdapter(one)) for one, mode in types],
            ref_template="#/components/schemas/{model}",
            schema_generator=_Schemas,
        )
        self._found = {key: schema for (key, _), schema in found.items()}
        self.definitions = shared["$defs"]

    def of(self, given: Any) -> Mapping[str, Any]:
        """The schema of one of them."""
        return self._found[repr(given)]


def _operation(route: Route, schemas: _Types) -> Mapping[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.path.partition("/")[0]],
        "parameters": [
            *({"name": n, "in": "path", "required": True, **_PARTS[n]} for n in route.part_names),
            *_parameters(route.query),
        ],
        "responses": {
            "200": {
                "description": "Found." if route.method == "GET" else "Done.",
                "headers": _REQUEST_ID,
                "content": {
                    # Bytes and lines have no schema.
                    media: {} if route.raw else {"schema": schemas.of(route.answer)}
                    for media in route.media
                },
            },
            **{
                str(status): {"$ref": f"#/components/responses/{status}"}
                for status in sorted(route.may_be - {200})
            },
        },
    }
    if route.takes_csv:
        operation["requestBody"] = {"required": True, "content": {"text/csv": {}}}
    elif route.body is not None:
        operation["requestBody"] = {
            "required": route.needs_body,
            "content": {"application/json": {"schema": schemas.of(route.body)}},
        }
    return operation


def _operation_id(route: Route) -> str:
    words = [word.strip("{}") for word in route.path.replace(".", "/").split("/")]
    return "_".join([route.method.lower(), *words])


def _parameters(model: type[Parameters]) -> list[Mapping[str, Any]]:
    """The fields of a model as parameters of an address."""
    made = model.model_json_schema(
        schema_generator=_Schemas, ref_template="#/components/schemas/{model}"
    )
    # A word of a list is written out where it stands: a parameter's schema is short.
    shared = made.get("$defs", {})
    return [
        {
            "name": name,
            "in": "query",
            "description": " ".join(schema.pop("description", "").split()),
            "schema": _written_out(schema, shared),
        }
        for name, schema in made.get("properties", {}).items()
    ]


def _written_out(schema: dict[str, Any], shared: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    name = schema.pop("$ref").rpartition("/")[2]
    return {**{k: v for k, v in shared[name].items() if k != "description"}, **schema}


def _error(status: int) -> Mapping[str, Any]:
    return {
        "description": _STATUSES[status],
        "headers": {**_REQUEST_ID, **_HEADERS.get(status, {})},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def as_text() -> str:
    """The description as the file has it."""
    return json.dumps(describe(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DESCRIPTION.write_text(as_text(), encoding="utf-8")
