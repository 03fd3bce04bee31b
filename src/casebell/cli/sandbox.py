"""`casebell sandbox`: Parley and Torch, simulated on this machine."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from casebell.cli.options import AsJson, UnusedConfig, text_option
from casebell.cli.terminal import print_line, print_rows
from casebell.sandbox.simulator.app import Simulator, SimulatorSettings, build
from casebell.sandbox.simulator.scenarios import SCENARIOS
from casebell.sandbox.simulator.secrets_in_use import TORCH_HEADER
from casebell.sandbox.simulator.serving import listen, serve, url_of

#: Where it listens unless told otherwise.
PORT = 8801
#: The variables that hold what should not stand in a command line, which everybody here can read.
TOKEN_VARIABLE = "CASEBELL_SANDBOX_TOKEN"  # noqa: S105 - a name
PARLEY_VARIABLE = "CASEBELL_SANDBOX_PARLEY_SECRET"
TORCH_VARIABLE = "CASEBELL_SANDBOX_TORCH_SECRET"

app = typer.Typer(add_completion=False, rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def sandbox(
    context: typer.Context,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65_535, help="Where to listen; 0 is any port.")
    ] = PORT,
    host: Annotated[
        str, text_option(metavar="HOST", help="An address of this machine alone.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        text_option(
            metavar="T", help=f"The bearer token. Better: {TOKEN_VARIABLE}; `ps` shows options."
        ),
    ] = None,
    parley_secret: Annotated[
        str | None,
        text_option(metavar="S", help=f"Signs Parley's webhooks. Better: {PARLEY_VARIABLE}."),
    ] = None,
    torch_secret: Annotated[
        str | None,
        text_option(metavar="S", help=f"Stands in Torch's header. Better: {TORCH_VARIABLE}."),
    ] = None,
    torch_webhook: Annotated[
        str | None, text_option(metavar="URL", help="Where Torch's webhook goes.")
    ] = None,
    torch_header: Annotated[
        str, text_option(metavar="NAME", help="The header with Torch's secret.")
    ] = TORCH_HEADER,
    torch_prefix: Annotated[
        str, text_option(metavar="PATH", help="What stands before Torch's paths, such as /v2.")
    ] = "",
    scenario: Annotated[
        str, text_option(metavar="NAME", help="One of `casebell sandbox scenarios`.")
    ] = "calm",
    speed: Annotated[
        float,
        typer.Option(metavar="X", min=0.01, max=100_000, help="Simulated seconds in a second."),
    ] = 1.0,
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keeps everything over a restart.")
    ] = None,
    _config: UnusedConfig = None,
) -> None:
    """Simulate Parley and Torch on this machine, until told to stop."""
    if context.invoked_subcommand is not None:
        return
    settings = SimulatorSettings(
        token=token or os.environ.get(TOKEN_VARIABLE, ""),
        parley_secret=parley_secret or os.environ.get(PARLEY_VARIABLE, ""),
        torch_secret=torch_secret or os.environ.get(TORCH_VARIABLE, ""),
        torch_webhook=torch_webhook or "",
        torch_header=torch_header,
        torch_prefix=torch_prefix,
        scenario=scenario,
        speed=speed,
        state=state,
    )
    secrets = {
        TOKEN_VARIABLE: settings.token,
        PARLEY_VARIABLE: settings.parley_secret,
        TORCH_VARIABLE: settings.torch_secret,
    }
    with listen(host, port) as listener:
        simulator = build(settings)
        given = frozenset(name for name, value in secrets.items() if value)
        for line in announcement(simulator, url_of(listener), settings, given=given):
            print_line(line)
        asyncio.run(serve(simulator, listener))
    print_line("The sandbox has ended.")


@app.command()
def scenarios(as_json: AsJson = False, _config: UnusedConfig = None) -> None:
    """The scenarios, each with what it does."""
    rows = [{"name": name, "does": one.line} for name, one in SCENARIOS.items()]
    columns = {"name": "name", "does": "does"}
    print_rows(rows, columns, as_json=as_json, empty="There are none.", whole=True)


def announcement(
    simulator: Simulator,
    url: str,
    settings: SimulatorSettings,
    *,
    given: frozenset[str] = frozenset(),
) -> list[str]:
    """What somebody who begins needs: addresses, secrets, and a configuration to paste.

    Args:
        given: the variables of what was not made at random, and is not shown.
    """
    world = simulator.world

    def shown(variable: str, value: str) -> str:
        return f"(what you gave as {variable})" if variable in given else value

    return [
        f"Parley and Torch, simulated: {url} (a page for people, too)",
        f"Scenario: {world.scenario}, {SCENARIOS[world.scenario].line}.",
        "",
        "# .env of Casebell, in the place of lines with the same names:",
        f"PARLEY_API_BASE={url}",
        f"PARLEY_API_TOKEN={shown(TOKEN_VARIABLE, simulator.token)}",
        f"PARLEY_WEBHOOK_SECRET={shown(PARLEY_VARIABLE, world.secrets.parley[0])}",
        f"TORCH_WEBHOOK_SECRET={shown(TORCH_VARIABLE, world.secrets.torch)}",
        "",
        "# config.toml of Casebell. Its sources are those of `casebell init`; in one without them,",
        "# take these marks away:",
        "# [sources.parley]",
        '# kind = "parley"',
        '# secrets = ["${PARLEY_WEBHOOK_SECRET}"]',
        "# [sources.torch]",
        '# kind = "torch"',
        f'# header = "{world.torch_webhook.header if world.torch_webhook else TORCH_HEADER}"',
        '# secrets = ["${TORCH_WEBHOOK_SECRET}"]',
        "",
        '# To subscribe, write into [server]: public_url = "http://127.0.0.1:8080"',
        "",
        "[upstream.parley]",
        'kind = "parley"',
        'source = "parley"',
        'base = "${PARLEY_API_BASE}"',
        'token = "${PARLEY_API_TOKEN}"',
        'secret_file = "parley-subscription.secret"',
        "per_minute = 600",
        "",
        "[upstream.torch]",
        'kind = "torch"',
        'source = "torch"',
        'base = "${PARLEY_API_BASE}"',
        'token = "${PARLEY_API_TOKEN}"',
        *([f'prefix = "{settings.torch_prefix}"'] if settings.torch_prefix else []),
        "",
        "The same token behind disabled- is one that is not enabled (403).",
        "Ctrl-C ends it.",
    ]
