"""The links of messages, over real sockets: a scanner acknowledges nothing, a person does."""

import email.policy
import re
from collections.abc import AsyncIterator
from email import message_from_bytes
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from browser.axe import problems
from browser.browsing import NARROW, WIDE, Browsing
from casebell.sandbox.mail_sink import Mail, SmtpSink
from casebell.store.schema import cases
from contracts.cases import with_keys
from contracts.stores import store_in
from contracts.writing import writing
from e2e.sender import deliver
from e2e.server import SOURCES, Server
from waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

RECEIPTS = [f"IOE091234570{number}" for number in range(4)]
#: The address of people is that of the test's server, which is known once it runs.
CONFIGURATION = """
[channels.mail]
url = "mailto://127.0.0.1:{port}?from=casebell@firm.com"
to = ["@owner"]
unassigned = ["rfe@firm.com"]
pace = "0s"
disclose = "standard"

[people.jchan]
name = "Jia Chan"
email = "jchan@firm.com"

[[rules]]
name = "All"
when = {{}}
notify = ["mail"]
urgent = true
"""
PUBLIC = "https://casebell.example-firm.com"
ADDRESS = re.compile(r"https?://[^\s\"'<>]+")


class Site:
    """A server whose mails arrive, and what a browser sees of it."""

    def __init__(self, browsing: Browsing, sink: SmtpSink) -> None:
        self.browsing, self.sink = browsing, sink

    @property
    def server(self) -> Server:
        """The server."""
        return self.browsing.server

    def here(self, address: str) -> str:
        """An address of a mail, at the server itself."""
        return address.replace(PUBLIC, self.server.url)

    def mail_of(self, receipt: str) -> Mail:
        """The mail about a case."""
        (mail,) = [one for one in self.sink.mails if f"…{receipt[-4:]}" in text_of(one)]
        return mail

    def link_of(self, receipt: str) -> str:
        """The path of its link."""
        (address,) = {one for one in addresses_of(self.mail_of(receipt)) if "/a/" in one}
        return urlsplit(address).path

    def acknowledged(self) -> list[str]:
        """By whom anything was acknowledged."""
        return [who for (who,) in self.server.rows("SELECT actor FROM acknowledgements")]


def text_of(mail: Mail) -> str:
    """Every part of a mail."""
    parsed = message_from_bytes(mail.content, policy=email.policy.default)
    return "\n".join(str(part.get_content()) for part in parsed.walk() if not part.is_multipart())


