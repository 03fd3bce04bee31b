"""`casebell reload`: new secrets, channels and rules without a restart."""

import typer

from casebell.cli.asking import AnsweredNo, Asking
from casebell.cli.options import AsJson, Config, found_one
from casebell.cli.terminal import fail, json_line, line
from casebell.errors import ConfigError, ServerUnreachable


def reload(context: typer.Context, as_json: AsJson = False, config: Config = None) -> None:
    """Have the running server use its configuration as it is now, or say why it cannot."""
    try:
        answer = Asking(context, config).server("reload")
    except AnsweredNo as error:
        if not error.problems:
            raise
        fail(ConfigError(error.problems))
        raise typer.Exit(1) from None
    except ConfigError as error:
        # Not even where the server is can be told of it. Nothing was asked, nothing changed.
        if not found_one(error):
            raise
        fail(error)
        raise typer.Exit(1) from None
    if answer is None:
        raise ServerUnreachable(
            "No server of this configuration runs here.",
            hint="Run this where the server runs; the next `casebell serve` reads the file anyway.",
        )
    if as_json:
        json_line(answer)
        return
    for kind, names in answer["changed"].items():
        told = "; ".join(f"{what}: {', '.join(which)}" for what, which in names.items())
        line(f"{kind.capitalize():<10}{told}")
    for key in answer["needs_restart"]:
        line(f"Warning: {key} is as it was: it changes with the next start.")
    for warning in answer["warnings"]:
        line(f"Warning: {warning}")
    line("The server uses the new configuration." if answer["changed"] else "Nothing changed.")
