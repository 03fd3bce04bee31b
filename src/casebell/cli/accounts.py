"""`casebell accounts`: what people sign in with."""

import contextlib
import getpass
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from casebell.actors import Role
from casebell.cli.options import AsJson, By, Config, command_group, text_argument, text_option
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_answer, print_rows, print_to_stderr
from casebell.networks import host_of
from casebell.service.done_in_words import account_became
from casebell.times import local_time

app = command_group()

#: Bytes that are read of a password: more than one may have.
MAX_READ = 4_096
#: Clears what `set` could give.
NOTHING = "none"

Name = Annotated[str, text_argument(metavar="NAME", help="What is signed in with.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
Email = Annotated[str | None, text_option(metavar="ADDRESS", help="An e-mail address.")]
Person = Annotated[str | None, text_option(metavar="ID", help="Whose cases are its own.")]
Expires = Annotated[
    str | None,
    text_option(
        metavar="WHEN", help='When nobody may sign in with it any more: "30d", "2027-01-31".'
    ),
]


@app.command("add")
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What it may see and do.")],
    email: Email = None,
    person: Person = None,
    expires: Expires = None,
    password_stdin: PasswordStdin = False,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Add an account. Its password is asked for, twice, or read from standard input."""
    client = ServiceClient(config)
    answer = client.do(
        "add_account",
        by=by,
        name=name,
        role=role,
        password=_password(from_stdin=password_stdin),
        email=email,
        person=person,
        expires=expires,
    )
    _print(answer, "add_account", client.timezone, as_json=as_json)


@app.command("list")
def list_accounts(as_json: AsJson = False, config: Config = None) -> None:
    """All accounts by name."""
    client = ServiceClient(config)
    found = client.read("list_accounts")
    zone = client.timezone
    print_rows(
        found,
        {
            "NAME": "name",
            "ROLE": "role",
            "STATE": "state",
            "SECOND FACTOR": lambda one: "yes" if one["second_factor"] else "no",
            "EXPIRES": lambda one: local_time(one["expires_at"], zone),
            "SIGNS IN OVER": lambda one: host_of(one["issuer"]) if one["issuer"] else "password",
            "LAST SIGN-IN": lambda one: local_time(one["last_sign_in_at"], zone),
            "PERSON": "person",
            "EMAIL": "email",
        },
        as_json=as_json,
        empty="There is no account.",
    )


@app.command("set")
def set_account(
    name: Name,
    role: Annotated[Role | None, typer.Option(help="What it may see and do.")] = None,
    email: Email = None,
    person: Person = None,
    expires: Expires = None,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Change an account; "none" clears an address, a person or an end."""
    given = {"role": role, "email": email, "person": person, "expires": expires}
    changes = {
        key: None if value == NOTHING else value
        for key, value in given.items()
        if value is not None
    }
    if not changes:
        raise typer.BadParameter("Name what to change: --role, --email, --person, --expires.")
    client = ServiceClient(config)
    answer = client.do("set_account", by=by, name=name, changes=changes)
    _print(answer, "set_account", client.timezone, as_json=as_json)


@app.command("enable")
def enable(name: Name, by: By = None, as_json: AsJson = False, config: Config = None) -> None:
    """Let a disabled account sign in again."""
    client = ServiceClient(config)
    answer = client.do("enable_account", by=by, name=name)
    _print(answer, "enable_account", client.timezone, as_json=as_json)


@app.command("disable")
def disable(name: Name, by: By = None, as_json: AsJson = False, config: Config = None) -> None:
    """Let nobody sign in with an account any more."""
    client = ServiceClient(config)
    answer = client.do("disable_account", by=by, name=name)
    _print(answer, "disable_account", client.timezone, as_json=as_json)


@app.command("password")
def password(
    name: Name,
    password_stdin: PasswordStdin = False,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Give an account another password."""
    client = ServiceClient(config)
    typed = _password(from_stdin=password_stdin)
    answer = client.do("set_password", by=by, name=name, password=typed)
    _print(answer, "set_password", client.timezone, as_json=as_json)


@app.command("reset")
def reset(name: Name, by: By = None, as_json: AsJson = False, config: Config = None) -> None:
    """Forget the second factor of whoever lost it, and end their sessions."""
    client = ServiceClient(config)
    answer = client.do("reset_second_factor", by=by, name=name)
    _print(answer, "reset_second_factor", client.timezone, as_json=as_json)


def _print(answer: Mapping[str, Any], verb: str, zone: str, *, as_json: bool) -> None:
    """Say what an account is now."""
    print_answer(answer, account_became(verb, answer), as_json=as_json)
    if answer["state"] == "expired" and not as_json:
        print_to_stderr(
            f"It expired at {local_time(answer['expires_at'], zone)}.",
            f"`casebell accounts set {answer['name']} --expires 30d` lets it sign in again.",
        )


def _password(*, from_stdin: bool) -> str:
    """A password that nobody sees: never an argument, which `ps` and a history would show.

    Raises:
        BadParameter: there is no terminal to ask at, both differ, or it is no text on one line.
    """
    if not from_stdin:
        if not sys.stdin.isatty():
            raise typer.BadParameter("Here nobody can be asked: use --password-stdin.")
        try:
            typed, again = getpass.getpass("Password: "), getpass.getpass("The same again: ")
        except EOFError:
            raise typer.BadParameter("No password was given.") from None
        if again != typed:
            raise typer.BadParameter("These are two different passwords.")
        return typed
    given = sys.stdin.buffer.read(MAX_READ)
    line: str | None = None
    # Not from its error, which has the whole password.
    with contextlib.suppress(UnicodeDecodeError):
        # The end of the line is not the password's: `echo` and editors add one.
        line = given.decode().removesuffix("\n").removesuffix("\r")
    if line is None or "\n" in line or len(given) == MAX_READ:
        raise typer.BadParameter("A password is UTF-8 text on one line.")
    return line
