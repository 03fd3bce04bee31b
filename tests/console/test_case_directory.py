"""The page that takes a list of cases, and the form of one case."""

import re
from html import unescape
from typing import Any

import pytest

from casebell.actors import Role
from casebell.console.case_doors import MAX_LIST
from console.running import RunningConsole, Visitor, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

R1, R2 = "IOE0912300001", "IOE0912300002"
HOSTILE = '"><script>window.ran=1</script>\u202e=1+1'
LIST = f"""receipt;Attorney;Title;Client SSN
{R1};Jia Chan;"{HOSTILE.replace('"', '""')}";078-05-1120
{R2};Jia Chan;Ruiz;078-05-1121
IOE1;Jia Chan;Kim;078-05-1122
"""


async def send(visitor: Visitor, content: bytes, **fields: str) -> Any:
    """Choose a file and look at it."""
    return await visitor.client.post(
        "/cases/import",
        files={"list": ("export.csv", content, "text/csv")},
        data={"dry_run": "true", **fields},
        headers={"Sec-Fetch-Site": "same-origin"},
    )


def shown_rows(html: str) -> str:
    """The rows that the page has in its form."""
    found = re.search(r'name="content" value="(.*?)"', html, re.DOTALL)
    assert found
    return unescape(found[1])


async def test_a_list_is_shown_before_it_is_imported(console: RunningConsole) -> None:
    """Counts, problems by line, ignored columns by name alone; then exactly what was shown."""
    visitor = await console.signed_in(Role.OPERATOR)
    form = await visitor.get("/cases/import")
    assert 'enctype="multipart/form-data"' in form.text
    page = await send(visitor, LIST.encode("utf-16"))
    assert page.status_code == 200, page.text
    said = text_of(page.text)
    assert "New 2 cases Changed 0 cases As it is 0 cases Left out 1 line" in said
    assert "Ignored columns Client SSN . Nothing of them is kept." in said
    assert "4 The receipt number is not three letters and ten digits." in said
    assert "078-05" not in page.text
    assert "<script>window" not in page.text
    assert console.rows("SELECT 1 FROM cases WHERE receipt IN (?, ?)", R1, R2) == []
    content = shown_rows(page.text)
    done = await visitor.client.post(
        "/cases/import",
        files={"content": (None, content.replace("\n", "\r\n")), "next": (None, "/cases")},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert "2 cases in the list: 2 new, 0 changed, 0 unchanged." in await visitor.said(done)
    ((label, owner),) = console.rows("SELECT label, owner FROM cases WHERE receipt = ?", R1)
    assert (label, owner) == (HOSTILE.replace("\u202e", ""), "Jia Chan")
    silent = await visitor.get("/cases?silent=true")
    assert R1 in silent.text
    assert text_of(silent.text).count("nothing received") >= 2
    again = text_of((await send(visitor, LIST.encode())).text)
    assert "New 0 cases Changed 0 cases As it is 2 cases" in again


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"PK\x03\x04", 400, "This is an Excel workbook"),
        (b"", 400, "Choose a file."),
        (b"receipt,label\nIOE1,x\n", 200, "There is nothing to import."),
        (b"x" * (MAX_LIST + 1), 413, "larger than this server takes"),
    ],
)
async def test_what_cannot_be_imported(
    console: RunningConsole, content: bytes, status: int, said: str
) -> None:
    """The page says what is wrong."""
    answer = await send(await console.signed_in(Role.OPERATOR), content)
    assert (answer.status_code, said in text_of(answer.text)) == (status, True)


async def test_megabytes_of_whoever_may_not(console: RunningConsole) -> None:
    """They are not read: neither of a stranger, nor of a viewer."""
    large = b"receipt\n" + b" " * 70_000
    for visitor in (console.visitor(), await console.signed_in(Role.VIEWER)):
        assert (await send(visitor, large)).status_code == 413
    assert (await send(await console.signed_in(Role.VIEWER), b"receipt\n")).status_code == 403


def fields_in(html: str) -> dict[str, Any]:
    """The fields of the form of a case as a browser would send them."""
    form = re.search(
        r'<form class="stacked" method="post" action="/cases/.*?</form>', html, re.DOTALL
    )
    if form is None:
        return {}
    found = {
        name: unescape(value)
        for name, value in re.findall(r'<input[^>]*name="(\w+)" value="(.*?)"', form[0])
    }
    selected = re.search(r"<option selected>(\w+)", form[0])
    return {**found, **({"confidential": selected[1]} if selected else {})}


async def test_the_form_of_a_case(console: RunningConsole) -> None:
    """It has what is there; only what was changed in it is changed."""
    visitor = await console.signed_in(Role.OPERATOR)
    await console.admin("put_cases", rows=[{"line": 1, "receipt": R1, "facts": {"team": "rfe"}}])
    fields = fields_in((await visitor.get(f"/cases/{R1}")).text)
    assert fields["team"] == "rfe"
    # Somebody else changes something meanwhile.
    await console.admin("set_case", receipt=R1, facts={"matter": "2026-1"})
    changed = {**fields, "label": "Gomez", "team": ""}
    told = await visitor.said(await visitor.post(f"/cases/{R1}", **changed))
    assert told == f"Case {R1} is as you said."
    ((label, matter, team),) = console.rows(
        "SELECT label, matter, team FROM cases WHERE receipt = ?", R1
    )
    assert (label, matter, team) == ("Gomez", "2026-1", "")
    wrong = await visitor.post(f"/cases/{R1}", **{**changed, "owner_email": "ana"})
    assert wrong.status_code == 400
    assert "no e-mail address" in text_of(wrong.text)
    assert fields_in(wrong.text)["owner_email"] == "ana"
    assert (await visitor.post(f"/cases/{R1}", next="/cases")).status_code == 400
    # A form without `was_…` sets what it names.
    plain = await visitor.post(f"/cases/{R1}", label="Ruiz", next=f"/cases/{R1}")
    assert plain.headers["Location"] == f"/cases/{R1}"


async def test_who_has_the_form(console: RunningConsole) -> None:
    """Whoever may edit the case; of a confidential one it has no more than one may change."""
    await console.admin("set_case", receipt=R1, facts={"team": "rfe", "owner": "ben"})
    shown = {
        role: set(fields_in((await (await console.signed_in(role)).get(f"/cases/{R1}")).text))
        for role in Role
    }
    assert shown[Role.VIEWER] == shown[Role.AUDITOR] == set()
    assert shown[Role.OPERATOR] == shown[Role.ADMIN] >= {"owner", "was_owner", "confidential"}
    await console.add_account("ben", Role.VIEWER, person="ben")
    ben = console.visitor()
    await ben.sign_in("ben")
    await console.admin("set_case", receipt=R1, facts={"confidential": "yes"})
    assert "owner" in fields_in((await ben.get(f"/cases/{R1}")).text)
    assert (await ben.post(f"/cases/{R1}", confidential="no")).status_code == 303
    # As the firm writes an owner, and by team.
    await console.add_account("jchan", Role.VIEWER, person="jchan")
    jchan = console.visitor()
    await jchan.sign_in("jchan")
    for facts in ({"owner": "Jia Chan", "team": ""}, {"owner": "", "team": "RFE"}):
        await console.admin("set_case", receipt=R1, facts={**facts, "confidential": "no"})
        assert "owner" in fields_in((await jchan.get(f"/cases/{R1}")).text)
