"""Signing in over a real identity provider: what answers a sign-in, and what it may cost."""

import asyncio
import base64
import json
from collections.abc import Mapping

import pytest

from casebell.actors import Role
from casebell.clock import SECOND
from casebell.errors import NotThere, TooManyAttempts
from casebell.service.limits import MAX_OF_NETWORK
from casebell.service.oidc.failures import (
    Declined,
    NoRole,
    NotOpen,
    NotProven,
    ProviderUnavailable,
    SignInByProviderFailed,
)
from casebell.service.oidc.pending import OPEN_FOR, Pending
from casebell.store import schema
from contracts.stores import read_table
from service.oidc.desk import Desk
from service.oidc.provider import REDIRECT, SECRET, Answer
from waiting import until

DISCOVERY, TOKEN = "/firm/.well-known/openid-configuration", "/firm/token"


async def test_nobody_else_gets_in(desk: Desk) -> None:
    """The page says who it was, by what it was looked for, and what IT can do."""
    failed = await desk.fail(groups=["everybody", "lawyers-2"], roles="guest")
    assert isinstance(failed, NoRole)
    assert failed.message == (
        "127.0.0.1 knows you as jchan@example-firm.com, but nothing that it says of you gives you "
        "a role in Casebell. It sent 1 app role and 2 groups, and none of them is known here. "
        "It sent no e-mail address."
    )
    assert "[console.oidc]" in failed.hint
    assert await read_table(desk.store, schema.accounts) == []
    assert desk.causes() == [("oidc_no_role", "no_role")]


async def test_a_sign_in_is_answered_once(desk: Desk) -> None:
    """The provider gives nothing for a code that was used, whoever has the cookie still."""
    cookie, url = await desk.begin()
    answer = desk.provider.approve(url)
    await desk.finish(cookie, answer)
    with pytest.raises(NotProven):
        await desk.finish(cookie, answer)
    assert desk.causes() == [("oidc_not_proven", "invalid_grant")]


@pytest.mark.parametrize("case", ["no_cookie", "other_state", "too_old"])
async def test_an_answer_to_nothing(desk: Desk, case: str) -> None:
    """It is refused before the provider is asked, and says nothing of what came with it."""
    cookie, url = await desk.begin()
    answer = desk.provider.approve(url) | {"error_description": "call 555-0100"}
    if case == "no_cookie":
        cookie = ""
    if case == "other_state":
        cookie, _ = await desk.begin()
    if case == "too_old":
        desk.clock.advance(OPEN_FOR / SECOND)
    with pytest.raises(NotOpen) as failed:
        await desk.finish(cookie, answer)
    assert "555" not in f"{failed.value} {failed.value.hint}"
    assert desk.causes() == [("oidc_not_open", case)]
    assert desk.provider.forms == []


@pytest.mark.parametrize(
    ("answer", "cause", "shown"),
    [
        ({"error": "access_denied", "error_description": "AADSTS50105: not assigned"},
         "access_denied", "AADSTS50105: not assigned"),
        ({"error": "temporarily_unavailable"}, "temporarily_unavailable",
         "temporarily_unavailable"),
        ({"error": "x" * 9_000, "error_description": "\u202ewrong\nway"}, "other_error",
         "wrong way"),
    ],
)  # fmt: skip
async def test_the_provider_says_no(
    desk: Desk, answer: Mapping[str, str], cause: str, shown: str
) -> None:
    """Its own words are on the page, made inert; the log has a word of the specification."""
    cookie, url = await desk.begin()
    state = desk.provider.approve(url)["state"]
    with pytest.raises(Declined) as failed:
        await desk.finish(cookie, {**answer, "state": state})
    assert failed.value.message == f"127.0.0.1 did not let you in. It says: {shown}"
    assert desk.causes() == [("oidc_declined", cause)]


@pytest.mark.parametrize(
    ("answer", "named", "cause"),
    [
        ({"iss": "https://elsewhere.example"}, False, "other_issuer"),
        ({}, True, "other_issuer"),
        ({"code": ""}, False, "no_code"),
    ],
)
async def test_an_answer_that_is_not_its_own(
    desk: Desk, answer: dict[str, str], named: bool, cause: str
) -> None:
    """One that another provider gave, or has no code."""
    desk.provider.document["authorization_response_iss_parameter_supported"] = named
    cookie, url = await desk.begin()
    with pytest.raises(NotProven):
        await desk.finish(cookie, desk.provider.approve(url) | answer)
    assert desk.causes() == [("oidc_not_proven", cause)]
    assert desk.provider.forms == []


async def test_an_answer_that_names_it(desk: Desk) -> None:
    """As RFC 9207 has it."""
    desk.provider.document["authorization_response_iss_parameter_supported"] = True
    cookie, url = await desk.begin()
    answer = desk.provider.approve(url) | {"iss": desk.provider.issuer}
    assert (await desk.finish(cookie, answer)).account.actor.role == Role.VIEWER


