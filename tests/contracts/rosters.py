"""Rosters over channels whose targets are plain addresses."""

from collections.abc import Mapping, Sequence

from casebell.ops_targets import OpsTargets
from casebell.people.roster import Recipients, Roster


def roster_of(targets: Mapping[str, Sequence[str]], *, ops: Sequence[str] = ()) -> Roster:
    """These channels with these targets, and the channels of operations among them."""
    return Roster(
        people={},
        channels={name: Recipients(to=tuple(some)) for name, some in targets.items()},
        ops=OpsTargets.on(ops, targets=targets).targets,
    )
