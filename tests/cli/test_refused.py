"""`casebell refused`: a secret that was mistyped or rotated loses nothing."""

import json
import shutil
import unicodedata
from pathlib import Path

import pytest

from casebell.cli.local_service import this_user
from casebell.sandbox.http_sink import HttpSink
from cli.installation import CONFIG, Installation, parley_body, serving
from e2e.server import PARLEY_SECRET, TORCH_SECRET, CommandResult
from waiting import until_sync

#: What the provider really signs with.
RIGHT = "the-secret-of-the-provider-2026"


def send(
    installation: Installation, body: bytes, *, secret: str = RIGHT, source: str = "parley"
) -> CommandResult:
    """Post a delivery as the provider would, with a secret that the installation may not have."""
    file = installation.directory / "body.json"
    file.write_bytes(body)
    return installation("send", "--source", source, "--body", str(file), "--secret", secret)


def refusals_of(installation: Installation) -> int:
    """How many the database has."""
    return int(installation.rows("SELECT count(*) FROM refused")[0][0])


def mend(installation: Installation, secret: str = RIGHT) -> None:
    """Write the provider's secret into the configuration."""
    installation.config.write_text(
        installation.config.read_text().replace(PARLEY_SECRET, secret).replace(TORCH_SECRET, secret)
    )


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an installation that refused two deliveries with a mistyped secret, and a stranger's."""
    installation = Installation(tmp_path_factory.mktemp("refusing"), capture=None)
    installation.config.write_text(CONFIG.format(sink="json://127.0.0.1:9"))
    with serving(installation):
        rfe = parley_body("evt_rfe", normalized_status="rfe_issued", raw_status_text="RFE was sent")
        for body, source in ((rfe, "parley"), (parley_body("evt_torch"), "torch")):
            assert send(installation, body, source=source).code == 1
        assert send(installation, b"{}", secret="a-forgers-own-secret-3").code == 1
        until_sync(lambda: refusals_of(installation) == 3, "the refusals to be remembered")
    return installation.database


@pytest.fixture
def refused(bare: Installation, database: Path) -> Installation:
    """That installation, with a chat service; no server runs."""
    shutil.copy(database, bare.database)
    return bare


def test_a_list_for_people(refused: Installation) -> None:
    """A row for each, newest first, without a body or anything of a secret."""
    heading, *listed = refused("refused", "list").out.splitlines()
    assert heading.split() == [
        "ID",
        "RECEIVED",
        "SOURCE",
        "ERROR",
        "ADDRESS",
        "SIZE",
        "READMITTABLE",
    ]
    assert [row.split()[0] for row in listed] == ["3", "2", "1"]
    assert all(row.endswith("yes") for row in listed)
    assert "signature_mismatch" in listed[0]
    text = "".join(listed)
    assert "evt_rfe" not in text
    assert not {unicodedata.category(c) for c in text} & {"Cc", "Cf"}


def test_a_list_for_programs(refused: Installation) -> None:
    """One object a line; narrowed by source and error."""
    newest, second, _ = refused("refused", "list", "--json").lines()
    assert (newest["id"], newest["size"], newest["readmittable"]) == (3, 2, True)
    assert (second["source"], second["error"]) == ("torch", "secret_mismatch")
    for options, ids in (
        (("--source", "torch"), [2]),
        (("--error", "signature_mismatch"), [3, 1]),
        (("--limit", "1"), [3]),
    ):
        shown = refused("refused", "list", "--json", *options).lines()
        assert [one["id"] for one in shown] == ids
    nothing = refused("refused", "list", "--error", "stale_signature")
    assert nothing.out == "No refusal matches.\n"


def test_nothing_secret_is_in_the_database(refused: Installation) -> None:
    """Neither our secrets nor what was presented instead stands in any of its files."""
    files = [path.read_bytes() for path in refused.directory.glob("casebell.db*")]
    for secret in (RIGHT, PARLEY_SECRET, TORCH_SECRET, "a-forgers-own-secret-3"):
        assert all(secret.encode() not in content for content in files)
    assert any(b"evt_rfe" in content for content in files)


def test_while_the_secret_is_wrong_all_stay(refused: Installation) -> None:
    """Exit code 1, a sentence for each, and nothing is changed."""
    ran = refused("refused", "readmit", "--all")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "Refused delivery 1 still does not authenticate (signature_mismatch), and stays.",
        "Refused delivery 2 still does not authenticate (secret_mismatch), and stays.",
        "Refused delivery 3 still does not authenticate (signature_mismatch), and stays.",
    ]
    assert refused.rows("SELECT count(*) FROM events") == [(0,)]


