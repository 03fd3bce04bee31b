"""Bodies whose status stands under a name that the field map does not know."""

import json
import re
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casebell.errors import HeldDelivery
from casebell.events import CaseEvent, HeldReason
from casebell.receive.understand import understand
from casebell.receive.unmapped import missing_receipt, missing_status
from casebell.settings import FieldMap, SourceSettings
from contracts.json_documents import DOCUMENTS
from receive.builders import make_source, verified_delivery

RECEIPT = "IOE0910000001"
RFE = "Request for Additional Evidence Was Sent"


def understood(body: bytes, *, source: SourceSettings | None = None) -> CaseEvent:
    source = source or make_source()
    return understand(verified_delivery(body, source=source), source)


def proposed(said: str) -> dict[str, list[str]]:
    """The line to try, read as TOML; {} where there is none."""
    _, found, line = said.partition(" Try under [sources.parley]: ")
    fields: dict[str, list[str]] = tomllib.loads(line)["fields"] if found else {}
    return fields


#: What came, and where the line to try finds the text, the status and the category.
BODIES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "message": (
        {
            "type": "case.status.updated",
            "data": {"receipt_number": RECEIPT, "message": RFE, "state": "x"},
            "id": "e1",
        },
        {"text": "data.message"},
    ),
    "camel case, torch": (
        {
            "id": "e1",
            "data": {
                "receipt_number": RECEIPT,
                "statusText": RFE,
                "statusCategory": "Request for Evidence",
                "last_status_at": "2025-01-15T14:03:27Z",
            },
        },
        {"text": "data.statusText", "category": "data.statusCategory"},
    ),
    "camel case, parley": (
        {
            "id": "e1",
            "receipt_number": RECEIPT,
            "normalizedStatus": "rfe_issued",
            "rawStatusText": RFE,
        },
        {"text": "rawStatusText", "status": "normalizedStatus"},
    ),
    "short names": (
        {"id": "e1", "receipt_number": RECEIPT, "status": "rfe_issued", "text": RFE},
        {"text": "text", "status": "status"},
    ),
    "the official API": (
        {
            "receipt_number": RECEIPT,
            "form_type": "I-765",
            "current_case_status_text_en": RFE,
            "current_case_status_desc_en": "On January 2, 2025, we sent you a request.",
        },
        {"text": "current_case_status_text_en"},
    ),
    "a list of events": (
        {"receipt_number": RECEIPT, "events": [{"status": "rfe_issued", "text": RFE}]},
        {},
    ),
    "an unknown word": (
        {"receipt_number": RECEIPT, "caseState": "phase 7"},
        {"status": "caseState"},
    ),
    "a name that says nothing": ({"receipt_number": RECEIPT, "info": RFE}, {"text": "info"}),
    "nothing else": ({"receipt_number": RECEIPT, "id": "e1"}, {}),
    "empty": ({"receipt_number": RECEIPT, "status_text": " ", "normalized_status": None}, {}),
}


@pytest.mark.parametrize("name", BODIES)
def test_what_came_is_named_and_a_line_proposed(name: str) -> None:
    """Held with the names of its fields, and the line leads to the fields that say the status."""
    body, expected = BODIES[name]
    with pytest.raises(HeldDelivery) as held:
        understood(json.dumps(body).encode())
    assert held.value.reason is HeldReason.MISSING_STATUS
    said = held.value.message
    assert all(name in said for name in body if not isinstance(body[name], dict))
    assert RFE not in said
    assert RECEIPT not in said
    line = proposed(said)
    assert {role: paths[0] for role, paths in line.items()} == expected


