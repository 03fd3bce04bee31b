"""What we subclass or reach into of other packages is there, and pinned (docs/dependencies.md).

A failure here names the package that changed and the place of ours that relies on it. Each place in
`src` carries the mark "Reaches into".
"""

import asyncio
import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import asyncpg
import httptools
import pytest
import typer
import uvicorn
from apprise import Apprise
from apprise.plugins.base import NotifyBase
from packaging.requirements import Requirement
from packaging.version import Version
from pydantic_settings import BaseSettings, EnvSettingsSource
from typer.core import TyperGroup
from uvicorn.protocols.http import flow_control, httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from casebell.http.guard import Guard
from casebell.http.one_write import OneWrite
from casebell.notify.apprise_url import plugins

CHECKOUT = Path(__file__).parents[1]
MARK = re.compile(r"Reaches into ([\w-]+)(?: and ([\w-]+))?")


def marked() -> dict[str, list[str]]:
    """The files of ours that reach into a package, by its name."""
    found: dict[str, list[str]] = {}
    for path in sorted((CHECKOUT / "src").rglob("*.py")):
        for mark in MARK.finditer(path.read_text()):
            for package in filter(None, mark.groups()):
                found.setdefault(package, []).append(path.name)
    return found


def test_each_is_pinned_to_its_minor_version() -> None:
    """`>=0.54,<0.55`: a release that may break us is taken on purpose only."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    asked = {one.name: one for one in map(Requirement, project["dependencies"])}
    for package, files in marked().items():
        bounds = {one.operator: Version(one.version) for one in asked[package].specifier}
        assert set(bounds) == {">=", "<"}, f"{package}, for {files}"
        least, below = bounds[">="].release, bounds["<"].release
        assert below == (least[0], least[1] + 1), f"{package}, for {files}"


def test_every_private_name_of_others_is_marked() -> None:
    """Where the linter is told to let a private name pass, the mark says whose it is."""
    for path in (CHECKOUT / "src").rglob("*.py"):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if "SLF001" in line:
                before = "\n".join(lines[max(0, number - 2) : number])
                assert MARK.search(before), f"{path.name}:{number + 1}"


def test_the_page_names_each() -> None:
    """docs/dependencies.md has a row for every package that is marked, and no other."""
    page = (CHECKOUT / "docs/dependencies.md").read_text()
    table = page.partition("## What is pinned")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")][1:]
    assert {name.strip() for row in rows for name in row.split(",")} == set(marked())


def needs(package: str, what: object, *names: str) -> None:
    """Fail with the package, the places of ours, and the names that are missing."""
    missing = [name for name in names if not hasattr(what, name)]
    assert not missing, f"{package} lost {missing}: see {marked()[package]}"


def test_uvicorn_has_the_protocol_that_we_subclass() -> None:
    """The callbacks that our connection overrides, and the state that it reads and sets."""
    config = uvicorn.Config(lambda: None, lifespan="off", log_config=None)
    protocol = HttpToolsProtocol(config, ServerState(), {}, _loop=asyncio.new_event_loop())
    try:
        state: tuple[str, ...] = (
            "pipeline",
            "cycle",
            "flow",
            "server_state",
            "tasks",
            "timeout_keep_alive",
        )
        state += ("parser", "headers", "expect_100_continue", "client", "loop", "transport")
        protocol.on_message_begin()
        state += ("app", "connections", "scope")
        needs("uvicorn", protocol, *state, "url")
    finally:
        protocol.loop.close()
    overridden = {name for name in vars(Guard) if not name.startswith("_")} - {"idle"}
    needs("uvicorn", HttpToolsProtocol, *overridden)


def test_uvicorn_has_the_requests_that_we_end() -> None:
    """What the guard reads and sets of a request that is broken, or whose sender has left."""
    source = inspect.getsource(RequestResponseCycle.__init__)
    names = ("response_started", "response_complete", "keep_alive", "disconnected", "message_event")
    missing = [name for name in names if f"self.{name} =" not in source]
    assert not missing, f"uvicorn's requests lost {missing}: see {marked()['uvicorn']}"


def test_uvicorn_asks_of_a_transport_what_ours_has() -> None:
    """A guarded connection writes through a transport of ours."""
    source = inspect.getsource(httptools_impl) + inspect.getsource(flow_control)
    asked = set(re.findall(r"\btransport\.(\w+)", source)) - {"set_protocol"}
    missing = asked - set(vars(OneWrite))
    assert not missing, f"uvicorn asks a transport for {missing}: see {marked()['uvicorn']}"


def test_uvicorn_has_the_server_that_we_subclass() -> None:
    """What our start sets, and what we leave out."""
    server = uvicorn.Server(uvicorn.Config(lambda: None, log_config=None))
    needs("uvicorn", server, "config", "server_state", "started", "should_exit", "force_exit")
    needs("uvicorn", uvicorn.Server, "startup", "capture_signals", "serve")
    source = inspect.getsource(uvicorn.Server.shutdown)
    assert "for server in self.servers" in source, "uvicorn closes its sockets in another way"


class Noted:
    """What the parser said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def on_headers_complete(self) -> None:
        self.said.append("head")

    def on_body(self, body: bytes) -> None:
        self.said.append(f"body {body!r}")

    def on_message_complete(self) -> None:
        self.said.append("end")


