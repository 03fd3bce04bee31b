"""Assembles the commands; the only place that turns errors into exit codes.

0 done · 1 the answer is no · 2 usage or configuration · 3 could not tell
"""

import sys
import traceback
from typing import Annotated

import typer

import casebell
from casebell.cli import alerts, channels, check, classify, doctor, events, held, init, send, serve
from casebell.cli import why as why_command
from casebell.cli.options import Config
from casebell.cli.terminal import fail
from casebell.errors import CasebellError

app = typer.Typer(
    name="casebell",
    help="Receives immigration case-status webhooks and tells the people who must know.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(given: bool) -> None:
    if given:
        typer.echo(f"casebell {casebell.__version__}")
        raise typer.Exit


@app.callback()
def root(
    config: Config = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback when something fails.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Casebell."""


app.command("init")(init.init)
app.command("check")(check.check)
app.command("serve")(serve.serve)
app.command("send")(send.send)
app.command("classify")(classify.classify)
app.command("why")(why_command.why)
app.command("doctor")(doctor.doctor)
app.add_typer(events.app, name="events")
app.add_typer(alerts.app, name="alerts")
app.add_typer(held.app, name="held")
app.add_typer(channels.app, name="channels")


def main() -> None:
    """Run the command line and exit."""
    try:
        app()
    except CasebellError as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        sys.exit(fail(error))
    except KeyboardInterrupt:
        sys.exit(130)
