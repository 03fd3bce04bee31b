"""`casebell cases`: where each case stands, and who was told of its changes."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from casebell.alerts import AlertKind
from casebell.cli.options import (
    AsJson,
    By,
    Change,
    Config,
    Limit,
    Out,
    Written,
    command_group,
    text_argument,
    text_option,
    utf8,
)
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_answer, print_looked_back, print_rows
from casebell.events import Status
from casebell.service.done_in_words import case_set, due_set, due_words, owed_now
from casebell.service.formats import Format
from casebell.service.story import became, escalation_in_words, marks
from casebell.times import counted, local_time

app = command_group()


@app.command("list")
def list_cases(
    status: Annotated[Status | None, typer.Option(help="Only with this status now.")] = None,
    owner: Annotated[str | None, text_option(metavar="NAME", help="Only of this owner.")] = None,
    team: Annotated[str | None, text_option(metavar="NAME", help="Only of this team.")] = None,
    confidential: Annotated[
        bool | None,
        typer.Option("--confidential/--not-confidential", help="Only these."),
    ] = None,
    unlisted: Annotated[
        bool, typer.Option("--unlisted", help="Only those that are in no list of the firm's.")
    ] = False,
    silent: Annotated[
        bool,
        typer.Option(
            "--silent", help="Instead those of the firm's lists of which nothing was received."
        ),
    ] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """The cases of which something was received; that with the newest change first."""
    client = ServiceClient(config)
    found, last = client.listing(
        "list_cases",
        status=status,
        owner=owner,
        team=team,
        confidential=None if confidential is None else str(confidential).lower(),
        unlisted="true" if unlisted else None,
        silent="true" if silent else None,
        limit=limit,
    )
    back, zone = last["looked_back_to"], client.timezone
    print_rows(
        found,
        {
            "RECEIPT": "receipt",
            "STATUS": "status",
            "SINCE": lambda case: local_time(case["since"], zone),
            "UPDATED": lambda case: local_time(case["updated_at"], zone),
            "OWNER": "owner",
            "TEAM": "team",
            "LABEL": "label",
        },
        as_json=as_json,
        empty=_nothing(silent=silent) if back is None else "None of these matches.",
    )
    if back is not None:
        print_looked_back(back, zone)


def _nothing(*, silent: bool) -> str:
    """That no case matches; a list that was just imported is looked for here."""
    if silent:
        return "No case matches."
    return "No case of which something was received matches; with --silent the others are listed."


@app.command("show")
def show(
    receipt: Annotated[str, text_argument(metavar="RECEIPT", help="A receipt number.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """One case with its changes, and who was told of each."""
    client = ServiceClient(config)
    case = client.read("find_case", receipt=receipt)
    print_answer(case, _lines(case, client.timezone), as_json=as_json)


@app.command("export")
def export(
    written: Written = Format.CSV, out: Out = None, by: By = None, config: Config = None
) -> None:
    """What the firm says of its cases, as a list that can be imported again."""
    from casebell.cli import export

    export.export(
        config, "cases", how={"format": written}, out=out, by=by, countable=True, filters={}
    )


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="The list of cases.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would come to; change nothing.")
    ] = False,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Take what the firm says of its cases from a list, as other products export it."""
    from casebell.cli.cases_import import import_cases

    if not import_cases(config, file, dry_run=dry_run, by=by, as_json=as_json):
        raise typer.Exit(1)


@app.command("set")
def set_case(
    receipt: Annotated[str, text_argument(metavar="RECEIPT", help="A receipt number.")],
    facts: Annotated[
        list[str],
        typer.Argument(metavar="KEY=VALUE…", help="What to change; an empty value clears it."),
    ],
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Change what the firm says of a case, such as label, owner, team or confidential."""
    given: dict[str, str] = {}
    for fact in facts:
        key, is_one, value = (utf8(fact) or "").partition("=")
        if not is_one:
            raise typer.BadParameter(f"Write what to change as KEY=VALUE: {key!r} has no value.")
        if key in given:
            raise typer.BadParameter(f"{key} is there more than once.")
        given[key] = value
    case = ServiceClient(config).do("set_case", by=by, receipt=receipt, facts=given)
    print_answer(case, [case_set(case)], as_json=as_json)


@app.command("due")
def due(
    receipt: Annotated[str, text_argument(metavar="RECEIPT", help="A receipt number.")],
    date: Annotated[
        str, text_argument(metavar="DATE", help="The date in the notice: 2026-12-24; or none.")
    ],
    change: Change = None,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Keep the date that a notice sets; a second person who says the same confirms it."""
    given = None if date == "none" else date
    answer = ServiceClient(config).do("set_due", by=by, receipt=receipt, date=given, change=change)
    print_answer(answer, due_set(answer), as_json=as_json)


@app.command("answered")
def answered(
    receipt: Annotated[str, text_argument(metavar="RECEIPT", help="A receipt number.")],
    change: Change = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take it back: it is in the queue again.")
    ] = False,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Say that an answer went out, so that nobody is reminded of it any more."""
    answer = ServiceClient(config).do(
        "mark_answered", by=by, receipt=receipt, change=change, undo=undo
    )
    print_answer(answer, [owed_now(answer)], as_json=as_json)


def _lines(case: Mapping[str, Any], zone: str) -> Iterator[str]:
    time = partial(local_time, zone=zone)
    yield f"Case {case['receipt']}: {case['status'] or 'nothing was received of it'}"
    facts = {
        "label": case["label"],
        "matter": case["matter"],
        "owner": case["owner"],
        "owner's e-mail": case["owner_email"],
        "team": case["team"],
        "form": case["form"],
        "confidential": "yes" if case["confidential"] else None,
        "since": case["since"] and local_time(case["since"], zone),
        "updated": local_time(case["updated_at"], zone),
    }
    for name, value in facts.items():
        if value:
            yield f"  {name}: {value}"
    for change in case["changes"]:
        tags = f" ({', '.join(change['tags'])})" if change["tags"] else ""
        yield ""
        yield f"Change {change['id']}: {change['status']}{tags}, {local_time(change['at'], zone)}"
        for mark in marks(change):
            yield f"  {mark.word}: {mark.sentence.text(time)}"
        if (owed := change["owed"]) is not None:
            yield f"  {_owed(owed, zone)}"
        for seen in change["acknowledged"]:
            note = f": “{seen['note']}”" if seen["note"] else ""
            yield f"  seen {local_time(seen['at'], zone)}, by {seen['who']}{note}"
        yield f"  {change['outcome']}: {change['because']}"
        for told in change["told"]:
            whom = f" ({told['meant_for']})" if told["meant_for"] else ""
            what = "reminder, " if told["kind"] == AlertKind.REMINDER else ""
            yield f"  {what}{told['channel']} → {told['target']}{whom}: {became(told).text(time)}"
        for again in change["escalations"]:
            yield f"  {escalation_in_words(again).text(time)}"
    if case["earlier_changes"]:
        yield ""
        yield f"{counted(len(case['changes']), 'change')} shown; there are earlier ones."


def _owed(owed: Mapping[str, Any], zone: str) -> str:
    """Whether it is answered, and by when it has to be."""
    if owed["answered_at"] is not None:
        return f"answered {local_time(owed['answered_at'], zone)}, by {owed['answered_by']}"
    return f"in the queue, {due_words(owed)}"
