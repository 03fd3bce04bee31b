"""`casebell alerts`: who was told, sending again, and what remains to be done about what failed."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypedDict, Unpack

import typer

from casebell.alerts import AlertKind, AlertState, FailureReason
from casebell.cli.options import (
    AsJson,
    By,
    Config,
    Limit,
    Numbers,
    Out,
    Receipt,
    Since,
    Until,
    Written,
    chosen_or_all,
    command_group,
    text_option,
    with_options,
)
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_json, print_line, print_looked_back, print_rows
from casebell.service.done_in_words import alerts_dismissed, alerts_retried
from casebell.service.formats import Format
from casebell.times import local_time

app = command_group()


class Filters(TypedDict):
    """The options that narrow a list or an export of alerts."""

    state: Annotated[AlertState | None, typer.Option(help="Only in this state.")]
    kind: Annotated[AlertKind | None, typer.Option(help="Only of cases, to operations, or tests.")]
    channel: Annotated[str | None, text_option(metavar="NAME", help="Only over this channel.")]
    target: Annotated[
        str | None, text_option(metavar="LABEL", help="Only to this target, as lists show it.")
    ]
    person: Annotated[
        str | None,
        text_option(metavar="NAME", help="Only to this person: an id, a name or an e-mail."),
    ]
    receipt: Receipt
    since: Since
    until: Until


Outstanding = Annotated[
    bool,
    typer.Option("--outstanding", help="Only what failed, is no test and was not dismissed."),
]
All = Annotated[
    bool, typer.Option("--all", help="All that are outstanding and that the options leave.")
]
Note = Annotated[
    str | None,
    text_option(metavar="TEXT", help="Why, for the record: the journal and `casebell why`."),
]


@app.command("list")
@with_options(Filters)
def list_alerts(
    outstanding: Outstanding = False,
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
    **filters: Unpack[Filters],
) -> None:
    """Alerts, newest first."""
    client = ServiceClient(config)
    found, last = client.listing("list_alerts", limit=limit, outstanding=outstanding, **filters)
    back, zone = last["looked_back_to"], client.timezone
    print_rows(
        found,
        {
            "ID": "id",
            "CREATED": lambda alert: local_time(alert["created_at"], zone),
            "EVENT": lambda alert: alert["event_key"] or alert["kind"],
            "CHANNEL": "channel",
            "TARGET": "target",
            "PERSON": "person",
            "STATE": lambda alert: "dismissed" if alert["dismissed_at"] else alert["state"],
            "TRIES": "attempts",
            "REASON": lambda alert: _reason(alert, zone),
            "SENT": lambda alert: local_time(alert["sent_at"], zone),
        },
        as_json=as_json,
        empty="No alert matches." if back is None else "None of these matches.",
    )
    if back is not None:
        print_looked_back(back, zone, noun="alerts")


@app.command("export")
@with_options(Filters)
def export(
    outstanding: Outstanding = False,
    written: Written = Format.JSONL,
    out: Out = None,
    by: By = None,
    config: Config = None,
    **filters: Unpack[Filters],
) -> None:
    """Everything that matches, oldest first."""
    # By itself, even where a server runs: this can take minutes of the deliveries' processor.
    from casebell.cli import export

    given = {**filters, "outstanding": outstanding}
    export.export(
        config, "alerts", how={"format": written}, out=out, by=by, countable=True, filters=given
    )


@app.command("retry")
@with_options(Filters)
def retry(
    numbers: Numbers = None,
    everything: All = False,
    note: Note = None,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
    **filters: Unpack[Filters],
) -> None:
    """Send failed alerts again."""
    answer = _do("retry_alerts", numbers, everything, filters, note, by, config)
    _print_done(answer, AlertState.PENDING, alerts_retried(answer), as_json=as_json)


@app.command("dismiss")
@with_options(Filters)
def dismiss(
    numbers: Numbers = None,
    everything: All = False,
    note: Note = None,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
    **filters: Unpack[Filters],
) -> None:
    """Say of failed alerts that nothing remains to be done: they count as failed no longer."""
    answer = _do("dismiss_alerts", numbers, everything, filters, note, by, config)
    _print_done(answer, AlertState.FAILED, alerts_dismissed(answer), as_json=as_json)


def _do(
    verb: str,
    numbers: list[int] | None,
    everything: bool,
    filters: Filters,
    note: str | None,
    by: str | None,
    config: Path | None,
) -> Mapping[str, Any]:
    narrowed = any(value is not None for value in filters.values())
    ids = chosen_or_all(numbers, everything=everything, narrowed=narrowed)
    answer: Mapping[str, Any] = ServiceClient(config).do(verb, by=by, ids=ids, note=note, **filters)
    return answer


def _reason(alert: Mapping[str, Any], zone: str) -> str | None:
    """Why it stands as it does; until when it waits, where it waits for hours or for others."""
    if alert["waits"]:
        waits: str = alert["waits"]
        return f"waits {waits}"
    if alert["reason"] != FailureReason.GROUPED:
        reason: str | None = alert["reason"]
        return reason
    return f"goes with others at {local_time(alert['deferred_until'], zone)}"


def _print_done(
    answer: Mapping[str, Any], state: AlertState, sentences: Iterable[str], *, as_json: bool
) -> None:
    if as_json:
        for alert in answer["alerts"]:
            print_json({"alert": alert, "state": state})
        return
    for sentence in sentences:
        print_line(sentence)