def test_without_a_server(refused: Installation) -> None:
    """With the right secret the genuine ones are events; the forged one stays."""
    mend(refused)
    ran = refused("refused", "readmit", "--all", "--json")
    assert ran.code == 0
    told = ran.lines()
    assert [(one["refused"], one["status"], one["event"]) for one in told] == [
        (1, "stored", 1),
        (2, "stored", 2),
        (3, "refused", None),
    ]
    assert refused("refused", "list").out.count("is readmitted") == 2
    journalled = refused.rows(
        "SELECT actor, subject FROM journal WHERE kind = 'delivery.readmitted' ORDER BY seq"
    )
    assert journalled == [(this_user().name, f"refused:{number}") for number in (1, 2)]
    assert refused("events", "show", "evt_rfe").code == 0


def test_through_the_server_alerted_once(refused: Installation, sink: HttpSink) -> None:
    """The running server takes it in, routes and alerts; a redelivery after it changes nothing."""

    def heard() -> int:
        titles = [json.loads(one.body)["title"] for one in sink.requests]
        return sum("RFE issued" in title for title in titles)

    mend(refused)
    with serving(refused):
        assert heard() == 0
        ran = refused("refused", "readmit", "1")
        assert (ran.code, ran.out) == (0, "Refused delivery 1 is event 1 now.\n")
        until_sync(lambda: heard() == 1, "the alert")
    rfe = parley_body("evt_rfe", normalized_status="rfe_issued", raw_status_text="RFE was sent")
    with serving(refused):
        assert '"duplicate"' in send(refused, rfe).out
        again = refused("refused", "readmit", "1")
        assert (again.code, again.out) == (1, "Refused delivery 1 had been readmitted already.\n")
        assert refused("refused", "readmit", "--all", "--source", "torch").code == 0
        until_sync(
            lambda: refused.rows("SELECT count(*) FROM events WHERE routed_at IS NULL") == [(0,)],
            "every decision",
        )
    assert heard() == 1


def test_a_redelivery_came_first(refused: Installation, sink: HttpSink) -> None:
    """The provider delivered it again meanwhile: readmitting finds a duplicate, alerted once."""
    mend(refused)
    rfe = parley_body("evt_rfe", normalized_status="rfe_issued", raw_status_text="RFE was sent")
    with serving(refused):
        assert '"stored"' in send(refused, rfe).out
        ran = refused("refused", "readmit", "--all", "--source", "parley")
        assert ran.code == 0
        assert "had come again as event 1 meanwhile." in ran.out
        sent = "SELECT count(*) FROM alerts WHERE channel = 'team' AND state = 'sent'"
        until_sync(lambda: refused.rows(sent) != [(0,)], "the alert")
    told = [json.loads(one.body)["title"] for one in sink.requests]
    assert sum("RFE issued" in title for title in told) == 1


@pytest.mark.parametrize(
    "arguments",
    [(), ("1", "--all"), ("1", "--source", "parley"), ("--source", "parley"), ("0",), ("x",)],
)
def test_misused(bare: Installation, arguments: tuple[str, ...]) -> None:
    """Either numbers or --all, and --source with --all alone."""
    ran = bare("refused", "readmit", *arguments)
    assert (ran.code, ran.out) == (2, "")


def test_nothing_to_do(bare: Installation) -> None:
    """With nothing refused there is nothing to complain of; an unknown number is one."""
    with serving(bare):
        through = bare("refused", "readmit", "--all"), bare("refused", "readmit", "7")
    without = bare("refused", "readmit", "--all"), bare("refused", "readmit", "7")
    assert through == without
    assert [ran.code for ran in without] == [0, 1]
    assert without[0].out == "Nothing that was refused can be checked again.\n"
    assert "There is no refused delivery 7" in without[1].err


def test_operations_hear_of_it(bare: Installation, sink: HttpSink) -> None:
    """After the fifth refusal that carried a signature operations are told, once."""

    def told() -> list[str]:
        bodies = [json.loads(one.body) for one in sink.requests]
        return [one["message"] for one in bodies if "Deliveries refused: parley" in one["title"]]

    with serving(bare):
        for number in range(7):
            send(bare, parley_body(f"evt_{number}"))
        until_sync(told, "the alert")
        until_sync(lambda: refusals_of(bare) == 7, "the refusals to be remembered")
    assert len(told()) == 1
    assert "casebell refused readmit --all --source parley" in told()[0]
