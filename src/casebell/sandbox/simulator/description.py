"""The simulator's description of itself (OpenAPI 3.1), made of the table of operations."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

import casebell
from casebell.sandbox.simulator.models import RECEIPT_SCHEMA, Error
from casebell.sandbox.simulator.operations import MAX_KEY, Operation, Parameter, Side

_ERRORS = {
    400: "The request cannot be understood.",
    401: "No token, or none that is known.",
    403: "A token that is not enabled.",
    404: "Not known at this time.",
    409: "It conflicts with an earlier request, or with itself.",
    421: "Another host was meant.",
    429: "Too many requests in this window.",
    503: "The state cannot be kept, or a fault was asked for.",
}
_REQUEST_ID = {
    "X-Request-Id": {"schema": {"type": "string"}, "description": "as in the body of an error"}
}
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "string"}, "description": "seconds"}}


def description(operations: Sequence[Operation]) -> dict[str, Any]:
    """All operations as OpenAPI has them."""
    schemas: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _operation(operation, schemas)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    _schema(Error, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Casebell's sandbox: Parley and Torch, simulated",
            "version": casebell.__version__,
            "description": "docs/sandbox.md is the manual. No request leaves this machine but the "
            "webhooks that are asked for.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"bearerAuth": []}],
    }


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "tags": [str(operation.side)],
        "parameters": [*map(_parameter, operation.parameters), *_of_path(operation)],
        "responses": _responses(operation, schemas),
    }
    if operation.side is Side.OPEN:
        described["security"] = []
    if operation.idempotent:
        schema = {"type": "string", "minLength": 1, "maxLength": MAX_KEY}
        about = "the same key and body have the same answer, and are done once"
        described["parameters"].append(
            {"name": "Idempotency-Key", "in": "header", "schema": schema, "description": about}
        )
    if operation.body is not None:
        content = {"application/json": {"schema": _schema(operation.body, schemas)}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described = {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.about,
        "schema": dict(parameter.schema),
    }
    if parameter.repeated:
        described |= {"style": "form", "explode": True}
    return described


def _of_path(operation: Operation) -> list[dict[str, Any]]:
    named = re.findall(r"{(\w+)}", operation.path)
    plain = {"type": "string", "pattern": "^[A-Za-z0-9_]+$"}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": RECEIPT_SCHEMA if name == "receipt" else plain,
        }
        for name in named
    ]


def _responses(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, answer in operation.answers.items():
        schema = dict(answer) if isinstance(answer, Mapping) else _schema(answer, schemas)
        found[str(status)] = {
            "description": "Done.",
            "headers": _REQUEST_ID,
            "content": {"application/json": {"schema": schema}},
        }
    statuses = {400, 421, *operation.problems}
    if operation.side is not Side.OPEN:
        statuses |= {401, 403, 503}
    if operation.side in {Side.PARLEY, Side.TORCH}:
        statuses |= {429}
    for status in sorted(statuses):
        headers = _REQUEST_ID | (_RETRY_AFTER if status == 429 else {})
        schema = {"$ref": "#/components/schemas/Error"}
        found[str(status)] = {
            "description": _ERRORS[status],
            "headers": headers,
            "content": {"application/json": {"schema": schema}},
        }
    return found


def _schema(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    """A reference to a model's schema, which is put among the others with all that it needs."""
    name = model.__name__
    if name not in schemas:
        made = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= made.pop("$defs", {})
        schemas[name] = made
    return {"$ref": f"#/components/schemas/{name}"}
