"""A list of cases over the API, and what is said of one."""

from typing import Any

import pytest

from api.running import CONFIDENTIAL, RunningApi
from casebell.actors import Role
from casebell.case_file import MAX_BYTES

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECEIPT = "IOE0912340001"
LIST = f"Receipt No.,Attorney,Phone\n{RECEIPT},Jia Chan,555\nIOE1,,\n".encode()


async def put_list(api: RunningApi, content: bytes = LIST, **given: Any) -> Any:
    """Import a list as an operator."""
    media = given.pop("media", "text/csv; charset=windows-1252")
    path = given.pop("path", "cases/import")
    headers = {"Content-Type": media, **given.pop("headers", {})}
    return await api.ask("POST", path, role=Role.OPERATOR, content=content, headers=headers)


async def test_a_list(api: RunningApi) -> None:
    """A dry run changes nothing; the import names what was left out, and puts the others."""
    dry = await put_list(api, path="cases/import?dry_run=true")
    assert dry.status_code == 200
    assert api.rows("SELECT 1 FROM cases WHERE receipt = ?", RECEIPT) == []
    done = (await put_list(api)).json()
    assert {**done, "dry_run": True} == dry.json()
    assert (done["new"], done["left_out"], done["ignored"]) == (1, 1, ["Phone"])
    found = await api.get(f"cases/{RECEIPT}")
    assert (found["owner"], found["status"]) == ("Jia Chan", None)
    silent = await api.get("cases", silent="true")
    assert RECEIPT in [one["receipt"] for one in silent["items"]]
    assert {one["receipt"] for one in (await api.get("cases", unlisted="true"))["items"]} <= {
        receipt for (receipt,) in api.rows("SELECT receipt FROM cases WHERE listed_at IS NULL")
    }


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"content": b""}, 400, "unusable_case_file"),
        ({"content": b"PK\x03\x04"}, 400, "unusable_case_file"),
        ({"media": "application/json"}, 415, "body_not_csv"),
        ({"headers": {"Content-Encoding": "gzip"}}, 415, "encoded_body"),
        ({"path": "cases/import?dry_run=yes"}, 400, "bad_argument"),
        ({"headers": {"Content-Length": str(MAX_BYTES + 1)}}, 413, "body_too_large"),
    ],
)
async def test_what_is_no_list(api: RunningApi, given: Any, status: int, code: str) -> None:
    """It is refused as a whole."""
    answer = await put_list(api, **given)
    assert (answer.status_code, answer.json()["error"]) == (status, code)


async def test_megabytes_of_whoever_may_not_import(api: RunningApi) -> None:
    """They are not read."""
    headers = {"Content-Type": "text/csv", "Content-Length": str(MAX_BYTES + 1)}
    answer = await api.ask("POST", "cases/import", role=Role.VIEWER, content=b"", headers=headers)
    assert answer.status_code == 403


async def test_one_case(api: RunningApi) -> None:
    """What is named is changed, and nothing else; the answer is the case."""
    await put_list(api)
    path = "cases/ioe-0912340001"
    body = {"label": "Gomez; Ana", "confidential": True}
    answer = await api.ask("PUT", path, body=body)
    case = answer.json()
    assert (case["label"], case["owner"], case["confidential"]) == ("Gomez; Ana", "Jia Chan", True)
    assert (await api.get(f"cases/{RECEIPT}")).items() >= case.items()
    cleared = await api.ask("PUT", path, body={"label": "", "confidential": False})
    assert (cleared.json()["label"], cleared.json()["confidential"]) == (None, False)
    # A viewer's own case is known by the person of the token.
    await api.ask("PUT", path, body={"owner": "ANA"})
    token = await api.make_token("anas", Role.VIEWER, person="ana")
    mine = await api.ask("PUT", path, token=token, body={"matter": "7"})
    assert (mine.status_code, mine.json()["matter"]) == (200, "7")
    others = await api.ask("PUT", path, role=Role.VIEWER, body={"matter": "8"})
    assert others.status_code == 403


@pytest.mark.parametrize(
    ("path", "body", "role", "status"),
    [
        (RECEIPT, {}, Role.ADMIN, 400),
        (RECEIPT, {"status": "denied"}, Role.ADMIN, 400),
        (RECEIPT, {"confidential": "yes"}, Role.ADMIN, 400),
        (RECEIPT, {"owner_email": "ana"}, Role.ADMIN, 400),
        (RECEIPT, {"label": "x" * 201}, Role.ADMIN, 400),
        ("IOE0000000404", {"label": "x"}, Role.ADMIN, 404),
        ("A12", {"label": "x"}, Role.ADMIN, 404),
        (CONFIDENTIAL, {"label": "x"}, Role.OPERATOR, 404),
    ],
)
async def test_what_cannot_be_said(
    api: RunningApi, path: str, body: Any, role: Role, status: int
) -> None:
    """The answer says what is wrong; a case that one may not see is not there."""
    await put_list(api)
    answer = await api.ask("PUT", f"cases/{path}", role=role, body=body)
    assert answer.status_code == status, answer.text
