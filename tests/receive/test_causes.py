"""The likely cause of a refusal: each usual mistake, made once, is named."""

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import pytest_asyncio

from casebell import errors
from casebell.errors import CasebellError, RefusedDelivery
from casebell.events import Delivery
from casebell.receive.accept import source_meant
from casebell.receive.explaining import Explained, explain
from casebell.receive.refusals import Refusals
from casebell.receive.signatures import Authenticator
from casebell.settings import SourceSettings
from casebell.store.engine import Store
from casebell.store.schema import refused
from casebell.store.streaks import UNKNOWN
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import read_table, store_in
from receive.builders import (
    BOTH,
    HMAC_SECRET,
    NOW,
    SHARED_SECRET,
    SIGNED_AT,
    authorization_header,
    make_secret,
    make_source,
    make_torch,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = json.dumps({"id": "evt_1", "text": "Año / “sí”", "n": [1, 2.5]}, ensure_ascii=False).encode()
LATIN = '{"text": "petición"}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    """An open store for all tests: each looks at the newest refusal."""
    async with store_in(tmp_path_factory.mktemp("causes")) as opened:
        yield opened


async def why(
    store: Store,
    body: bytes,
    *headers: tuple[bytes, bytes],
    source: SourceSettings | None = None,
    others: Mapping[str, SourceSettings] | None = None,
    now: SourceSettings | None = None,
    address: str = "192.0.2.7",
) -> Explained:
    """What is said of a delivery that is refused as a server refuses it.

    Args:
        now: the source as it is when somebody asks; by default as it was.
    """
    source = source or make_source()
    delivery = Delivery(
        source=source.name,
        body=body,
        headers=tuple(headers),
        address=address,
        received_at=NOW,
        request_id="req_1",
    )
    authenticator = Authenticator(source)
    recording = RecordingLog()
    refusals = Refusals(
        store=store, clock=ManualClock(NOW), log=recording.log, per_minute=lambda: 9
    )
    with pytest.raises(RefusedDelivery) as caught:
        authenticator.authenticate(delivery, now=NOW)
    async with refusals:
        refusals.note(delivery, caught.value, presented=authenticator.presented)
    sources = {**(others or {}), source.name: now or source}
    async with store.read() as connection:
        rows = await read_table(store, refused)
        (found,) = await explain(connection, [rows[-1].id], sources=sources)
    return found


def signed(covered: bytes, *, secret: bytes = HMAC_SECRET.encode()) -> tuple[bytes, bytes]:
    """A header whose signature covers exactly these bytes."""
    digest = hmac.digest(secret, covered, "sha256").hex()
    return b"authorization", f"Parley-Signature=t={SIGNED_AT},v1={digest}".encode()


def dumped(**options: Any) -> Callable[[bytes], bytes]:
    """The body as another program writes it again."""
    return lambda body: json.dumps(json.loads(body), **options).encode()


@pytest.mark.parametrize(
    ("sent", "came", "says"),
    [
        (dumped(separators=(",", ":"), ensure_ascii=False), bytes, "without its spaces"),
        (dumped(separators=(",", ":")), bytes, "it had no spaces with escapes"),
        (bytes, dumped(indent=2, ensure_ascii=False), "one space behind each comma"),
        (dumped(indent=2, ensure_ascii=False), bytes, "indented by two"),
        (dumped(indent=4), bytes, "indented by four"),
        (lambda body: body.replace(b"/", b"\\/"), bytes, "comma and colon and “\\/”"),
        (lambda body: body + b"\r\n{}\r\n", lambda body: body + b"\n{}\n", "CRLF and came as LF"),
        (lambda body: body + b"\n{}\n", lambda body: body + b"\r\n{}\r\n", "LF and came as CRLF"),
        (bytes, lambda body: b"\xef\xbb\xbf" + body, "byte order mark was put before"),
        (lambda body: b"\xef\xbb\xbf" + body, bytes, "byte order mark was taken off"),
        (bytes, lambda body: body + b"\n", "a line end was added"),
        (lambda body: body + b"\n", bytes, "final line end was taken off"),
        (bytes, lambda body: b"  " + body + b" ", "blanks were put around"),
        (bytes, lambda body: body.decode("latin-1").encode(), "encoded a second time"),
        (lambda _: LATIN.encode(), lambda _: LATIN.encode("latin-1"), "UTF-8 and came as Latin-1"),
        (lambda _: LATIN.encode("latin-1"), lambda _: LATIN.encode(), "Latin-1 and came as UTF-8"),
        (lambda _: b"", bytes, "covers an empty body"),
    ],
)
async def test_a_body_that_was_altered(
    store: Store, sent: Callable[[bytes], bytes], came: Callable[[bytes], bytes], says: str
) -> None:
    """What was done to it is found by doing it again."""
    found = await why(store, came(BODY), authorization_header(sent(BODY)))
    assert says in found.cause.says
    assert found.cause.code in ("body_altered", "body_rewritten")
    assert found.cause.certain
    assert found.cause.then


async def test_what_javascript_writes_again_names_the_setting(store: Store) -> None:
    """A provider may sign the compact form itself: a setting takes that."""
    found = await why(store, b'{"n": 1.0}', authorization_header(b'{"n":1}'))
    assert 'signed_body = "compact-json" under [sources.parley]' in found.cause.then


async def test_a_body_that_was_emptied(store: Store) -> None:
    """A proxy or a redirect passed on the head alone."""
    found = await why(store, b"", authorization_header(BODY))
    assert (found.cause.code, found.cause.says) == ("body_emptied", "The body arrived empty.")


@pytest.mark.parametrize(
    ("covered", "says"),
    [
        (b"t." + BODY, "the letter “t”"),
        (BODY, "without the time"),
        (b"%d000.%b" % (SIGNED_AT, BODY), "in milliseconds"),
        (b"%d%b" % (SIGNED_AT, BODY), "without the dot"),
        (b"key-1.%d.%b" % (SIGNED_AT, BODY), "Standard Webhooks"),
    ],
)
async def test_a_signature_over_something_else(store: Store, covered: bytes, says: str) -> None:
    """The provider signs in another way than its page says."""
    found = await why(store, BODY, signed(covered), (b"idempotency-key", b"key-1"))
    assert found.cause.code == "signed_otherwise"
    assert says in found.cause.says


#: By what is configured: what the provider has, and what is said.
SECRETS = [
    (HMAC_SECRET + "\n", HMAC_SECRET, "a line end"),
    (HMAC_SECRET + "\r\n", HMAC_SECRET, "a line end"),
    (" " + HMAC_SECRET, HMAC_SECRET, "blanks"),
    ("\ufeff" + HMAC_SECRET, HMAC_SECRET, "byte order mark"),
    (f'"{HMAC_SECRET}"', HMAC_SECRET, "quotes"),
    (f"'{HMAC_SECRET}'\n", HMAC_SECRET, "quotes"),
    (f"whsec_{HMAC_SECRET}", HMAC_SECRET, "“whsec_”"),
    (f"v1,whsec_{HMAC_SECRET}", HMAC_SECRET, "“whsec_”"),
    ("sample%2Fwebhook%3Dsecret", "sample/webhook=secret", "percent-encoded"),
    (HMAC_SECRET, HMAC_SECRET + "\n", "provider's secret ends"),
    (HMAC_SECRET, f'"{HMAC_SECRET}"', "provider's secret has quotes"),
    ("sample/webhook=secret", "sample%2Fwebhook%3Dsecret", "provider's secret is percent-encoded"),
    (base64.b64encode(HMAC_SECRET.encode()).decode(), HMAC_SECRET, "base64"),
    (base64.b64encode(HMAC_SECRET.encode()).decode().rstrip("="), HMAC_SECRET, "base64"),
    ("whsec_" + base64.b64encode(HMAC_SECRET.encode()).decode(), HMAC_SECRET, "base64"),
    (HMAC_SECRET, base64.b64encode(HMAC_SECRET.encode()).decode(), "has the base64"),
    (HMAC_SECRET.encode().hex(), HMAC_SECRET, "hexadecimal"),
]


@pytest.mark.parametrize(("configured", "real", "says"), SECRETS)
async def test_a_secret_that_was_damaged(
    store: Store, configured: str, real: str, says: str
) -> None:
    """As it is configured, or as the provider has it; for a signature and for a header alike."""
    source = make_source(secrets=(make_secret(configured),))
    found = await why(store, BODY, authorization_header(BODY, secret=real), source=source)
    assert found.cause.code == "secret_altered"
    assert says in found.cause.says
    assert configured not in str(found.cause)
    torch = make_torch(secrets=(make_secret(configured),))
    if real.strip() == real:
        found = await why(store, BODY, (b"x-torch-secret", real.encode()), source=torch)
        # A line end or a blank around a header's value is no part of it.
        assert found.cause.code == "secret_altered"
        assert says in found.cause.says


async def test_an_encoding_that_is_none(store: Store) -> None:
    """The setting is named where the text itself is the secret."""
    text = base64.b64encode(b"sample-webhook-secret-parley").decode()
    secret = make_secret(text).model_copy(update={"encoding": "base64"})
    header = authorization_header(BODY, secret=text)
    found = await why(store, BODY, header, source=make_source(secrets=(secret,)))
    assert found.cause.code == "secret_altered"
    assert found.cause.then.startswith('Take encoding = "base64" away')


async def test_without_the_secrets_nothing_is_tried(store: Store) -> None:
    """As for a command that has them not in its environment; it says how to ask."""
    header = authorization_header(BODY, secret="another-secret-of-theirs")
    found = await why(store, BODY, header, now=make_source(secrets=()))
    assert (found.cause.code, found.cause.certain) == ("unknown_source", False)
    assert "with its secrets in the environment" in found.cause.then


async def test_the_secret_of_another_source(store: Store) -> None:
    """It is named, for either method; never its value."""
    others = {"torch": make_torch(secrets=(make_secret(SHARED_SECRET, label="2026"),))}
    header = authorization_header(BODY, secret=SHARED_SECRET)
    found = await why(store, BODY, header, others=others)
    assert found.cause.says == "It carries the secret “2026” of source torch."
    parley = {"parley": make_source(secrets=(make_secret(HMAC_SECRET, label="live"),))}
    given = (b"x-torch-secret", HMAC_SECRET.encode())
    found = await why(store, BODY, given, source=make_torch(), others=parley)
    assert found.cause.says == "It carries the secret “live” of source parley."
    assert HMAC_SECRET not in str(found.cause)


async def test_a_secret_for_the_other_method(store: Store) -> None:
    """A secret that is there, but not for this."""
    header = authorization_header(BODY, secret=SHARED_SECRET)
    found = await why(store, BODY, header, source=make_source(**BOTH))
    assert found.cause.code == "other_use"
    assert "“word”" in found.cause.says


async def test_a_word_before_the_secret(store: Store) -> None:
    """The setting `prefix` takes it off."""
    given = (b"x-torch-secret", b"Bearer " + SHARED_SECRET.encode())
    found = await why(store, BODY, given, source=make_torch())
    assert 'prefix = "Bearer "' in found.cause.then


@pytest.mark.parametrize("forwarded", [False, True])
async def test_a_right_proof_from_elsewhere(store: Store, forwarded: bool) -> None:
    """The address is named, and the setting that has it wrong."""
    source = make_source(allow_from=("203.0.113.0/24",))
    headers = [authorization_header(BODY)]
    if forwarded:
        headers.append((b"x-forwarded-for", b"203.0.113.7"))
    found = await why(store, BODY, *headers, source=source)
    assert found.cause.code == "address"
    assert "192.0.2.7, which is not in sources.parley.allow_from" in found.cause.says
    assert found.cause.then.startswith("That is the proxy's address") is forwarded
    assert "server.trusted_proxies" in found.cause.then


async def test_a_secret_that_is_mended_by_now(store: Store) -> None:
    """It can be taken in."""
    mended = make_source(secrets=(make_secret("another-secret-of-theirs"),))
    header = authorization_header(BODY, secret="another-secret-of-theirs")
    found = await why(store, BODY, header, now=mended)
    assert found.cause.code == "mended"
    assert found.cause.then == f"Take it in: casebell refused readmit {found.row.id}"


async def test_what_nothing_explains(store: Store) -> None:
    """It is said so, and that it is not certain."""
    found = await why(store, BODY, authorization_header(BODY, secret="a-forgers-own-secret"))
    assert (found.cause.code, found.cause.certain) == ("wrong_secret", False)


@pytest.mark.parametrize(
    ("headers", "code", "says"),
    [
        ([], "header_lost", "Authorization did not arrive. A proxy takes it away"),
        ([(b"via", b"1.1 caddy")], "header_lost", "It came through a proxy"),
        ([(b"authorization", b"Bearer abc")], "other_credentials", "with Bearer credentials"),
        ([(b"authorization", b"Basic cm9iaW4=")], "other_credentials", "with Basic credentials"),
        ([(b"authorization", b" ")], "header_empty", "holds no proof"),
        (
            [(b"x-original-authorization", authorization_header(BODY)[1])],
            "header_renamed",
            "stands in the header x-original-authorization",
        ),
        ([(b"x-secret", HMAC_SECRET.encode())], "header_renamed", "in the header x-secret"),
        ([(b"authorization", b"Parley-Signature=t=1,v1=00")], "unreadable", "no signature of"),
    ],
)
async def test_what_came_in_the_place_of_a_signature(
    store: Store, headers: list[tuple[bytes, bytes]], code: str, says: str
) -> None:
    """Nothing, other credentials, or the proof in another header."""
    found = await why(store, BODY, (b"host", b"casebell.test"), *headers, address="9.9.9.9")
    assert found.cause.code == code
    assert says in found.cause.says
    assert list(found.headers) == ["host", *(name.decode() for name, _ in headers)]


@pytest.mark.parametrize("value", [SHARED_SECRET, f"Bearer {SHARED_SECRET}"])
async def test_a_renamed_header_costs_no_delivery(store: Store, value: str) -> None:
    """What proves it is kept, so that it can be readmitted; the value is nowhere."""
    found = await why(store, BODY, (b"x-secret-torch", value.encode()), source=make_torch())
    assert found.cause.code == "header_renamed"
    assert 'header = "x-secret-torch" under [sources.torch]' in found.cause.then
    assert found.row.readmittable
    assert SHARED_SECRET not in str(found.row)


async def test_a_forged_proof_in_another_header_is_no_renamed_one(store: Store) -> None:
    """Anybody can send one: operations are not told to take their signatures from there."""
    forged = authorization_header(BODY, secret="a-forgers-own-secret")[1]
    found = await why(store, BODY, (b"x-forged", forged))
    assert (found.cause.code, found.cause.certain) == ("header_lost", False)
    assert "x-forged came, and what looks like a proof in it fits no secret" in found.cause.says
    assert "x-forged" not in found.cause.then


async def test_a_header_with_an_endless_name_is_not_kept(store: Store) -> None:
    """A head may have 64 KiB, and the bounds of what is kept count bodies."""
    found = await why(store, BODY, (b"x-" + b"a" * 60_000, authorization_header(BODY)[1]))
    assert found.cause.code == "header_lost"
    assert len(found.row.seen) < 1_000


async def test_a_value_that_is_no_secret_of_ours_is_not_kept(store: Store) -> None:
    """Cookies and other credentials leave nothing but the names of their headers."""
    found = await why(store, BODY, (b"cookie", b"session=vermilion"), (b"x-api-key", b"vermilion"))
    assert not found.row.readmittable
    assert "vermilion" not in str(found.row)


async def test_it_takes_little(store: Store) -> None:
    """However large the body and however many the secrets, trying is bounded."""
    secrets = tuple(
        make_secret(f"{number}-{HMAC_SECRET}", label=str(number)) for number in range(4)
    )
    made = 0

    def counting(key: bytes, text: bytes, name: str) -> bytes:
        nonlocal made
        made += 1
        return original(key, text, name)

    source = make_source(secrets=secrets)
    body = json.dumps({"text": "x" * 200_000}).encode()
    with pytest.MonkeyPatch.context() as patch:
        original = hmac.digest
        patch.setattr(hmac, "digest", counting)
        await why(store, body, authorization_header(body, secret="another-one"), source=source)
    assert 50 < made < 600


@pytest.mark.parametrize("nested", [b"[" * 50_000, b'{"a":' * 50_000, b"{", b"\xff\xfe"])
async def test_a_hostile_body_is_tried_as_well(store: Store, nested: bytes) -> None:
    """What is no JSON has an answer, too."""
    found = await why(store, nested, authorization_header(b"other"))
    assert found.cause.code == "wrong_secret"


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/webhooks/Parley", "parley"),
        ("/webhooks/parlay", "parley"),
        ("/webhook/parley", "parley"),
        ("/hooks/v1/PARLEY/", "parley"),
        ("/webhooks/troch", "torch"),
        ("/webhooks/", None),
        ("/", None),
        ("", None),
        ("/wp-login.php", None),
        ("/" + "a" * 10_000, None),
    ],
)
async def test_whom_an_address_means(path: str, source: str | None) -> None:
    """A name that stands in it, or the nearest to its last part."""
    assert source_meant(path, ["parley", "torch"]) == source


