"""How many journal entries refusals can cause, whatever their rate."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from casebell.receive.refusals import SINGLE_AN_HOUR, Kind, refusal_entries
from casebell.store.journal import Entry
from casebell.store.refused import TALLY_KIND, Refused
from casebell.store.tally import MAX_ADDRESSES, TALLY_EVERY, Tally
from contracts.clock_and_log import ManualClock
from contracts.store_contract import refusal

PARLEY: Kind = ("parley", "signature_missing")
NOTHING: Mapping[Kind, int] = {}


def write(entries: Tally[Refused, Kind], *kinds: Kind, last: bool = False) -> Sequence[Entry]:
    """One write of refusals of these kinds; its entries."""
    batch = [refusal(source=source, error=error) for source, error in kinds]
    written = entries.add(batch, NOTHING, last=last)
    entries.written()
    return written


def counted(written: Sequence[Entry]) -> Counter[Kind]:
    """How many refusals the entries tell of, by source and error."""
    found: Counter[Kind] = Counter()
    for one in written:
        if one.kind == TALLY_KIND:
            for source, errors in one.data["refused"].items():
                found.update({(source, error): number for error, number in errors.items()})
        else:
            source = one.subject.removeprefix("source:")
            found[source, one.data["error"]] += 1
    return found


def test_a_steady_trickle() -> None:
    """One a second, for three hours: an entry a minute, a few an hour; each is counted."""
    clock = ManualClock()
    entries = refusal_entries(clock)
    written: list[Entry] = []
    for _ in range(3 * 3_600):
        written += write(entries, PARLEY)
        clock.advance(1)
    written += write(entries, last=True)
    assert counted(written) == {PARLEY: 3 * 3_600}
    assert len(written) <= 3 * (60 + SINGLE_AN_HOUR) + 1


def test_each_source_and_error_has_its_own_few() -> None:
    """Who forges deliveries to one source takes no other's entries, nor those of another fault."""
    entries = refusal_entries(ManualClock())
    others: list[Kind] = [("torch", "secret_missing"), ("parley", "encoded_body")]
    written = write(entries, *[PARLEY] * 500, *others)
    tally = written[-1]
    assert [one.kind for one in written] == ["delivery.refused"] * (SINGLE_AN_HOUR + 2) + [
        TALLY_KIND
    ]
    assert tally.data["refused"] == {"parley": {"signature_missing": 500 - SINGLE_AN_HOUR}}


def test_what_is_not_kept_is_counted() -> None:
    """Too many may come for all of them to be kept."""
    entries = refusal_entries(ManualClock())
    (tally,) = entries.add([], {PARLEY: 7, ("unknown", "not_found"): 2})
    assert tally.data["count"] == 9
    assert tally.data["refused"] == {
        "parley": {"signature_missing": 7},
        "unknown": {"not_found": 2},
    }


def test_a_write_that_fails_loses_no_count() -> None:
    """What its entries would have said is said by the next."""
    clock = ManualClock()
    entries = refusal_entries(clock)
    batch = [refusal(error="signature_missing")] * (SINGLE_AN_HOUR + 3)
    assert len(entries.add(batch, {PARLEY: 4})) == SINGLE_AN_HOUR + 1
    assert entries.due
    (tally,) = write(entries, PARLEY)
    assert tally.data["refused"] == {"parley": {"signature_missing": SINGLE_AN_HOUR + 8}}
    clock.advance(TALLY_EVERY)
    assert not entries.due


def test_memory_is_bounded() -> None:
    """Of a flood from everywhere only so many addresses are told apart."""
    entries = refusal_entries(ManualClock())
    batch = [refusal(address=f"2001:db8::{number:x}") for number in range(2 * MAX_ADDRESSES)]
    tally = entries.add(batch, NOTHING)[-1]
    assert tally.data["addresses"] == MAX_ADDRESSES
    assert json.dumps(dict(tally.data))
