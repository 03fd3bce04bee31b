"""`casebell alerts`: who was told, and sending again."""

from typing import Annotated, Any

import typer

from casebell.cli.operate import operate
from casebell.cli.options import AsJson, Config, Limit, Number, noun, run, settings_for
from casebell.cli.reader import reading
from casebell.cli.terminal import json_line, line, local_time, rows
from casebell.events import AlertState
from casebell.store import queries

app = noun("Who was told: list, retry.")


@app.command("list")
def list_alerts(
    context: typer.Context,
    state: Annotated[AlertState | None, typer.Option("--state", help="Only in this state.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Alerts, newest first."""
    settings = settings_for(context, config)

    async def read() -> list[dict[str, Any]]:
        async with reading(settings) as connection:
            return await queries.list_alerts(connection, state=state, limit=limit)

    zone = settings.server.timezone
    rows(
        run(read()),
        [
            ("ID", lambda alert: alert["id"]),
            ("CREATED", lambda alert: local_time(alert["created_at"], zone)),
            ("EVENT", lambda alert: alert["event"] or alert["kind"]),
            ("CHANNEL", lambda alert: alert["channel"]),
            ("TARGET", lambda alert: alert["target"]),
            ("STATE", lambda alert: alert["state"]),
            ("TRIES", lambda alert: alert["attempts"]),
            ("REASON", lambda alert: alert["reason"]),
            ("SENT", lambda alert: local_time(alert["sent_at"], zone)),
        ],
        as_json=as_json,
        empty="No alert matches.",
    )


@app.command("retry")
def retry(
    context: typer.Context,
    number: Number,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Send a failed alert again."""
    settings = settings_for(context, config)
    answer = run(
        operate(
            settings,
            path=f"/local/alerts/{number}/retry",
            directly=lambda operations: operations.retry_alert(number),
        )
    )
    if as_json:
        json_line(answer)
    else:
        line(f"Alert {number} waits to be sent again.")
