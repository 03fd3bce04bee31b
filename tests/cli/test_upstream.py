"""`casebell upstream`: what a person or cron reads, with a server and without one."""

import contextlib
import json
from collections.abc import Iterator

import pytest

from cli.installation import Installation, in_a_thread, serving
from cli.test_doctor import findings
from cli.test_json_keys import KEYS
from contracts.cases import receipt_of
from sandbox.simulator.firm import TOKEN, Firm, rehearsing
from upstream.registering_firm import tracked

LIST = "receipt,label\n" + "".join(f"{receipt_of(number)},A\n" for number in range(1, 8))
UPSTREAM = """
[upstream.{name}]
kind = "{kind}"
source = "parley"
base = "{base}"
token = "{token}"
per_minute = 60000
batch = 3
{more}
"""
SECRET_FILE = 'secret_file = "parley.secret"'


@pytest.fixture
def api() -> Iterator[Firm]:
    """A simulated API."""
    with in_a_thread(rehearsing()) as firm:
        yield firm


def configure(
    ours: Installation, base: str, *, name: str = "parley", kind: str = "parley", more: str = ""
) -> None:
    """Write an [upstream] more into the configuration."""
    table = UPSTREAM.format(name=name, kind=kind, base=base, token=TOKEN, more=more)
    ours.config.write_text(ours.config.read_text() + table)


@pytest.fixture
def firm(bare: Installation, api: Firm) -> Installation:
    """Seven cases, and an API that tracks none of them."""
    configure(bare, api.url, more=SECRET_FILE)
    file = bare.directory / "cases.csv"
    file.write_text(LIST)
    # There must be a database.
    bare("channels", "test", "team")
    assert bare("cases", "import", str(file)).code == 0
    return bare


@pytest.mark.parametrize("served", [True, False], ids=["over the socket", "on the store"])
def test_all_of_it(firm: Installation, api: Firm, served: bool) -> None:
    """Status, dry run, registration, subscription: the same sentences both ways."""
    if served:
        with serving(firm):
            _walk(firm, api, served=True)
    else:
        _walk(firm, api, served=False)


def _walk(firm: Installation, api: Firm, *, served: bool) -> None:
    before = firm("upstream", "status")
    assert (before.code, before.err) == (0, "")
    assert "parley (parley, 127.0.0.1): answers." in before.out
    assert "7 cases are not registered: `casebell upstream register parley`." in before.out
    assert "No subscription was made here" in before.out
    dry = firm("upstream", "register", "--dry-run")
    assert dry.out == "Nothing was registered. 7 cases would be registered with parley.\n"
    assert tracked(api) == set()
    told = findings(firm("doctor").out)
    missing = "7 cases are not registered with parley: it delivers nothing of them"
    then = "casebell upstream register parley"
    assert told.get("upstream") == (f"{missing} → {then}" if served else None)
    ran = firm("upstream", "register", "parley", "--by", "Ana")
    assert (ran.code, ran.out, ran.err) == (0, "7 cases registered with parley.\n", "")
    assert len(tracked(api)) == 7
    assert firm("upstream", "register").out == "0 cases registered with parley.\n"
    ran = firm("upstream", "subscribe")
    assert (ran.code, ran.err) == (0, "")
    assert "parley delivers 6 types of events to https://casebell.example-firm.com" in ran.out
    assert ("No server runs here" in ran.out) is not served
    secret = (firm.directory / "parley.secret").read_text().strip()
    assert [one.secret for one in api.simulator.world.subscriptions] == [secret]
    again = firm("upstream", "subscribe")
    assert again.code == 1
    assert "Subscription sub_" in again.out
    assert "--again" in again.err
    assert firm("upstream", "subscribe", "--again").code == 0
    assert findings(firm("doctor").out).get("upstream") == ("OK" if served else None)
    after = firm("upstream", "status")
    assert "Every case is registered." in after.out
    assert after.out.count(": 6 types of events, to https://") == 2
    printed = json.dumps([ran.out, again.out, again.err, after.out])
    assert secret not in printed
    entries = firm("journal", "list", "--json").lines()
    by = {one["kind"]: one["by"] for one in entries if one["kind"].startswith("upstream.")}
    assert by == {"upstream.registered": "Ana", "upstream.subscribed": None}