@pytest.mark.parametrize("name", [name for name, (_, expected) in BODIES.items() if expected])
def test_the_line_works(name: str) -> None:
    """In the source's table, it lets the same body be understood, and the usual ones still."""
    body, expected = BODIES[name]
    with pytest.raises(HeldDelivery) as held:
        understood(json.dumps(body).encode())
    fields = FieldMap.model_validate(proposed(held.value.message))
    source = make_source(fields=fields)
    event = understood(json.dumps(body).encode(), source=source)
    assert (event.text != "") == ("text" in expected)
    assert (event.delivered_status is not None) == bool({"status", "category"} & set(expected))
    usual = {"receipt_number": RECEIPT, "status_text": RFE, "status_category": "Approved"}
    again = understood(json.dumps(usual).encode(), source=source)
    assert (again.text, again.delivered_status) == (RFE, "Approved")


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "case.rfe.issued"},
        {"normalized_status": "other"},
        {"status_category": "Something New"},
        {"status_text": "CASE STATUS"},
        {"status_text": "Case status not available at this time"},
    ],
)
def test_what_says_something_is_an_event(fields: dict[str, str]) -> None:
    """A type that implies a status, an unknown word, a placeholder that came: none is held."""
    understood(json.dumps({"receipt_number": RECEIPT, **fields}).encode())


def test_a_type_that_implies_nothing_is_held() -> None:
    """The generic one, an unknown one and none at all."""
    for kind in ("case.status.updated", "case.new.kind", ""):
        with pytest.raises(HeldDelivery) as held:
            understood(json.dumps({"receipt_number": RECEIPT, "type": kind}).encode())
        assert held.value.reason is HeldReason.MISSING_STATUS


def test_names_that_may_be_values_are_counted() -> None:
    """A receipt, a sentence or a person as a name is not repeated; nor are more than a dozen."""
    odd = {RECEIPT: 1, "Jane Q. Public": 2, "x" * 60: 3, "A123456789": 4}
    said = missing_status(odd | {f"f{number}": 0 for number in range(20)}, make_source())
    assert "Fields that came: f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, 12 more." in said
    assert not any(name in said for name in odd)


@pytest.mark.parametrize(
    "name",
    [
        "EAC-2190012345",
        "IOE_0912345678",
        "xIOE0912345678",
        "ssn_123456789",
        "_555-123-4567",
        "naïve",
    ],
)
def test_a_name_with_a_number_is_counted(name: str) -> None:
    """However a receipt, an A-number or a telephone number is written; a year or two may stand."""
    said = missing_status({name: RFE, "iso8601": 1, "line_2": 2}, make_source())
    assert "Fields that came: iso8601, line_2, 1 more." in said
    assert proposed(said) == {}


def test_a_name_with_a_dot_is_no_path() -> None:
    """A path would be looked for in objects that are not there."""
    assert proposed(missing_status({"a.text": RFE}, make_source())) == {}


@settings(max_examples=40)
@given(DOCUMENTS | st.dictionaries(st.text(max_size=20), st.floats()))
def test_any_body_can_be_named(document: dict[str, object]) -> None:
    """Whatever comes, the sentence is one line of plain words, and its line is TOML."""
    for says in (missing_status, missing_receipt):
        said = says(document, make_source())
        assert re.fullmatch(r"[ -~]{1,3000}", said)
        proposed(said)


def test_a_receipt_under_an_unknown_name_is_proposed() -> None:
    """Operations are told the names that came, and the line to try; never the receipt."""
    with pytest.raises(HeldDelivery) as held:
        understood(json.dumps({"case": {"receiptNumber": "ioe-0912345678"}, "n": 1}).encode())
    said = held.value.message
    assert held.value.reason is HeldReason.MISSING_RECEIPT
    assert "Fields that came: case.receiptNumber, n." in said
    assert proposed(said)["receipt"][:2] == ["case.receiptNumber", "receipt_number"]
    assert "0912345678" not in said


def test_a_body_without_end_is_bounded() -> None:
    """Thousands of fields, or one of a thousand levels, cost no more than a few."""
    deep: dict[str, object] = {}
    for _ in range(500):
        deep = {"a": deep, "b": "x"}
    wide = {f"f{number}": "Case Was Approved " * 1_000 for number in range(20_000)}
    for document in (deep, wide):
        assert len(missing_status(document, make_source())) < 1_000
    assert "at least 188 more" in missing_status(wide, make_source())