def addresses_of(mail: Mail) -> set[str]:
    """Every address in it."""
    return set(ADDRESS.findall(text_of(mail)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def links(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """Four requests for evidence were told to their owner by mail."""
    folder: Path = tmp_path_factory.mktemp("links")
    store = store_in(folder)
    async with store, writing(store) as connection:
        for receipt in RECEIPTS:
            said = with_keys({"owner": "jchan", "label": "Diaz <b>&"})
            await connection.execute(cases.insert().values(receipt=receipt, updated_at=0, **said))
    async with SmtpSink() as sink:
        configuration = CONFIGURATION.format(port=sink.port)
        head = f'[console]\npublic_url = "{PUBLIC}"\n'
        server = Server(folder, SOURCES + head + configuration)
        try:
            await server.start()
            made = Browsing(browser, server)
            await made.add_accounts()
            for receipt in RECEIPTS:
                await deliver(server, receipt_number=receipt)
            await until(lambda: len(sink.mails) == len(RECEIPTS), "every mail")
            await server.settled()
            yield Site(made, sink)
        finally:
            await server.gone()


async def test_a_scanner(links: Site) -> None:
    """It fetches every address of every mail, follows redirects and runs scripts: nothing is done.

    Nor does posting without a page, or from another site.
    """
    addresses = {one for mail in links.sink.mails for one in addresses_of(mail)}
    ours = sorted(one for one in addresses if one.startswith(PUBLIC))
    assert len([one for one in ours if "/a/" in one]) == len(RECEIPTS)
    async with httpx2.AsyncClient(follow_redirects=True) as client:
        for address in ours:
            for method in ("GET", "HEAD"):
                answer = await client.request(method, links.here(address))
                assert answer.status_code == 200, address
                if "/a/" in address:
                    assert answer.headers["Cache-Control"] == "no-store"
                    assert answer.headers["X-Robots-Tag"] == "noindex"
                    assert answer.headers["Referrer-Policy"] == "no-referrer"
                    assert "Set-Cookie" not in answer.headers
            for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
                posted = await client.post(links.here(address), headers=headers)
                assert posted.status_code in (403, 405)
    async with links.browsing.visitor(None) as visitor:
        for address in ours:
            await visitor.page.goto(links.here(address), wait_until="networkidle")
    assert links.acknowledged() == []


async def test_the_token_is_in_the_mail_alone(links: Site) -> None:
    """Neither the database nor the log has it, also of requests that went wrong."""
    token = links.link_of(RECEIPTS[0]).removeprefix("/a/")
    async with httpx2.AsyncClient() as client:
        for path in (
            f"/a/{token}/",
            f"/a/{token}/x",
            f"//a/{token}",
            f"/A/{token}",
            f"/a/{token}.",
        ):
            answer = await client.get(links.server.url + path)
            assert answer.status_code in (200, 404), path
            await client.post(links.server.url + path, content=b"{}")
    await links.server.logged("request.refused")
    everything = links.server.log.read_bytes()
    for file in links.server.directory.glob("casebell.db*"):
        if file.is_file():
            everything += file.read_bytes()
    assert token.encode() not in everything
    bodies = links.server.rows("SELECT body FROM attempts")
    assert all("Acknowledge:\n" + PUBLIC + "/a/…" in body for (body,) in bodies)
    why = await links.server.run("why", "1")
    assert token not in why.out


@pytest.mark.parametrize(
    ("number", "width", "dark", "scripts"),
    [(1, NARROW, True, False), (2, WIDE, False, True)],
    ids=["phone", "desk"],
)
async def test_a_person(links: Site, number: int, width: int, dark: bool, scripts: bool) -> None:
    """Reads what the mail said, says that they have seen it, and is told when; nothing else opens.

    It is legible on a phone in the dark, without scripts, and axe-core finds nothing.
    """
    receipt = RECEIPTS[number]
    path, before = links.link_of(receipt), links.acknowledged()
    async with links.browsing.visitor(None, width=width, dark=dark, scripts=scripts) as visitor:
        page = visitor.page
        await page.goto(path)
        assert "RFE issued" in await visitor.heading()
        main = page.locator("main")
        await expect(main).to_contain_text("This message was sent to Jia Chan.")
        await expect(main).to_contain_text("Diaz < b>&")
        await expect(main).to_contain_text("Open in Casebell:")
        await expect(page.locator("main")).not_to_contain_text("/a/")
        assert await visitor.overflows() <= 0
        if scripts:
            assert await problems(page) == []
        await page.get_by_label("Note").fill("Client <i>called</i>.")
        await page.get_by_role("button", name="Acknowledge").click()
        await expect(page.get_by_role("status")).to_contain_text("You acknowledged this on")
        await expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
        if scripts:
            assert await problems(page) == []
        assert links.acknowledged() == [*before, "link:jchan"]
        assert await page.context.cookies() == []
        await page.goto("/queue")
        await expect(page).to_have_url(re.compile("/sign-in"))
        # What others said of it, and how it stands, is no business of a link.
        await page.goto(links.link_of(RECEIPTS[3]))
        await expect(page.locator("main")).not_to_contain_text("You acknowledged")


async def test_what_cannot_be_used(links: Site) -> None:
    """Each page says what to do; axe-core finds nothing on it."""
    path = links.link_of(RECEIPTS[3])
    await links.server.run("cases", "answered", RECEIPTS[3])
    async with links.browsing.visitor(None, width=NARROW) as visitor:
        for address, status, words in (
            (path, 410, "Nothing is left to acknowledge"),
            (path[:-1] + ("A" if path[-1] != "A" else "B"), 404, "There is no such link"),
            ("/a/nothing", 404, "There is no such link"),
        ):
            answer = await visitor.page.goto(address)
            assert answer is not None
            assert answer.status == status
            assert await visitor.heading() == words
            assert await problems(visitor.page) == []
            await expect(visitor.page.get_by_role("link", name="Open the queue")).to_be_visible()
