"""`casebell reload`: new secrets, channels and rules without a restart."""

import typer

from casebell.cli.options import AsJson, Config, file_was_found
from casebell.cli.service_client import ServerRefused, ServiceClient
from casebell.cli.terminal import print_error, print_json, print_line
from casebell.errors import ConfigError, ServerUnreachable


def reload(context: typer.Context, as_json: AsJson = False, config: Config = None) -> None:
    """Have the running server use its configuration as it is now, or say why it cannot."""
    try:
        answer = ServiceClient(context, config).ask_server("reload")
    except ServerRefused as error:
        if not error.problems:
            raise
        print_error(ConfigError(error.problems))
        raise typer.Exit(1) from None
    except ConfigError as error:
        # The file cannot be read so far as to find the server's socket; nothing was changed.
        if not file_was_found(error):
            raise
        print_error(error)
        raise typer.Exit(1) from None
    if answer is None:
        raise ServerUnreachable(
            "No server of this configuration runs here.",
            hint="Run this where the server runs; the next `casebell serve` reads the file anyway.",
        )
    if as_json:
        print_json(answer)
        return
    for kind, names in answer["changed"].items():
        changes = "; ".join(f"{what}: {', '.join(which)}" for what, which in names.items())
        print_line(f"{kind.capitalize():<10}{changes}")
    for key in answer["needs_restart"]:
        print_line(f"Warning: {key} is as it was: it changes with the next start.")
    for warning in answer["warnings"]:
        print_line(f"Warning: {warning}")
    print_line(
        "The server uses the new configuration." if answer["changed"] else "Nothing changed."
    )