async def request_refused(store: Store, error: CasebellError, **request: Any) -> Explained:
    """What is said of a request that never became a delivery."""
    refusals = Refusals(
        store=store, clock=ManualClock(NOW), log=RecordingLog().log, per_minute=lambda: 9
    )
    async with refusals:
        refusals.note_request(error, address="192.0.2.7", **{"source": UNKNOWN, **request})
    async with store.read() as connection:
        rows = await read_table(store, refused)
        (found,) = await explain(connection, [rows[-1].id], sources={"parley": make_source()})
    return found


GET = {"source": "parley", "method": "GET"}
GZIP = {"source": "parley", "encoding": "gzip"}
MISSPELT = {"source": "parley", "path": "/webhooks/Parley"}


@pytest.mark.parametrize(
    ("error", "asked", "says", "then"),
    [
        (errors.UnknownSource, MISSPELT, "/webhooks/Parley was asked", "to /webhooks/parley,"),
        (errors.NotThere, {"path": "/webhook"}, "/webhook was asked for", "/webhooks/SOURCE"),
        (errors.WrongMethod, GET, "It came as GET", "308"),
        (errors.EncodedBody, GZIP, "Content-Encoding: gzip", "compression"),
        (errors.BodyTooLarge, {"source": "parley", "size": 300_000}, "300,000", "max_body"),
        (errors.BodyTooSlow, {"source": "parley"}, "body_timeout", "body_timeout"),
        (errors.RequestError, {"what": "TLS on a plain port"}, "TLS on a", "tls_cert"),
        (errors.RequestError, {"what": "HTTP/2 at once"}, "HTTP/2", "HTTP/1.1"),
        (errors.RequestError, {"what": "more than 100 headers"}, "100 headers", "fewer headers"),
        (errors.RequestError, {"what": "the PROXY protocol"}, "PROXY", "X-Forwarded-For"),
    ],
)
async def test_a_request_that_never_became_a_delivery(
    store: Store, error: type[CasebellError], asked: dict[str, Any], says: str, then: str
) -> None:
    """Each has its sentence and its next step."""
    found = await request_refused(store, error(), **asked)
    assert says in found.cause.says
    assert then in found.cause.then