async def test_a_code_that_somebody_else_got(desk: Desk) -> None:
    """Carried into another browser's sign-in it is worth nothing: PKCE binds it to its own."""
    _, stolen_url = await desk.begin()
    stolen = desk.provider.approve(stolen_url)["code"]
    cookie, url = await desk.begin()
    answer = desk.provider.approve(url) | {"code": stolen}
    with pytest.raises(NotProven):
        await desk.finish(cookie, answer)
    assert desk.causes() == [("oidc_not_proven", "invalid_grant")]


async def test_a_cookie_that_was_changed(desk: Desk) -> None:
    """What it needs no signature for: each changed value ends its own sign-in."""
    for name, cause in (("state", "other_state"), ("nonce", "invalid_claim:nonce"),
                        ("verifier", "invalid_grant")):  # fmt: skip
        cookie, url = await desk.begin()
        values = json.loads(base64.urlsafe_b64decode(cookie)) | {name: "x" * 43}
        with pytest.raises(SignInByProviderFailed):
            await desk.finish(Pending(**values).text(), desk.provider.approve(url))
        assert desk.causes()[-1][1] == cause


async def test_codes_that_somebody_made_up(desk: Desk) -> None:
    """Thirty of an address reach the provider in a quarter of an hour, and no right one after."""
    for _ in range(MAX_OF_NETWORK):
        cookie, url = await desk.begin()
        with pytest.raises(NotProven):
            await desk.finish(cookie, desk.provider.approve(url) | {"code": "made-up"})
    cookie, url = await desk.begin()
    with pytest.raises(TooManyAttempts):
        await desk.finish(cookie, desk.provider.approve(url))
    assert len(desk.provider.forms) == MAX_OF_NETWORK
    done = await desk.finish(cookie, desk.provider.approve(url), address="203.0.113.9")
    assert done.account.actor.role == Role.VIEWER


async def test_a_provider_that_is_down_locks_nobody_out(desk: Desk) -> None:
    """What is not the visitor's fault is not counted."""
    desk.provider.answers[TOKEN] = Answer(status=503)
    for _ in range(MAX_OF_NETWORK):
        assert isinstance(await desk.fail(), ProviderUnavailable)
    desk.provider.answers.clear()
    await desk.come()


async def test_whoever_goes_away(desk: Desk) -> None:
    """Has cost as much as whoever waits."""
    cookie, url = await desk.begin()
    desk.provider.held_up = asyncio.Event()
    way = asyncio.create_task(desk.finish(cookie, desk.provider.approve(url)))
    await until(lambda: TOKEN in desk.provider.asked, "the code to be on its way")
    way.cancel()
    with pytest.raises(asyncio.CancelledError):
        await way
    desk.provider.held_up.set()
    assert [one.count for one in desk.access._limits._new.values()] == [1]


async def test_nothing_of_it_is_kept(desk: Desk) -> None:
    """No log, table or error has a code, a token, a state, a secret or a claim that is not used."""
    cookie, url = await desk.begin()
    answer = desk.provider.approve(url, groups=["lawyers", "very-private-group"])
    await desk.finish(cookie, answer)
    failed = await desk.fail(groups=["very-private-group"], name="Jia Chan")
    pending = Pending.read(cookie)
    assert pending is not None
    kept = [repr(await read_table(desk.store, one)) for one in schema.metadata.sorted_tables]
    told = "\n".join(
        [*kept, repr(desk.log.lines), repr(failed.cause), repr(failed), failed.message, failed.hint]
    )
    secrets = (answer["code"], pending.state, pending.nonce, pending.verifier, SECRET)
    for secret in (*secrets, "very-private-group", "Jia Chan", REDIRECT):
        assert secret not in told


async def test_another_configuration(desk: Desk) -> None:
    """Holds from the next sign-in on; without a provider there is none."""
    await desk.come()
    assert desk.sign_in.offered() == "127.0.0.1"
    desk.configure(roles={})
    assert isinstance(await desk.fail(), NoRole)
    desk.console = desk.console.model_copy(update={"oidc": None})
    assert desk.sign_in.offered() is None
    with pytest.raises(NotThere):
        await desk.begin()
    with pytest.raises(NotThere):
        await desk.finish("", {})


async def test_a_provider_that_cannot_be_asked(desk: Desk) -> None:
    """Where it begins; the error says what is wrong, and the journal that it failed."""
    desk.provider.answers[DISCOVERY] = Answer(status=404)
    with pytest.raises(ProviderUnavailable) as failed:
        await desk.begin()
    assert failed.value.detail == f"{DISCOVERY} answers 404"
    assert desk.causes() == [("oidc_unavailable", "status_404")]
    await until(desk.attempts, "the attempt to be on record")
    assert await desk.attempts() == [("accounts", "oidc_unavailable")]
