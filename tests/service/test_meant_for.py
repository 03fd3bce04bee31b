"""Whom an alert was meant for, in words."""

from typing import Any

import pytest

from casebell.alerts import OPERATIONS, UNASSIGNED
from casebell.service.meant_for import meant_for
from casebell.settings.models import PersonSettings

PEOPLE = {
    "jchan": PersonSettings(id="jchan", name="Jia Chan"),
    "kim": PersonSettings(id="kim", name="Kim Roe"),
}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"person": "jchan", "addressed_as": "@owner"}, "Jia Chan, the owner"),
        ({"addressed_as": "@owner"}, "the owner"),
        ({"person": "kim", "addressed_as": "@team"}, "Kim Roe, of the case's team"),
        ({"person": "kim", "addressed_as": "@team:rfe"}, "Kim Roe, of team rfe"),
        ({"person": "kim", "addressed_as": "@kim"}, "Kim Roe"),
        (
            {"person": "kim", "addressed_as": "@owner", "for_absent": "jchan"},
            "Kim Roe, for Jia Chan who is away",
        ),
        # Who left the firm is called by the id that is on record.
        ({"person": "ana", "addressed_as": "@owner"}, "ana, the owner"),
        ({"person": "kim", "addressed_as": "@team", "for_absent": "ana"},
         "Kim Roe, for ana who is away"),
        ({"addressed_as": UNASSIGNED}, "nobody was found: unassigned"),
        ({"addressed_as": OPERATIONS}, "operations"),
        ({}, None),
        # As a row has it.
        ({"person": None, "addressed_as": "", "for_absent": None}, None),
    ],
)  # fmt: skip
def test_words(told: dict[str, Any], words: str | None) -> None:
    """Of each way in which a target can be written."""
    assert meant_for(told, PEOPLE) == words