def test_the_keys_of_the_contract(firm: Installation) -> None:
    """All of them, in this order, and no other."""
    for verb, more in (
        ("status", []),
        ("register", ["--dry-run"]),
        ("register", []),
        ("subscribe", []),
        ("reconcile", []),
        ("reconcile", ["--receipt", receipt_of(1)]),
        ("status", []),
    ):
        (line,) = firm("upstream", verb, *more, "--json").lines()
        assert list(line) == KEYS[f"upstream {verb}"]


def move(api: Firm, receipt: str, status: str) -> None:
    """What no webhook tells of: nobody has subscribed."""
    made = {"receipt": receipt, "status": status}
    api.simulator.world.perform("move", moves=[made], made_at=1)


@pytest.mark.parametrize("served", [True, False], ids=["over the socket", "on the store"])
def test_reconcile(firm: Installation, api: Firm, served: bool) -> None:
    """First looks alert nobody; what is missed afterwards is found, and twice it is once."""
    firm("upstream", "register")
    with serving(firm) if served else contextlib.nullcontext():
        ran = firm("upstream", "reconcile", "--by", "Ana")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out == (
            "parley: 7 cases compared, 0 changes found that no webhook had delivered.\n"
            "7 cases were looked at for the first time: what was there alerted nobody.\n"
        )
        move(api, receipt_of(3), "rfe_issued")
        ran = firm("upstream", "reconcile", "parley")
        assert ran.out.startswith("parley: 7 cases compared, 1 change found")
        ran = firm("upstream", "reconcile", "--receipt", receipt_of(3))
        assert (
            ran.out == "parley: 1 case compared, 0 changes found that no webhook had delivered.\n"
        )
        status = firm("upstream", "status").out
        assert "7 cases compared, 1 change found that no webhook had delivered." in status
    events = firm("events", "list", "--receipt", receipt_of(3), "--json").lines()
    assert {one["origin"] for one in events} == {"reconciled"}
    assert events[0]["status"] == "rfe_issued"


def test_reconcile_in_vain(firm: Installation, api: Firm) -> None:
    """Exit code 1 where a case fails, or the day is used up."""
    # None of the cases is known to the API.
    ran = firm("upstream", "reconcile")
    assert ran.code == 1
    assert "7 cases could not be asked about" in ran.out
    text = firm.config.read_text()
    firm.config.write_text(text.replace("batch = 3", "batch = 3\nper_day = 9"))
    ran = firm("upstream", "reconcile")
    assert ran.code == 1
    assert "are used up" in ran.out
    assert "cases are left; the next try begins with the longest unchecked." in ran.out
    assert "It waits." in firm("upstream", "status").out


@pytest.mark.slow
def test_reconcile_where_nothing_answers(firm: Installation, api: Firm) -> None:
    """Exit code 3, once every try has failed."""
    firm.config.write_text(firm.config.read_text().replace(api.url, "http://127.0.0.1:9"))
    ran = firm("upstream", "reconcile", "--json")
    assert ran.code == 3
    assert ran.lines()[0]["fails"] is True
    assert firm("upstream", "reconcile", "--receipt", receipt_of(1)).code == 3


def test_nothing_answers(firm: Installation, api: Firm) -> None:
    """Exit code 3, with what was not done."""
    text = firm.config.read_text().replace(api.url, "http://127.0.0.1:9")
    firm.config.write_text(text)
    ran = firm("upstream", "status")
    assert ran.code == 3
    assert "7 cases are not registered" in ran.out
    (line,) = firm("upstream", "status", "--json").lines()
    assert line["reachable"] is False


def test_several_and_none(bare: Installation, api: Firm) -> None:
    """Those are meant that take what is asked for; Torch alone says that it takes none."""
    bare("channels", "test", "team")
    ran = bare("upstream", "register")
    assert (ran.code, ran.out) == (2, "")
    assert "[upstream.parley]" in ran.err
    assert bare("upstream", "status").out == "No [upstream] is configured.\n"
    configure(bare, api.url, name="torch", kind="torch")
    ran = bare("upstream", "register")
    assert ran.code == 2
    assert "Parley contact" in ran.err
    configure(bare, api.url)
    assert bare("upstream", "register").out == "0 cases registered with parley.\n"
    ran = bare("upstream", "subscribe")
    assert ran.code == 2
    assert 'secret_file = "parley-subscription.secret"' in ran.err
    assert bare("upstream", "status", "parly").code == 1
    configure(bare, api.url, name="second")
    ran = bare("upstream", "subscribe")
    assert ran.code == 2
    assert "name one of parley, second" in ran.err
    bare.config.write_text(bare.config.read_text().partition("[upstream.second]")[0])
    assert len(bare("upstream", "status", "--json").lines()) == 2
