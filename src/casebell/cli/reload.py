"""`casebell reload`: new secrets, channels and rules without a restart."""

from pathlib import Path

import typer

from casebell.cli.door import AnsweredNo, ask_server
from casebell.cli.options import AsJson, Config, found_one, run
from casebell.cli.terminal import fail, json_line, line
from casebell.errors import ConfigError, Refusal, ServerUnreachable
from casebell.settings import Settings, load_rest
from casebell.store.lock import is_locked


def reload(context: typer.Context, as_json: AsJson = False, config: Config = None) -> None:
    """Have the running server use its configuration as it is now, or say why it cannot."""
    try:
        answer = run(ask_server(_server_of(context, config), "/local/reload"))
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


def _server_of(context: typer.Context, config: Path | None) -> Settings:
    """Enough to reach the running server; whether the rest is right is for the server to say.

    Its environment may have secrets that a shell has not.
    """
    named = config or context.find_root().params.get("config")
    settings = load_rest(Path(named) if named else None)
    database = settings.storage.sqlite_path
    if database is None:
        raise Refusal(
            "On PostgreSQL a command cannot reach the servers.",
            hint="Send each of them SIGHUP; its log says what came of it.",
        )
    if not is_locked(database):
        raise ServerUnreachable(
            "No server runs on this database.",
            hint="The next `casebell serve` reads the configuration.",
        )
    return settings
