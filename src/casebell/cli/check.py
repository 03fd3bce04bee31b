"""`casebell check`: would this configuration do what the firm means?"""

from typing import Annotated

import typer

from casebell.cli.options import Config, file_was_found, settings_for
from casebell.cli.preflight import preflight
from casebell.cli.terminal import print_error, print_json, print_line, print_rows
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
        preflight(settings)
        runtime = Runtime(settings, clock=SystemClock())
    except ConfigError as error:
        if not file_was_found(error):
            raise
        print_error(error)
        raise typer.Exit(1) from None
    covered = coverage(compile_rules(settings.rules))
    if as_json:
        for row in covered:
            print_json(
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
        print_line(f"Warning: {warning}")
    print_line(f"{count} sample messages rendered." if count else "No channel: nobody is alerted.")
    print_line("The configuration is good.")


def _print_settings(settings: Settings, runtime: Runtime) -> None:
    print_line(f"Configuration {settings.path}")
    print_line(f"Storage       {settings.storage.sqlite_path or settings.storage.kind}")
    for name, source in settings.sources.items():
        count = len(source.secrets)
        secrets = f"{count} secret" + ("s" if count != 1 else "")
        print_line(
            f"Source        {name}: {' and '.join(source.auth)}, {secrets}, /webhooks/{name}"
        )
    for name, channel in runtime.dispatcher.channels.by_name.items():
        print_line(f"Channel       {name}: {', '.join(channel.targets)}")
    print_line(f"Operations    {', '.join(settings.ops.notify) or 'nobody'}")
    print_line()


def _print_coverage(covered: list[CoverageRow]) -> None:
    print_rows(
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
    print_line()
