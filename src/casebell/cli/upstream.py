"""`casebell upstream`: the provider's APIs, as far as Casebell asks them."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated, Any

import typer

from casebell.cli.in_pieces import InPieces
from casebell.cli.options import AsJson, By, Config, Receipt, command_group, text_argument
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_answer, print_json, print_line, status_line
from casebell.errors import Refusal
from casebell.service import Service
from casebell.service import upstream_in_words as words

app = command_group()

Name = Annotated[
    str | None,
    text_argument(metavar="NAME", help="An [upstream] of the configuration; else all of them."),
]
OneName = Annotated[
    str | None,
    text_argument(
        metavar="NAME", help="An [upstream] of the configuration, if several take subscriptions."
    ),
]

#: Seconds of a reconciliation until it is said how far it is.
STEP = 1.0
#: The problems that are printed of a registration; the JSON has all of them.
MAX_PRINTED = 20


@app.command("status")
def status(name: Name = None, as_json: AsJson = False, config: Config = None) -> None:
    """Whether the APIs answer, what they may be asked, which cases are missing or fail."""
    client = ServiceClient(config)
    found = client.do("list_upstreams", name=name)
    if not found and not as_json:
        print_line("No [upstream] is configured.")
    for place, one in enumerate(found):
        if place and not as_json:
            print_line()
        print_answer(one, words.standing(one, client.timezone), as_json=as_json)
    if found and not any(one["reachable"] for one in found):
        raise typer.Exit(3)


@app.command("register")
def register(
    name: Name = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many, and register none.")
    ] = False,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Have the API track the cases of the directory that it does not track yet."""
    work = _Registration(dry_run=dry_run)
    answers = _of_each(name, work.one, by=by, config=config, registers=True)
    for answer in answers:
        _print_registered(answer, as_json=as_json)
    if any(answer["problems"] for answer in answers):
        raise typer.Exit(1)


@app.command("reconcile")
def reconcile(
    name: Name = None,
    receipt: Receipt = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only cases last checked before: 2h ago, or a date."),
    ] = None,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Compare each case with what the API says, and take in what no webhook delivered."""
    work = _Reconciliation(receipt=receipt, since=since)
    answers = _of_each(name, work.one, by=by, config=config)
    for answer in answers:
        print_answer(answer, words.reconciled(answer), as_json=as_json)
    if any(answer["fails"] for answer in answers):
        raise typer.Exit(3)
    if any(answer["failed"] or not answer["done"] for answer in answers):
        raise typer.Exit(1)


@app.command("subscribe")
def subscribe(
    name: OneName = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also where there is one; with a new secret.")
    ] = False,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Have the API deliver every type of event to this server, signed with a secret of ours."""
    client = ServiceClient(config)
    there = client.do("list_upstreams", name=name, ask=False)
    if not there:
        raise _none_configured()
    # One by itself says that it takes none.
    meant = [one for one in there if one["registers"]] if len(there) > 1 else there
    if len(meant) != 1:
        names = ", ".join(one["name"] for one in meant or there)
        raise typer.BadParameter(f"There are several: name one of {names}.")
    (one,) = meant
    if not as_json:
        for made in one["subscriptions"]:
            print_line(words.subscription(made, client.timezone))
    answer = client.do("subscribe", name=one["name"], again=again, by=by)
    print_answer(answer, words.subscribed(answer), as_json=as_json)


def _none_configured() -> Refusal:
    error = Refusal(
        "No [upstream] is configured.",
        hint='Write [upstream.parley] with kind = "parley" and the source of its deliveries.',
    )
    error.exit_code = 2
    return error


class _Registration:
    """Registers with one API after another."""

    def __init__(self, *, dry_run: bool) -> None:
        self._dry_run = dry_run

    async def one(self, pieces: InPieces, name: str, show: Callable[[str], None]) -> Any:
        """All of one API, piece by piece."""
        whole: dict[str, Any] = {"registered": 0, "already": 0, "problems": []}
        while True:
            piece = await pieces.ask(
                "register_cases", name=name, skip=len(whole["problems"]), dry_run=self._dry_run
            )
            for key in ("registered", "already", "problems"):
                piece[key] = whole[key] + piece[key]
            whole = piece
            done = whole["registered"] + whole["already"] + len(whole["problems"])
            show(f"{name}: {done:,} of {done + whole['remaining']:,} cases")
            if whole["done"] or self._dry_run:
                return whole


class _Reconciliation:
    """Compares the cases of one API after another."""

    def __init__(self, *, receipt: str | None, since: str | None) -> None:
        self._receipt = receipt
        self._since = since

    async def one(self, pieces: InPieces, name: str, show: Callable[[str], None]) -> Any:
        """All of one API, a few seconds at a time; until it has to wait."""
        while True:
            stand = await pieces.ask(
                "reconcile", upstream=name, receipt=self._receipt, since=self._since, seconds=STEP
            )
            whole = stand["checked"] + stand["remaining"]
            show(f"{name}: {stand['checked']:,} of {whole:,} cases, {stand['found']:,} found")
            if stand["done"] or stand["waits"]:
                return stand


def _of_each(
    name: str | None,
    carry_out: Callable[[InPieces, str, Callable[[str], None]], Awaitable[Any]],
    *,
    by: str | None,
    config: Path | None,
    registers: bool = False,
) -> Sequence[Any]:
    """Do something with the API that is named, or with each; the answers.

    Args:
        registers: of several, only with those that take registrations.
    """

    async def each(show: Callable[[str], None]) -> Sequence[Any]:
        async with InPieces(config, by=by, open_locally=lambda: _opened(config)) as pieces:
            found = await pieces.ask("list_upstreams", name=name, ask=False)
            if not found:
                raise _none_configured()
            # One by itself says that it takes none.
            some = registers and len(found) > 1
            meant = [one for one in found if one["registers"]] if some else found
            return [await carry_out(pieces, one["name"], show) for one in meant]

    with status_line(shown=sys.stderr.isatty()) as show:
        return asyncio.run(each(show))


def _opened(config: Path | None) -> AbstractAsyncContextManager[Service]:
    from casebell.cli.local_service import opened
    from casebell.settings import load

    return opened(load(config), "register_cases")


def _print_registered(answer: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    shown = {**answer, "problems": answer["problems"][:MAX_PRINTED]}
    for sentence in words.registered(shown):
        print_line(sentence)
    if (more := len(answer["problems"]) - MAX_PRINTED) > 0:
        print_line(f"and {more:,} more")
