"""The console behind the proxies of docs/it.md, as they stand there; Debian's own programs."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
import pytest_asyncio

from casebell.clock import SystemClock
from e2e.proxies import Proxy, running
from e2e.proxy_kinds import CONSOLE_KINDS, ProxyKind
from e2e.sender import document, encoded, signed
from e2e.server import SOURCES, Server
from raw_admin import ask
from service.oidc.provider import PEOPLE_URL, SECRET, Provider

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

PASSWORD = "correct horse battery staple"
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider() -> AsyncIterator[Provider]:
    """An identity provider."""
    async with Provider(SystemClock()) as made:
        made.claims = {"groups": ["lawyers"]}
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    """One for all of them, reached over TLS as far as it knows."""
    oidc = (
        f'[console.oidc]\nissuer = "{provider.issuer}"\nclient_id = "casebell"\n'
        f'client_secret = "{SECRET}"\nroles = {{ "lawyers" = "viewer" }}\n'
    )
    lines = f'public_url = "{PEOPLE_URL}"\ntrusted_proxies = ["127.0.0.1"]\n'
    made = Server(tmp_path_factory.mktemp("console"), SOURCES + oidc, server=lines)
    try:
        await made.start()
        socket = made.directory / "casebell.db.sock"
        await ask(socket, "add_account", name="ana", role="viewer", password=PASSWORD)
        yield made
    finally:
        await made.gone()


@pytest_asyncio.fixture(loop_scope="module", params=CONSOLE_KINDS, ids=str)
async def proxy(
    request: pytest.FixtureRequest, server: Server, tmp_path: Path
) -> AsyncIterator[Proxy]:
    """Each proxy, started for the test alone."""
    kind: ProxyKind = request.param
    async with running(kind, tmp_path, server.port) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def client(proxy: Proxy) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody before it."""
    base_url = f"http://127.0.0.1:{proxy.port}"
    async with httpx2.AsyncClient(base_url=base_url, trust_env=False, timeout=20) as made:
        yield made


def cookie_of(answer: httpx2.Response, name: str) -> str:
    """What a browser would send back; it must be for TLS and this host alone."""
    [found] = [one for one in answer.headers.get_list("set-cookie") if one.startswith(f"{name}=")]
    assert "Secure" in found
    return found.partition(";")[0]


async def test_signing_in(client: httpx2.AsyncClient) -> None:
    """From the form to a page, with each header of a page there once."""
    asked = await client.get("/events?status=rfe_issued")
    assert (asked.status_code, asked.headers["Location"]) == (
        303,
        f"/sign-in?next={quote('/events?status=rfe_issued', safe='')}",
    )
    fields = {"name": "ana", "password": PASSWORD, "next": "/events"}
    answer = await client.post("/sign-in", data=fields, headers=OURS)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/events")
    session = cookie_of(answer, "__Host-casebell-session")
    page = await client.get("/events", headers={"Cookie": session})
    assert page.status_code == 200
    for name in ("content-security-policy", "strict-transport-security", "cache-control"):
        assert len(page.headers.get_list(name)) == 1, name
    style = await client.get("/static/casebell.css")
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    foreign = await client.post("/sign-out", headers={"Cookie": session, "Sec-Fetch-Site": "none"})
    assert foreign.status_code == 403


async def test_signing_in_over_the_provider(client: httpx2.AsyncClient, provider: Provider) -> None:
    """There and back, with the longest path that a sign-in carries: its answer is let through."""
    began: dict[int, httpx2.Response] = {}
    for length in (10, 500, 1_000, 1_250, 1_500, 4_000):
        path = f"/events?text={'x' * length}"
        began[length] = await client.get(f"/sign-in/oidc?next={quote(path, safe='')}")
        assert began[length].status_code == 303, length
    answer = provider.approve(began[1_000].headers["Location"])
    pending = cookie_of(began[1_000], "__Host-casebell-pending")
    back = await client.get("/sign-in/oidc/callback", params=answer, headers={"Cookie": pending})
    assert (back.status_code, back.headers["Location"]) == (303, f"/events?text={'x' * 1_000}")
    session = cookie_of(back, "__Host-casebell-session")
    assert (await client.get("/account", headers={"Cookie": session})).status_code == 200


async def test_deliveries_beside_it(client: httpx2.AsyncClient) -> None:
    """Come in over the same host; what is not there is a 404, and metrics are for nobody."""
    body = encoded(document())
    answer = await client.post("/webhooks/parley", content=body, headers=signed(body))
    assert answer.json()["status"] == "stored"
    for path in ("/metrics", "/nothing", "/webhooks/parly"):
        assert (await client.get(path)).status_code in (404, 405), path
