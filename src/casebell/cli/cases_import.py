"""`casebell cases import`: a list of cases into the directory; what was left out into a file."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec

from casebell.case_file import MAX_BYTES, Row
from casebell.cli.in_pieces import InPieces
from casebell.cli.terminal import print_json, print_line, print_to_stderr, status_line
from casebell.errors import Refusal, UnusableCaseFile
from casebell.files import reason_of
from casebell.service import Service
from casebell.service.done_in_words import cases_imported, lines_left_out
from casebell.service.importing import Import, carry_out
from casebell.store.new_file import begins_with, new_file

#: How a file of problems is called behind the name of the list, and how each begins.
SUFFIX = ".problems.csv"
_BEGINS = b"reason,line,"
#: Problems that are printed; the file has all of them.
MAX_PRINTED = 20


def import_cases(
    config: Path | None, file: Path, *, dry_run: bool, by: str | None, as_json: bool
) -> bool:
    """Import a list; whether every line was taken.

    Raises:
        Refusal: the file cannot be read.
        UnusableCaseFile: it is no list of cases.
        CasebellError: the server or the store cannot do it.
    """
    content = _read(file)
    with status_line(shown=sys.stderr.isatty()) as show:
        one = asyncio.run(
            _carry_out(
                content,
                directory=InPieces(config, by=by, open_locally=lambda: _opened(config, dry_run)),
                dry_run=dry_run,
                show=lambda rows: show(f"{rows:,} cases"),
            )
        )
    if as_json:
        print_json(one.answer(most=None))
    else:
        for sentence in cases_imported(one.answer(most=0)):
            print_line(sentence)
    if one.problems and not as_json:
        _print_problems(one)
    _write_problems(one, file.with_name(file.name + SUFFIX))
    return not one.problems


async def _carry_out(content: bytes, *, directory: InPieces, dry_run: bool, show: Any) -> Import:
    async def put(rows: Sequence[Row]) -> Any:
        given = msgspec.to_builtins(rows)
        return await directory.ask("put_cases", rows=given, dry_run=dry_run)

    async with directory:
        one = await carry_out(content, put=put, dry_run=dry_run, progress=show)
        if not dry_run:
            await directory.ask("record_import", figures=one.figures())
        return one


def _opened(config: Path | None, dry_run: bool) -> AbstractAsyncContextManager[Service]:
    from casebell.cli.local_service import case_directory
    from casebell.settings import load_stored

    return case_directory(load_stored(config), dry_run=dry_run)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise Refusal(f"{file} cannot be read: {reason_of(error, file)}.") from None
    if len(content) > MAX_BYTES:
        raise UnusableCaseFile(f"{file} has more than {MAX_BYTES // 1024**2} MiB: divide it.")
    return content


def _print_problems(one: Import) -> None:
    """Say which lines were left out: of a dry run all, else the first ones."""
    print_to_stderr(lines_left_out(len(one.problems), dry_run=one.dry_run))
    shown = one.problems if one.dry_run else one.problems[:MAX_PRINTED]
    for problem in shown:
        print_to_stderr(f"  line {problem.line}: {problem.reason}")
    if len(one.problems) > len(shown):
        print_to_stderr(f"  and {len(one.problems) - len(shown):,} more")


def _write_problems(one: Import, target: Path) -> None:
    """Leave a file with the lines that were left out; without any, none that is of before."""
    if not one.problems:
        if begins_with(target, _BEGINS):
            target.unlink(missing_ok=True)
        return
    try:
        with new_file(target, replaces=_BEGINS) as part:
            part.write_text("".join(one.problem_lines()), encoding="utf-8", newline="")
    except Refusal as error:
        print_to_stderr(f"The lines that were left out are in no file: {error.message}")
    else:
        print_to_stderr(f"{target} has them, each with its reason; mend them there and import it.")
