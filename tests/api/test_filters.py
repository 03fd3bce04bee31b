"""What a listing can be narrowed by is the same on the command line and over the API."""

from typing import Any

import pytest
import typer

from casebell.api.routes import ROUTES
from casebell.cli.main import app

_COMMANDS: Any = typer.main.get_command(app)
_CONTEXT = typer.Context(_COMMANDS)
#: How the command says which rows, how many, and how they are written.
_OF_THE_COMMAND = {"as_json", "by", "config", "limit", "out"}
_OF_THE_API = {"cursor", "limit"}
#: What the other one has not, with the reason.
_API_ALONE = {
    # `casebell cases show RECEIPT` is for a person; a program pages through what it may see.
    "cases list": {"receipt"},
}


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("events list", "events"),
        ("events export", "events/export"),
        ("alerts list", "alerts"),
        ("alerts export", "alerts/export"),
        ("cases list", "cases"),
        ("held list", "held"),
        ("refused list", "refused"),
        ("journal list", "journal"),
    ],
)
def test_filters_are_alike(command: str, path: str) -> None:
    """docs/contract.md promises it, so that whoever knows the one knows the other."""
    noun, verb = command.split()
    options = {one.name for one in _COMMANDS.get_command(_CONTEXT, noun).commands[verb].params}
    (route,) = [one for one in ROUTES if one.path == path]
    model = route.body or route.query
    parameters = set(model.model_fields) - _OF_THE_API - _API_ALONE.get(command, set())
    spelt = {"written": "format"}
    assert {spelt.get(name, name) for name in options - _OF_THE_COMMAND} == parameters
