"""`casebell accounts`: who signs in, with a server and without one; no password is seen."""

import asyncio
import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing

import pytest

from cli.installation import Installation, serving
from e2e.server import PROCESS_TIMEOUT, CommandResult, environment
from raw_admin import ask, say

GOOD = "correct horse battery staple"
OTHER = "incorrect horse battery staple"

Typing = Callable[..., CommandResult]


@pytest.fixture
def typing(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Typing:
    """A command with bytes on its standard input."""

    def run(*words: str, stdin: bytes = GOOD.encode() + b"\n") -> CommandResult:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        return installation("accounts", *words, "--password-stdin")

    return run


def test_from_the_first_to_the_last(installation: Installation, typing: Typing) -> None:
    """Added, shown, changed, disabled, enabled, given another password: each says what is now."""
    assert installation("accounts", "list").out == "There is no account.\n"
    ran = typing("add", "Ana", "--role", "admin", "--email", "a@x.org", "--expires", "30d")
    assert (ran.code, ran.out, ran.err) == (0, "Account Ana (admin) is added.\n", "")
    heading, listed = installation("accounts", "list").out.splitlines()
    assert heading.split()[:5] == ["NAME", "ROLE", "STATE", "SECOND", "FACTOR"]
    assert listed.split()[:3] == ["Ana", "admin", "active"]
    for words, says in {
        ("set", "ana", "--role", "viewer", "--email", "none"): "Account Ana (viewer) is changed.",
        ("disable", "ana"): "Account Ana (viewer) is disabled.",
        ("enable", "ana"): "Account Ana (viewer) is enabled.",
    }.items():
        ran = installation("accounts", *words, "--by", "Jia Chan")
        assert (ran.code, ran.out, ran.err) == (0, f"{says}\n", "")
    assert typing("password", "ana", stdin=OTHER.encode()).out == (
        "Account Ana (viewer) has another password.\n"
    )
    [one] = installation("accounts", "list", "--json").lines()
    assert (one["name"], one["role"], one["email"], one["state"]) == (
        *("Ana", "viewer", None, "active"),
    )
    kinds = installation.rows("SELECT kind FROM journal WHERE subject = 'account:Ana'")
    assert [kind for (kind,) in kinds] == [
        *("account.added", "account.changed", "account.disabled", "account.enabled"),
        "account.password_changed",
    ]


def test_a_second_factor_that_was_lost(installation: Installation, typing: Typing) -> None:
    """Forgotten once; the list says who has one."""
    assert typing("add", "ana", "--role", "viewer").code == 0
    assert installation("accounts", "list").out.splitlines()[1].split()[3] == "no"
    ran = installation("accounts", "reset", "ana")
    assert (ran.code, ran.out) == (1, "")
    assert "Account “ana” has no second factor." in ran.err
    installation.write("UPDATE accounts SET totp_secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'")
    assert installation("accounts", "list").out.splitlines()[1].split()[3] == "yes"
    ran = installation("accounts", "reset", "ANA", "--by", "Jia Chan")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "Account ana (viewer) has no second factor any more.\n"
    assert installation.rows("SELECT totp_secret, totp_step FROM accounts") == [(None, None)]


def test_the_answer_is_no(installation: Installation, typing: Typing) -> None:
    """Exit code 1 for a name that is taken or none, or a state that it has already."""
    assert typing("add", "ana", "--role", "viewer").code == 0
    ran = typing("add", "ANA", "--role", "viewer")
    assert (ran.code, ran.out) == (1, "")
    assert "There is an account “ana” already." in ran.err
    assert "Did you mean `ana`?" in installation("accounts", "disable", "anna").err
    ran = installation("accounts", "enable", "ana")
    assert (ran.code, ran.out) == (1, "")


@pytest.mark.parametrize(
    "stdin",
    [
        *(b"", b"\n", b"short\n", b"two lines of it\nand more\n", GOOD.encode() + b"\n\n"),
        *(b"\xff\xfe" + GOOD.encode(), GOOD.encode() * 200, b"x" * 1_025),
    ],
)
def test_what_is_no_password(installation: Installation, typing: Typing, stdin: bytes) -> None:
    """Exit code 2; what was typed is not shown, with a traceback neither."""
    for words in (
        ("add", "ana", "--role", "viewer"),
        ("add", "ana", "--role", "viewer", "--debug"),
    ):
        ran = typing(*words, stdin=stdin)
        assert (ran.code, ran.out) == (2, "")
        assert GOOD not in ran.err
        assert "password" in ran.err.lower()
    assert installation.rows("SELECT * FROM accounts") == []


def test_a_line_end_is_not_the_passwords(installation: Installation, typing: Typing) -> None:
    """As a file, `echo` and Windows have it; spaces are the password's."""
    for number, end in enumerate((b"", b"\n", b"\r\n")):
        assert (
            typing("add", f"a{number}", "--role", "viewer", stdin=b" 0123456789 " + end).code == 0
        )
        assert typing("add", "b", "--role", "viewer", stdin=b"0123456789" + end).code == 2


def test_usage(installation: Installation, typing: Typing) -> None:
    """A password is no option, and nobody can be asked where there is no terminal."""
    ran = installation("accounts", "add", "ana", "--role", "viewer", f"--password={GOOD}")
    assert (ran.code, ran.out) == (2, "")
    assert GOOD not in ran.err
    for words, says in {
        ("add", "ana", "--role", "viewer"): "use --password-stdin",
        ("password", "ana"): "use --password-stdin",
        ("set", "ana"): "Name what to change",
        ("set", "ana", "--role", "none"): "'none' is not one of",
    }.items():
        ran = installation("accounts", *words)
        assert (words, ran.code, ran.out) == (words, 2, "")
        assert says in ran.err
    for words in (("--expires", "soon"), ("--email", "ana"), ("--person", "a b")):
        assert typing("add", "ana", "--role", "viewer", *words).code == 2


def test_expired(installation: Installation, typing: Typing) -> None:
    """The list says so, and whoever enables it hears what to do."""
    assert typing("add", "guest", "--role", "viewer", "--expires", "1ms").code == 0
    assert installation("accounts", "list").out.splitlines()[1].split()[2] == "expired"
    assert installation("accounts", "disable", "guest").code == 0
    ran = installation("accounts", "enable", "guest")
    assert (ran.code, ran.out) == (0, "Account guest (viewer) is enabled.\n")
    assert "casebell accounts set guest --expires 30d" in ran.err
    assert installation("accounts", "set", "guest", "--expires", "none").err == ""


def prompted(installation: Installation, *answers: str) -> tuple[int, str]:
    """`accounts add` at a terminal, where somebody types; the code, and what was seen."""
    ours, theirs = pty.openpty()
    words = ["accounts", "add", "ana", "--role", "viewer", "--config", str(installation.config)]
    with closing(os.fdopen(ours, "r+b", buffering=0)) as terminal:
        process = subprocess.Popen(
            [sys.executable, "-m", "casebell", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment(),
            # The terminal is its own, so that it asks there.
            start_new_session=True,
        )
        os.close(theirs)
        seen = b""
        waiting = list(answers)
        try:
            while chunk := terminal.read(4_096):
                seen += chunk
                # Not before it asks: until then the terminal shows what is typed.
                if waiting and seen.endswith((b"Password: ", b"same again: ")):
                    terminal.write(waiting.pop(0).encode() + b"\n")
        except OSError:
            pass  # The other end is closed.
        return process.wait(PROCESS_TIMEOUT), seen.decode()


@pytest.mark.slow
def test_asked_for(installation: Installation) -> None:
    """Twice, without an echo."""
    code, seen = prompted(installation, GOOD, OTHER)
    assert code == 2
    assert "two different passwords" in seen
    code, again = prompted(installation, GOOD, GOOD)
    assert (code, "is added" in again) == (0, True)
    assert GOOD not in seen + again


@pytest.mark.slow
def test_beside_a_server(installation: Installation, typing: Typing) -> None:
    """Over the socket, whatever goes wrong, no log, journal or answer has a password."""
    socket = installation.directory / "casebell.db.sock"
    bad = {"name": "ana", "role": "viewer"}

    async def misuse() -> str:
        answers = [
            await ask(socket, "add_account", **bad, password=given)
            for given in ([GOOD], {GOOD: GOOD}, 5, None, GOOD + "\udc80", GOOD * 99)
        ]
        answers += [
            await ask(socket, "add_account", name=GOOD, role=GOOD, password=GOOD),
            await ask(socket, "set_password", name="none", password=GOOD, more=GOOD),
            await ask(socket, f"set_password {GOOD}", password=GOOD),
        ]
        assert all(list(one) == ["error"] for one in answers)
        return f"{answers}{await say(socket, GOOD.encode())!r}"

    with serving(installation):
        assert typing("add", "ana", "--role", "viewer").code == 0
        assert typing("password", "ana", stdin=OTHER.encode()).code == 0
        assert typing("password", "anna").code == 1
        assert GOOD not in asyncio.run(misuse())
        assert installation("accounts", "list", "--json").lines()[0]["name"] == "ana"
        token = installation("tokens", "add", "practice", "--role", "viewer").out.strip()
        assert installation("tokens", "list", "--json").lines()[0]["name"] == "practice"
        assert installation("tokens", "revoke", "practise").code == 1
        assert installation("tokens", "revoke", "practice").code == 0
    log = (installation.directory / "serve.log").read_text()
    assert '"admin.defect"' in log
    tables = installation.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
    rows = [repr(installation.rows(f"SELECT * FROM {name}")) for (name,) in tables]
    for secret in (GOOD, OTHER, token):
        assert secret not in log + "".join(rows)
    assert "".join(rows).count("$argon2id$") == 1
    told = installation.rows("SELECT kind, actor FROM journal WHERE subject = 'token:practice'")
    assert [kind for kind, _ in told] == ["token.added", "token.revoked"]
    assert all(actor.startswith("cli:") for _, actor in told)


def test_a_person_who_may_come_later(installation: Installation, typing: Typing) -> None:
    """Taken, with a warning; one of the configuration is taken without."""
    text = installation.config.read_text()
    installation.config.write_text(text + '[people.jchan]\nname = "Jia Chan"\n')
    ran = typing("add", "Jia", "--role", "viewer", "--person", "jchin")
    assert ran.out.splitlines() == [
        "Account Jia (viewer) is added.",
        "Warning: There is no [people.jchin] in the configuration. Did you mean `jchan`?",
    ]
    ran = installation("accounts", "set", "jia", "--person", "jchan")
    assert ran.out == "Account Jia (viewer) is changed.\n"
