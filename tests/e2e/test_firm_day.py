"""A Monday in a firm of twelve people and 2,000 cases: who got how many messages, when, and why."""

import asyncio
from collections import Counter

import pytest

from casebell.sandbox.inbox import Arrival
from e2e.firm import OWNERS, PEOPLE, ROOM, Firm, local
from e2e.firm_day import MONDAY, TUESDAY, played

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Firm:
    """After the day."""
    firm = Firm(tmp_path_factory.mktemp("firm"), begins=MONDAY)
    asyncio.run(played(firm))
    return firm


def titles(messages: list[Arrival]) -> list[str]:
    return [one.title for one in messages]


def of_person(firm: Firm, person: str) -> list[Arrival]:
    return firm.messages_of(f"{person}@firm.example")


def test_the_night_is_quiet(firm: Firm) -> None:
    """120 transfers at 3 a.m. wake nobody; each owner reads of theirs in one message at eight."""
    opening = local(MONDAY, "08:00")
    told = [one for one in firm.messages() if one.at < opening]
    assert {one.recipient for one in told} <= {"it@firm.example"}
    for owner in OWNERS:
        first = of_person(firm, owner)[0]
        assert first.title.startswith("Digest: ")
        assert "Case transferred" in first.text
        assert first.at < local(MONDAY, "08:10")
    transfers = sum(one.text.count("Case transferred") for one in firm.messages())
    assert transfers == 120


def test_what_was_acknowledged_is_not_told_again(firm: Firm) -> None:
    """Jia opened the link of the morning's RFE: nobody is reminded of it."""
    assert [one for one in firm.messages() if "UNSEEN" in one.title and "0168" in one.title] == []
    assert "URGENT: RFE issued · Client 168 · I-129 · IOE…0168" in titles(of_person(firm, "jchan"))


def test_what_nobody_saw_goes_on(firm: Firm) -> None:
    """After two hours of the office the team hears again, on the next working day the partners."""
    of_nobody = "UNSEEN: RFE issued · Client 79 · I-129 · IOE…0079"
    for person in ("asingh", "lmartin", "soliver", "pwhite"):
        assert titles(of_person(firm, person)).count(of_nobody) == 1
    for partner in ("mrivera", "dcohen"):
        (told,) = of_person(firm, partner)
        assert told.title == of_nobody
        assert told.at >= local(TUESDAY, "10:40")


def test_the_evening_does_not_count(firm: Firm) -> None:
    """An RFE of seven in the evening is told at once; two hours of the office later it is ten."""
    evening = [one for one in of_person(firm, "jchan") if "IOE…0292" in one.title]
    assert [one.title.split(":")[0] for one in evening] == ["URGENT", "UNSEEN"]
    assert evening[0].at < local(MONDAY, "19:02")
    assert local(TUESDAY, "10:00") <= evening[1].at < local(TUESDAY, "10:10")


def test_a_confidential_case_tells_nothing(firm: Firm) -> None:
    """Neither the room nor a shared mailbox hears; single persons hear that there is news."""
    (case,) = {one.title for one in firm.messages() if "confidential case has news" in one.title}
    number = case.rpartition("…")[2]
    told = [one for one in firm.messages() if f"IOE…{number}" in one.title]
    assert {one.recipient.partition("@")[0] for one in told} <= set(PEOPLE)
    assert not any("RFE" in one.title or "evidence" in one.text.lower() for one in told)


def test_nobody_is_told_twice(firm: Firm) -> None:
    """No mailbox, and no room, got one message a second time."""
    again = Counter((one.recipient, one.title) for one in firm.messages())
    digests = {key for key in again if key[1].startswith("Digest")}
    assert {key for key, number in again.items() if number > 1} <= digests


def test_whom_nothing_concerns_reads_nothing(firm: Firm) -> None:
    """IT's and compliance's own mailboxes are empty; operations heard of the new database alone."""
    assert of_person(firm, "ihall") == of_person(firm, "cdiaz") == []
    assert len(firm.messages_of("it@firm.example")) == 1


def test_how_many(firm: Firm) -> None:
    """A day with 171 changes is a dozen messages for an attorney, half of that for a paralegal."""
    number = Counter(one.recipient.partition("@")[0] for one in firm.messages())
    assert all(number[owner] <= 13 for owner in OWNERS), number
    assert all(number[one] <= 6 for one in ("tnguyen", "bgreen", "soliver", "pwhite")), number
    assert number[ROOM.partition("@")[0]] == 4, number
