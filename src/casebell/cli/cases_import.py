"""`casebell cases import`: a list of cases into the directory; what was left out into a file."""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from casebell.case_file import MAX_BYTES, Row
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_json, print_line, print_to_stderr, status_line
from casebell.errors import Refusal, UnusableCaseFile
from casebell.files import reason_of
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
                directory=_Directory(config, dry_run=dry_run, by=by),
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


async def _carry_out(content: bytes, *, directory: "_Directory", show: Any) -> Import:
    async with directory:
        one = await carry_out(content, put=directory.put, dry_run=directory.dry_run, progress=show)
        if not directory.dry_run:
            await directory.ask("record_import", figures=one.figures())
        return one


class _Directory(contextlib.AsyncExitStack):
    """Has the running server put the rows; without one the store itself, which is opened once."""

    def __init__(self, config: Path | None, *, dry_run: bool, by: str | None) -> None:
        super().__init__()
        self.dry_run = dry_run
        self._config = config
        self._client = ServiceClient(config)
        self._by = by
        self._local: Any = None

    async def put(self, rows: Sequence[Row]) -> Any:
        """See `importing.Put`."""
        return await self.ask("put_cases", rows=msgspec.to_builtins(rows), dry_run=self.dry_run)

    async def ask(self, verb: str, **arguments: Any) -> Any:
        """The value of a verb; raises as `ServiceClient.do` does."""
        if self._local is None:
            answer = self._client.ask_server(verb, by=self._by, **arguments)
            if answer is not None:
                return answer
            from casebell.cli.local_service import case_directory
            from casebell.settings import load_stored

            opened = case_directory(load_stored(self._config), dry_run=self.dry_run)
            self._local = await self.enter_async_context(opened)
        from casebell.cli.local_service import this_user

        return await self._local.ask(verb, arguments, actor=this_user(by=self._by))


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
