"""Who hears of what, and what a file would decide otherwise, in words: on a terminal, on a page."""

from collections.abc import Iterator, Mapping
from typing import Any

from typing_extensions import TypedDict

from casebell.service.otherwise import Decided, Figures
from casebell.service.reach import Reach
from casebell.service.rules import Coverage
from casebell.service.sentences import Moment, Sentence, says
from casebell.times import counted


class Heard(TypedDict):
    """A row of the table of who hears of what."""

    of: str
    who: str
    by: str
    note: str


def heard(row: Coverage) -> Heard:
    """The cells of a row."""
    return {
        "of": f"{row['kind']} {row['value']}",
        "who": ", ".join(row["channels"]) or "nobody",
        "by": ", ".join(row["rules"]),
        # "nobody" alone says no more than the cell before it.
        "note": "" if row["note"] == "nobody" else row["note"],
    }


class Reached(TypedDict):
    """A row of the table of how many cases are reached."""

    of: str
    reaches: str


def reached(reach: Reach) -> Iterator[Reached]:
    """How many cases each rule reaches, and each channel over their owners."""
    whole = counted(reach.cases, "case")
    for rule, number in reach.rules.items():
        every = f"all {whole}" if reach.cases != 1 else "the one case"
        some = f"{number:,} of {whole}" if number else f"none of {whole}"
        yield {"of": f"rule {rule}", "reaches": every if number == reach.cases else some}
    for channel, number in reach.owners.items():
        left = reach.cases - number
        others = f"; `unassigned` hears of {left:,}" if left else ""
        reaches = f"the owners of {number:,} of {whole}{others}"
        yield {"of": f"channel {channel}", "reaches": reaches}


def recipients(decided: Decided) -> Iterator[str]:
    """Who hears of a change, a channel at a time; or nobody, and why."""
    of_channel: dict[str, list[Mapping[str, Any]]] = {}
    for one in decided["notify"]:
        of_channel.setdefault(one["channel"], []).append(one)
    for channel, told in of_channel.items():
        targets = ", ".join(map(_target, told))
        rules = ", ".join(f'"{name}"' for name in told[0]["rules"])
        by = f"by {rules}" if rules else "as operations"
        urgent = ", urgent" if told[0]["urgent"] else ""
        yield f"{channel} → {targets}, {by}{urgent}"
    if not of_channel:
        yield f"nobody: {decided['because']}"


def _target(one: Mapping[str, Any]) -> str:
    whom = one["meant_for"]
    # That these are operations is said behind all of them.
    return f"{one['target']} ({whom})" if whom and one["rules"] else str(one["target"])


def sums(answer: Figures) -> Iterator[Sentence]:
    """How many changes were looked at, and how many would be decided otherwise."""
    since = Moment(stamp=answer["since"])
    looked, differ = answer["looked"], answer["differ"]
    changes = counted(looked, "change")
    if not looked:
        yield says("No change was decided since {since}.", since=since)
    elif not differ:
        form = "Of {changes} decided since {since}, none would be decided otherwise."
        yield says(form, changes=changes, since=since)
    else:
        form = "Of {changes} decided since {since}, {differ} would be decided otherwise."
        yield says(form, changes=changes, since=since, differ=f"{differ:,}")
    if undecided := answer["undecided"]:
        form = "{changes} cannot be read, or not be decided again."
        yield says(form, changes=counted(undecided, "change"))
    if back := answer["looked_back_to"]:
        form = "Looked back to {back}; older ones may be decided otherwise, too."
        yield says(form, back=Moment(stamp=back))
