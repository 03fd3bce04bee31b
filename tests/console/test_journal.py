"""The page of the journal."""

import pytest

from casebell.actors import Role
from console.running import RunningConsole, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_it_shows(filled: RunningConsole) -> None:
    """Entries by kind, by whom and about what; that of an event leads to it."""
    auditor = await filled.signed_in(Role.AUDITOR)
    answer = await auditor.get("/audit?kind=delivery.stored&actor=source:parley&limit=50")
    said = text_of(answer.text)
    assert answer.status_code == 200
    assert "delivery.stored source:parley event:1" in said
    assert "delivery.refused" not in said
    assert '<a href="/events/1">event:1</a>' in answer.text
    nothing = await auditor.get("/audit?kind=nothing.such")
    assert "No entry matches." in text_of(nothing.text)
    assert (await auditor.get("/audit?since=tomorrow")).status_code == 400


async def test_that_it_was_looked_at(filled: RunningConsole) -> None:
    """On record, with the filter and by whom; the next look shows it."""
    auditor = await filled.signed_in(Role.AUDITOR)
    await auditor.get("/audit?kind=delivery.held")
    said = text_of((await auditor.get("/audit?kind=journal.read")).text)
    assert "journal.read account:the-auditor journal" in said
    assert '"filter":{"kind":"delivery.held"}' in said


async def test_for_who_may(filled: RunningConsole) -> None:
    """The others are refused, and have no link to it."""
    for role, status in (
        (Role.VIEWER, 403),
        (Role.OPERATOR, 403),
        (Role.AUDITOR, 200),
        (Role.ADMIN, 200),
    ):
        visitor = await filled.signed_in(role)
        assert (await visitor.get("/audit")).status_code == status
        page = (await visitor.get("/events")).text
        assert ('href="/audit"' in page) is (status == 200)
