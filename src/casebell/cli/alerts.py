"""`casebell alerts`: who was told, and sending again."""

from typing import Annotated

import typer

from casebell.alerts import AlertState
from casebell.cli.options import AsJson, Config, Limit, Number, command_group
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import local_time, print_json, print_line, print_rows

app = command_group("Who was told: list, retry.")


@app.command("list")
def list_alerts(
    context: typer.Context,
    state: Annotated[AlertState | None, typer.Option("--state", help="Only in this state.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Alerts, newest first."""
    client = ServiceClient(context, config)
    found, _ = client.listing("list_alerts", state=state, limit=limit)
    zone = client.timezone
    print_rows(
        found,
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
    answer = ServiceClient(context, config).do("retry_alert", alert_id=number)
    if as_json:
        print_json(answer)
    else:
        print_line(f"Alert {number} waits to be sent again.")
