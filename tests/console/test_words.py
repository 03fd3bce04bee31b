"""What a status with its tags and flags is called on a page."""

from typing import Any

import pytest

from casebell.console.words import headline


@pytest.mark.parametrize(
    ("facts", "title"),
    [
        ({"status": "rfe_issued", "tags": ["deadline"]}, "Request for Evidence issued"),
        # The alert claims no such request either.
        ({"status": "rfe_issued", "flags": ["text_conflict"]}, "USCIS notice with a deadline"),
        ({"status": "other", "flags": ["unknown_wording"]}, "New USCIS wording: read it"),
        ({"status": None}, "Not decided yet"),
        # Of a later release.
        ({"status": "appealed", "tags": ["loud"], "flags": ["odd"]}, "Case status changed"),
    ],
)
def test_as_the_alert_calls_it(facts: dict[str, Any], title: str) -> None:
    """In its words; what this release does not know says nothing."""
    assert headline({"tags": [], "flags": [], "text": "", **facts}).title == title
