"""`casebell alerts`: who was told, and sending again."""

from typing import Annotated

import typer

from casebell.alerts import AlertState
from casebell.cli.options import AsJson, Config, Limit, Number, command_group
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import local_time, print_answer, print_rows

app = command_group()


@app.command("list")
def list_alerts(
    state: Annotated[AlertState | None, typer.Option(help="Only in this state.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Alerts, newest first."""
    client = ServiceClient(config)
    found, _ = client.listing("list_alerts", state=state, limit=limit)
    zone = client.timezone
    print_rows(
        found,
        {
            "ID": "id",
            "CREATED": lambda alert: local_time(alert["created_at"], zone),
            "EVENT": lambda alert: alert["event"] or alert["kind"],
            "CHANNEL": "channel",
            "TARGET": "target",
            "STATE": "state",
            "TRIES": "attempts",
            "REASON": "reason",
            "SENT": lambda alert: local_time(alert["sent_at"], zone),
        },
        as_json=as_json,
        empty="No alert matches.",
    )


@app.command("retry")
def retry(number: Number, as_json: AsJson = False, config: Config = None) -> None:
    """Send a failed alert again."""
    answer = ServiceClient(config).do("retry_alert", alert_id=number)
    print_answer(answer, [f"Alert {number} waits to be sent again."], as_json=as_json)