@pytest.mark.parametrize("method", ["POST", "CONNECT"])
def test_httptools_skips_the_body_at_an_upgrade_offer(method: str) -> None:
    """It says where the head ended, and has read nothing behind it: our connection goes on there.

    Where this fails, the parser reads such bodies itself, or says it otherwise: see `_feed`.
    """
    noted = Noted()
    parser = httptools.HttpRequestParser(noted)
    offer = "Connection: Upgrade\r\nUpgrade: x\r\n" if method == "POST" else ""
    head = f"{method} x:1 HTTP/1.1\r\n{offer}Content-Length: 4\r\n\r\n".replace(
        "POST x:1", "POST /"
    )
    with pytest.raises(httptools.HttpParserUpgrade) as raised:
        parser.feed_data(head.encode() + b"body")
    assert raised.value.args == (len(head),)
    assert parser.should_upgrade()
    assert noted.said == ["head", "end"]


def test_asyncpg_has_its_transport() -> None:
    """The socket behind a connection, for its time-outs."""
    needs("asyncpg", asyncpg.Connection, "_transport", "terminate")


def test_apprise_says_what_a_plug_in_is() -> None:
    """By class and by instance; `tests/notify/test_apprise_load.py` shows what we make of it."""
    by_class = ("protocol", "secure_protocol", "templates", "template_tokens", "template_args")
    needs(
        "apprise",
        NotifyBase,
        *by_class,
        "enabled",
        "request_rate_per_sec",
        "resolve_format",
        "dialect_convert",
    )
    plugins()
    mail: Any = Apprise.instantiate("mailtos://u:p@example.com?from=a@example.com")
    needs("apprise", mail, "smtp_host", "secure_mode", "targets", "host")
    needs("apprise", mail, "socket_connect_timeout", "socket_read_timeout", "redirects")
    needs("apprise", mail, "port", "user", "password", "from_addr", "reply_to", "names", "headers")
    needs("apprise", mail, "pgp_mode")
    assert (mail.secure_mode, mail.pgp_mode) == ("starttls", "no")
    table = plugins()
    for schema, seam in (("slack", "_send"), ("workflows", "gen_payload"), ("azure", "_fetch")):
        needs("apprise", table[schema], seam)


def test_typer_has_the_group_that_we_subclass() -> None:
    """It asks a group for its commands one by one, and makes a command of an application."""
    needs("typer", TyperGroup, "list_commands", "get_command", "format_commands")
    needs("typer", typer.main, "get_command")


def test_pydantic_settings_merges_what_sources_say() -> None:
    """Without validating it; and the source that we subclass takes the variables from us."""
    needs("pydantic-settings", BaseSettings, "_settings_build_values")
    source = EnvSettingsSource(BaseSettings)
    needs("pydantic-settings", source, "env_vars", "decode_complex_value")
