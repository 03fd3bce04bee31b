"""`casebell check`: would this configuration do what the firm means?"""

from typing import Annotated

import typer

from casebell.app import Runtime, policies
from casebell.cli.options import Config, settings_for
from casebell.cli.terminal import fail, json_line, line, rows
from casebell.clock import SystemClock
from casebell.errors import ConfigError
from casebell.route.coverage import coverage
from casebell.route.rules import compile_rules
from casebell.sandbox.rehearsal import rehearse
from casebell.settings import Settings


def check(
    context: typer.Context,
    as_json: Annotated[
        bool, typer.Option("--json", help="The coverage, one JSON object a line.")
    ] = False,
    config: Config = None,
) -> None:
    """Check configuration, channels and messages; print who hears of each status and tag."""
    try:
        settings = settings_for(context, config)
        runtime = Runtime.wire(settings, clock=SystemClock())
    except ConfigError as error:
        if any(not problem.where and not problem.key for problem in error.problems):
            raise
        fail(error)
        raise typer.Exit(1) from None
    if as_json:
        for row in coverage(compile_rules(settings.rules)):
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
    _print_settings(settings, runtime)
    rows(
        [
            {"what": f"{row.kind} {row.value}", "row": row}
            for row in coverage(compile_rules(settings.rules))
        ],
        [
            ("OF", lambda item: item["what"]),
            ("WHO HEARS", lambda item: ", ".join(item["row"].channels) or "nobody"),
            ("BY RULE", lambda item: ", ".join(item["row"].rules)),
            ("NOTE", lambda item: item["row"].note),
        ],
        as_json=False,
        empty="There are no rules.",
    )
    line()
    for warning in settings.warnings:
        line(f"Warning: {warning}")
    count = rehearse(policies(settings))
    line(f"{count} sample messages rendered. The configuration is good.")


def _print_settings(settings: Settings, runtime: Runtime) -> None:
    line(f"Configuration {settings.path}")
    line(f"Storage       {settings.storage.kind}")
    for name, source in settings.sources.items():
        count = len(source.secrets)
        secrets = f"{count} secret" + ("s" if count != 1 else "")
        line(f"Source        {name}: {' and '.join(source.auth)}, {secrets}, /webhooks/{name}")
    for name, channel in runtime.channels.items():
        line(f"Channel       {name}: {', '.join(channel.targets)}")
    line(f"Operations    {', '.join(settings.ops.notify) or 'nobody'}")
    line()
