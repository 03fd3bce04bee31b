"""The doors of the firm's list of cases: what is more than a button."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from casebell.actors import Right
from casebell.case_file import Column, Row
from casebell.console.again import OF_FORMS, again
from casebell.console.protection import own_path
from casebell.console.routing import Door, SeeOther, Shown
from casebell.console.said import said
from casebell.console.views import cases
from casebell.console.visit import Visit
from casebell.errors import BadArgument, UnusableCaseFile
from casebell.service.importing import carry_out, list_of
from casebell.service.sessions import Sessions

#: Bytes of a form with a list, and of one with the rows that were shown of it.
MAX_LIST = 8 * 1024 * 1024
#: Problems that a page shows.
MAX_PROBLEMS = 200


class CaseDoors:
    """The doors' answers; each verb asks for the right to it."""

    def __init__(self, *, sessions: Sessions) -> None:
        self._sessions = sessions

    def doors(self) -> Sequence[Door]:
        """By path: those of the API."""
        return (
            Door(
                method="POST",
                path="cases/import",
                serve=self.import_list,
                right=Right.EDIT_CASES,
                max_body=MAX_LIST,
            ),
            Door(method="POST", path="cases/{receipt}", serve=self.change, right=Right.OWN_CASES),
        )

    async def import_list(self, visit: Visit) -> Shown | SeeOther:
        """Show what a list would come to; import the rows that were shown so.

        They come back with the form: nothing of a list that nobody has confirmed is kept here.
        """
        try:
            if "content" in visit.form:
                answer = await visit.ask("import_cases", content=visit.value("content").encode())
                return await self._done(visit, "import_cases", answer)
            content = visit.files.get("list", b"")
            if not content:
                raise BadArgument("Choose a file.")
            return Shown(template="cases_import.html", values=await _preview(visit, content))
        except (UnusableCaseFile, *OF_FORMS) as error:
            values = {"title": "Import a list of cases", **await cases.import_form(visit)}
            return again(error, "cases_import.html", values)

    async def change(self, visit: Visit) -> Shown | SeeOther:
        """Change what was changed in the form, and nothing that somebody else changed meanwhile."""
        facts = {
            column: visit.value(column).strip()
            for column in Column
            if column in visit.form and visit.value(column).strip() != visit.value(f"was_{column}")
        }
        try:
            if not facts:
                raise BadArgument("Nothing is changed.")
            answer = await visit.ask("set_case", receipt=visit.arguments["receipt"], facts=facts)
        except OF_FORMS as error:
            values = await cases.case(visit)
            return again(error, "case.html", {**values, "typed": {**values["typed"], **facts}})
        return await self._done(visit, "set_case", answer)

    async def _done(self, visit: Visit, verb: str, answer: Mapping[str, Any]) -> SeeOther:
        if visit.session is not None:
            await self._sessions.tell(visit.session, said(verb, answer))
        return SeeOther(to=own_path(visit.value("next") or "/cases"))


async def _preview(visit: Visit, content: bytes) -> Mapping[str, Any]:
    """What a list would come to, with its rows as they would be imported.

    Raises:
        UnusableCaseFile: it is no list of cases.
    """
    good: list[Row] = []

    async def put(rows: Sequence[Row]) -> Any:
        given = msgspec.to_builtins(rows)
        answer = await visit.ask("put_cases", rows=given, dry_run=True)
        left = {problem["line"] for problem in answer["problems"]}
        good.extend(row for row in rows if row.line not in left)
        return answer

    one = await carry_out(content, put=put, dry_run=True)
    # Of a large list half a second, for which deliveries need not wait.
    rows = await asyncio.to_thread(list_of, good, one.file.columns) if good else ""
    return {
        "title": "Import a list of cases",
        **await cases.import_form(visit),
        "answer": one.answer(most=MAX_PROBLEMS),
        "content": rows,
    }
