"""People behind README's proxies: they sign in, act, and are who they are."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
import pytest_asyncio

from casebell.actors import Role
from casebell.clock import SystemClock
from docs.pages import PAGES
from e2e.proxies import Proxy, running
from e2e.proxy_kinds import KINDS, Place, ProxyKind
from e2e.sender import deliver
from e2e.server import SOURCES, Server
from raw_admin import ask
from service.oidc.provider import Provider

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

PASSWORD = "correct horse battery staple"
PUBLIC = 'public_url = "https://casebell.test"\ntrusted_proxies = ["127.0.0.1"]\n'
#: Where somebody is, who is not the proxy.
VISITOR = "127.0.0.2"
#: README's own, each with its file and the line before which more can stand.
LINES = {
    "nginx": ("nginx.conf", "location / {"),
    "caddy": ("Caddyfile", "reverse_proxy"),
    "haproxy": ("haproxy.cfg", "default_backend"),
    "apache": ("apache.conf", 'ProxyPass "/"'),
}
READMES = [kind for kind in KINDS if kind.name in LINES]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider() -> AsyncIterator[Provider]:
    """An identity provider."""
    async with Provider(SystemClock()) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    """Behind TLS, as far as it knows; an admin has an account."""
    oidc = (
        f'[console.oidc]\nissuer = "{provider.issuer}"\nclient_id = "casebell"\n'
        'client_secret = "s"\nroles = { "lawyers" = "viewer" }\n'
    )
    made = Server(tmp_path_factory.mktemp("proxies"), SOURCES + oidc, server=PUBLIC)
    try:
        await made.start()
        socket = made.directory / "casebell.db.sock"
        await ask(socket, "add_account", name="ana", role=Role.ADMIN, password=PASSWORD)
        await deliver(made)
        yield made
    finally:
        await made.gone()


@asynccontextmanager
async def browser(proxy: Proxy) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody elsewhere, before a proxy."""
    transport = httpx2.AsyncHTTPTransport(local_address=VISITOR)
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{proxy.port}",
        transport=transport,
        headers={"Host": "casebell.test"},
    ) as client:
        yield client


def without_api(kind: ProxyKind) -> ProxyKind:
    """A proxy that keeps the API for itself, as docs/api.md says."""
    file, line = LINES[kind.name]
    rows = dict(re.findall(r"^\| (\w+) \| `(.+?)`.*\|$", PAGES["docs/api.md"], re.MULTILINE))
    more = {name.lower(): row for name, row in rows.items()}[kind.name]

    def configure(place: Place) -> list[str]:
        arguments = kind.configure(place)
        before, found, after = (place.folder / file).read_text().partition(line)
        place.write(file, f"{before}{more}\n{found}{after}")
        return arguments

    return replace(kind, configure=configure)


@pytest.mark.parametrize("kind", READMES, ids=str)
async def test_somebody_signs_in(kind: ProxyKind, server: Server, tmp_path: Path) -> None:
    """From an alert's link to the event and a button; the record has where they are."""
    async with running(kind, tmp_path, server.port) as proxy, browser(proxy) as client:
        asked = await client.get("/events/1")
        assert asked.headers["Location"] == "/sign-in?next=%2Fevents%2F1"
        form = {"name": "ana", "password": PASSWORD, "next": "/events/1"}
        ours = {"Sec-Fetch-Site": "same-origin"}
        signed_in = await client.post("/sign-in", data=form, headers=ours)
        assert (signed_in.status_code, signed_in.headers["Location"]) == (303, "/events/1")
        cookie = signed_in.headers["Set-Cookie"]
        assert re.match(r"__Host-casebell-session=[^;]+; Path=/; HttpOnly; .*Secure", cookie)
        # Here the way to the proxy is no TLS, so the client would keep it to itself.
        with_cookie = {"Cookie": cookie.partition(";")[0]}
        event = await client.get("/events/1", headers=with_cookie)
        assert event.status_code == 200
        assert "Request for Evidence" in event.text
        assert event.headers.get_list("Strict-Transport-Security") == ["max-age=31536000"]
        assert len(event.headers.get_list("Content-Security-Policy")) == 1
        # An older browser names its origin, which is that of the configured address.
        older = {"Origin": "https://casebell.test", **with_cookie}
        done = await client.post("/zone", data={"zone": "utc", "next": "/events/1"}, headers=older)
        assert (done.status_code, done.headers["Location"]) == (303, "/events/1")
        foreign = {"Origin": "https://elsewhere.test", **with_cookie}
        assert (await client.post("/zone", data={}, headers=foreign)).status_code == 403
        export = await client.post("/events/export", data={}, headers=ours | with_cookie)
        assert json.loads(export.text.splitlines()[-1])["export"]["rows"] == 1
    began = server.rows("SELECT data FROM journal WHERE kind = 'session.began' ORDER BY seq")
    assert json.loads(began[-1][0])["address"] == VISITOR


@pytest.mark.parametrize("kind", READMES, ids=str)
async def test_the_firms_own_sign_in(
    kind: ProxyKind, server: Server, provider: Provider, tmp_path: Path
) -> None:
    """What the browser carries there comes through, however long the page's address is."""
    async with running(kind, tmp_path, server.port) as proxy, browser(proxy) as client:
        for length in (10, 1_000, 1_200, 1_400, 4_000):
            path = quote(f"/events?text={'x' * length}", safe="")
            sent = await client.get(f"/sign-in/oidc?next={path}")
            assert sent.status_code == 303, length
            assert sent.headers["Location"].startswith(f"{provider.issuer}/authorize?")
            assert sent.headers["Set-Cookie"].startswith("__Host-casebell-pending=")
        # Codes of Entra ID have up to 2,000 characters.
        back = await client.get(f"/sign-in/oidc/callback?code={'c' * 2_500}&state=s")
        assert back.status_code == 400
        assert "This sign-in is not open in this browser." in back.text


@pytest.mark.parametrize("kind", READMES, ids=str)
async def test_what_is_not_for_the_world(kind: ProxyKind, server: Server, tmp_path: Path) -> None:
    """Neither the metrics nor an API without a token; where nothing is, Casebell says so itself."""
    async with running(kind, tmp_path, server.port) as proxy, browser(proxy) as client:
        paths = {"/metrics": 404, "/api/v1/events": 401, "/webhook/parley": 404, "/health": 200}
        for path, status in paths.items():
            answer = await client.get(path)
            assert answer.status_code == status, path
            assert "X-Request-Id" in answer.headers


@pytest.mark.parametrize("kind", READMES, ids=str)
async def test_the_api_is_kept(kind: ProxyKind, server: Server, tmp_path: Path) -> None:
    """With the line of docs/api.md the proxy answers for the API, and nothing else changes."""
    async with running(without_api(kind), tmp_path, server.port) as proxy, browser(proxy) as client:
        kept = await client.get("/api/v1/events")
        assert kept.status_code == 404
        assert "X-Request-Id" not in kept.headers
        assert (await client.get("/sign-in")).status_code == 200
