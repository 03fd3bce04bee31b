"""`casebell check`: would this configuration do what the firm means?"""

from typing import Annotated

import typer

from casebell.cli.options import Config, found_one, settings_for
from casebell.cli.startable import see_startable
from casebell.cli.terminal import fail, json_line, line, rows
from casebell.clock import SystemClock
from casebell.errors import ConfigError
from casebell.notify.load import policies
from casebell.route.coverage import CoverageRow, coverage
from casebell.route.rules import compile_rules
from casebell.runtime import Runtime
from casebell.sandbox.sample_rendering import render_samples
from casebell.settings import Settings


def check(
    context: typer.Context,
    as_json: Annotated[
        bool, typer.Option("--json", help="Who hears of what, one JSON object a line.")
    ] = False,
    config: Config = None,
) -> None:
    """Check configuration, channels and messages; print who hears of each status and tag."""
    try:
        settings = settings_for(context, config)
        see_startable(settings)
        runtime = Runtime(settings, clock=SystemClock())
    except ConfigError as error:
        if not found_one(error):
            raise
        fail(error)
        raise typer.Exit(1) from None
    covered = coverage(compile_rules(settings.rules))
    if as_json:
        for row in covered:
            json_line(
                {
                    "kind": row.kind,
                    "value": row.value,
                    "channels": row.channels,
                    "rules": row.rules,
                    "note": row.note,
                }
            )
        return
    count = render_samples(policies(settings))
    _print_settings(settings, runtime)
    _print_coverage(covered)
    for warning in settings.warnings:
        line(f"Warning: {warning}")
    line(f"{count} sample messages rendered." if count else "No channel: nobody is alerted.")
    line("The configuration is good.")


def _print_settings(settings: Settings, runtime: Runtime) -> None:
    line(f"Configuration {settings.path}")
    line(f"Storage       {settings.storage.sqlite_path or settings.storage.kind}")
    for name, source in settings.sources.items():
        count = len(source.secrets)
        secrets = f"{count} secret" + ("s" if count != 1 else "")
        line(f"Source        {name}: {' and '.join(source.auth)}, {secrets}, /webhooks/{name}")
    for name, channel in runtime.dispatcher.channels.by_name.items():
        line(f"Channel       {name}: {', '.join(channel.targets)}")
    line(f"Operations    {', '.join(settings.ops.notify) or 'nobody'}")
    line()


def _print_coverage(covered: list[CoverageRow]) -> None:
    rows(
        [{"row": row} for row in covered],
        [
            ("OF", lambda item: f"{item['row'].kind} {item['row'].value}"),
            ("WHO HEARS", lambda item: ", ".join(item["row"].channels) or "nobody"),
            ("BY RULE", lambda item: ", ".join(item["row"].rules)),
            # "nobody" alone says no more than the column before it.
            ("NOTE", lambda item: item["row"].note.removeprefix("nobody") and item["row"].note),
        ],
        as_json=False,
        empty="There are no rules.",
        whole=True,
    )
    line()
