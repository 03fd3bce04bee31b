"""After a run in which everything goes wrong that can, nothing secret stands where it should not.

Every secret, credential, header and text of the run holds a canary: a word found nowhere else. The
run is one fixture; each test then looks in one place.
"""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

import httpx2
import pytest
import pytest_asyncio

from casebell.sandbox.http_sink import Ending, HttpAnswer, HttpSink
from casebell.sandbox.mail_sink import SmtpAnswer, SmtpSink, SmtpStep
from e2e.sender import Wire, document, encoded, post, request, shared, signed
from e2e.server import Server
from waiting import until

PARLEY, TORCH, OLD = "canary-parley-secret", "canary-torch-secret", "canary-old-secret"
#: What the configuration hides; nowhere but in `.env`.
CONFIGURED = {
    "PARLEY": PARLEY,
    "OLD": OLD,
    "TORCH": TORCH,
    "USER": "canary-url-user",
    "PASSWORD": "canary-url-password",
    "PATH_TOKEN": "canary-url-path",
    "HEADER": "canary-url-header",
    "SMTP_USER": "canary-smtp-user",
    "SMTP_PASSWORD": "canary-smtp-password",
}
#: What a stranger or a service says; nobody repeats it.
SAID = {
    "query": "canary-query",
    "path": "canary-path",
    "cookie": "canary-cookie",
    "agent": "canary-agent",
    "forwarded": "canary-forwarded",
    "forged": "canary-forged",
    "refused": "canary-refused-body",
    "service": "canary-service-answer",
    "encoding": "canary-encoding",
    "method": "CANARYMETHOD",
}
#: What was asked where nothing is: whoever mends an address must see it, and nobody else does.
ASKED = SAID["path"]
#: What a delivery says of a client: kept in the database, shown to those who must know.
TOLD = {"text": "canary-official-text", "type": "canary-event-type", "id": "canary-event-id"}
#: A header that is recorded beside the delivery.
IDEMPOTENCY = "canary-idempotency-key"
RECEIPTS = ("CAN0123456789", "CAN0987654321")

CONFIG = """
[sources.parley]
kind = "parley"
secrets = [{ label = "new", value = "${PARLEY}" }, { label = "old", value = "${OLD}" }]

[sources.torch]
kind = "torch"
header = "X-Torch-Secret"
secrets = ["${TORCH}"]
"""


def channels(hook: HttpSink, failing: HttpSink, mail: SmtpSink) -> str:
    """Channels with credentials in every place that has room for them."""
    urls = {
        "good": f"json://${{USER}}:${{PASSWORD}}@127.0.0.1:{hook.port}/${{PATH_TOKEN}}/"
        "?+X-Api-Key=${HEADER}",
        "failing": f"json://${{USER}}:${{PASSWORD}}@127.0.0.1:{failing.port}/${{PATH_TOKEN}}/"
        "?+X-Api-Key=${HEADER}",
        "closed": "json://${USER}:${PASSWORD}@127.0.0.1:9/${PATH_TOKEN}/",
        "mail": f"mailto://${{SMTP_USER}}:${{SMTP_PASSWORD}}@127.0.0.1:{mail.port}"
        "?from=casebell@example.com",
    }
    made = "".join(
        f'[channels.{name}]\nurl = "{url}"\npace = "0s"\nmax_age = "1s"\ntimeout = "2s"\n'
        + ('to = ["team@example.com"]\n' if name == "mail" else "")
        for name, url in urls.items()
    )
    names = json.dumps(list(urls))
    return (
        f'{CONFIG}{made}[[rules]]\nname = "All"\nwhen = {{}}\nnotify = {names}\nurgent = true\n'
        '[ops]\nnotify = ["good"]\n'
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Aftermath:
    """Everything the run left where somebody may look."""

    server: Server
    #: Every file of the database while the server ran, and after its end.
    running: Mapping[str, bytes]
    stopped: Mapping[str, bytes]
    #: Standard output and standard error.
    log: str
    #: Heads and bodies of all answers.
    answers: tuple[str, ...]
    metrics: str
    #: Output of the commands that list things.
    shown: Mapping[str, str]
    #: What the good channel was told.
    messages: tuple[str, ...]
    #: Signatures that were sent, valid ones and forged ones.
    signatures: tuple[str, ...]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def aftermath(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Aftermath]:
    """Successes, refusals, holds, conflicts, failures of every channel, a kill and a restart."""
    answers: list[str] = []
    signatures: list[str] = []

    async def sent(body: bytes, headers: dict[str, str], **more: str) -> None:
        signatures.append(headers.get("Authorization", ""))
        response = await post(server, body, headers, **more)
        answers.append(f"{response.headers} {response.text}")

    async with HttpSink() as hook, HttpSink() as failing, SmtpSink() as mail:
        wordy = {"headers": (("X-Service", SAID["service"]), ("Retry-After", SAID["service"]))}
        body = SAID["service"].encode()
        failing.answer(
            HttpAnswer(status=401, body=body, **wordy),  # type: ignore[arg-type]
            HttpAnswer(status=503, body=body, **wordy),  # type: ignore[arg-type]
            HttpAnswer(ending=Ending.RESET),
            HttpAnswer(delay=60),
        )
        mail.answer(SmtpStep.LOGIN, SmtpAnswer(reply=f"535 5.7.8 {SAID['service']}"))
        server = Server(
            tmp_path_factory.mktemp("secrecy"),
            channels(hook, failing, mail),
            server='body_timeout = "1s"',
            secrets=CONFIGURED,
        )
        server.options = ["--debug"]
        await server.start()
        told = {
            "id": TOLD["id"],
            "type": TOLD["type"],
            "raw_status_text": f"{TOLD['text']} for {RECEIPTS[0]}",
            "receipt_number": RECEIPTS[0],
        }
        extra = {
            "Cookie": SAID["cookie"],
            "User-Agent": SAID["agent"],
            "X-Forwarded-For": SAID["forwarded"],
            "Idempotency-Key": IDEMPOTENCY,
        }
        # Stored with each secret, repeated, conflicting, contradictory, held.
        for secret, fields in [
            (PARLEY, {}),
            (OLD, {}),
            (PARLEY, {"normalized_status": "denied"}),
            (
                PARLEY,
                {"id": "canary-event-id-2", "receipt_number": RECEIPTS[1], "type": "case.denied"},
            ),
            (OLD, {"receipt_number": f"{RECEIPTS[0]} {TOLD['text']}"}),
        ]:
            body = encoded(document(**{**told, **fields}))
            await sent(body, signed(body, secret=secret) | extra)
        nested = encoded({"data": document(**told) | {"id": "canary-event-id-3"}})
        await sent(nested, shared(TORCH) | extra, source="torch")
        nonsense = f'{{"{TOLD["text"]}'.encode()
        await sent(nonsense, signed(nonsense, secret=PARLEY) | extra)
        # Refused in each way.
        body = encoded(document(**told, note=SAID["refused"]))
        for headers in (
            signed(body, secret="canary-forged-secret"),
            {"Authorization": f"Parley-Signature=t={SAID['forged']},v1={SAID['forged']}"},
            {"Authorization": f"Bearer {SAID['forged']}"},
            {},
        ):
            await sent(body, headers | extra)
        await sent(body, shared(SAID["forged"]) | extra, source="torch")
        packed = gzip.compress(body)
        await sent(packed, signed(packed, secret=PARLEY) | {"Content-Encoding": SAID["encoding"]})
        await sent(body, signed(body, secret=PARLEY), source=SAID["path"])
        await sent(
            body, signed(body, secret=PARLEY), source=f"parley/{SAID['path']}?{SAID['query']}"
        )
        # No requests at all.
        for data in (
            f"{SAID['method']} /{SAID['path']} HTTP/1.1\r\n\r\n".encode(),
            f"POST /webhooks/parley HTTP/1.1\r\n{SAID['cookie']}\r\n\r\n".encode(),
            request(body, signed(body, secret=PARLEY), length=len(body) + 1),
            request(b"", {}, path=f"/{SAID['path']}?token={SAID['query']}", method="GET"),
        ):
            async with Wire(server) as wire:
                await wire.say(data)
                with contextlib.suppress(EOFError, ConnectionError):
                    answer = await wire.hear()
                    answers.append(f"{answer.headers} {answer.body!r}")
        metrics = await metrics_of(server)
        # One more alert for the channel that hangs, a kill in the middle of it, and a restart.
        await until(lambda: len(failing.requests) >= 2, "a second attempt")
        await server.kill()
        failing.answer(HttpAnswer(status=500, body=body))
        await server.start()
        body = encoded(document(receipt_number="CAN0000000001"))
        await sent(body, signed(body, secret=PARLEY))
        await server.settled()
        metrics += await metrics_of(server)
        commands = {
            "check": ["check"],
            "alerts": ["alerts", "list", "--json"],
            "mail": ["channels", "test", "mail"],
        }
        ran = await asyncio.gather(*(server.run(*command) for command in commands.values()))
        shown = {name: one.out + one.err for name, one in zip(commands, ran, strict=True)}
        running = files_of(server)
        assert await server.stop() == 0
        yield Aftermath(
            server=server,
            running=running,
            stopped=files_of(server),
            log=server.text(),
            answers=tuple(answers),
            metrics=metrics,
            shown=shown,
            messages=tuple(json.loads(one.body)["message"] for one in hook.requests),
            signatures=tuple(filter(None, signatures)),
        )
        await server.gone()


async def metrics_of(server: Server) -> str:
    """What the page shows."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{server.url}/metrics")).text


def absent(canaries: Iterable[str], place: str, text: str | bytes) -> None:
    """No canary is in this text, in whatever case."""
    folded = text.encode().lower() if isinstance(text, str) else text.lower()
    for canary in canaries:
        found = folded.find(canary.encode().lower())
        around = folded[max(0, found - 80) : found + 80]
        assert found < 0, f"{canary} is in {place}: …{around!r}…"


def test_the_run_was_as_bad_as_it_should_be(aftermath: Aftermath) -> None:
    """Every outcome the other tests are about did happen."""
    outcomes = {line["outcome"] for line in lines(aftermath.log, "delivery.received")}
    assert outcomes >= {
        "stored",
        "duplicate",
        "conflict",
        "held",
        "signature_missing",
        "signature_malformed",
        "signature_mismatch",
        "secret_mismatch",
        "encoded_body",
        "unknown_source",
    }
    attempts = {
        (line["channel"], line["reason"]) for line in lines(aftermath.log, "alert.attempted")
    }
    assert attempts >= {
        ("good", None),
        ("failing", "auth_failed"),
        ("failing", "server_error"),
        ("closed", "connection_refused"),
        ("mail", "auth_failed"),
    }
    labels = aftermath.server.rows("SELECT DISTINCT secret_label FROM events ORDER BY 1")
    assert ("new",) in labels
    assert aftermath.server.rows("SELECT count(*) FROM alerts WHERE state = 'failed'") > [(5,)]
    assert any(TOLD["text"] in message for message in aftermath.messages)


def lines(log: str, event: str) -> list[dict[str, str]]:
    """Log lines of one kind."""
    read = [json.loads(line) for line in log.splitlines()]
    return [line for line in read if line["event"] == event]


def test_the_log_is_json_and_holds_nothing(aftermath: Aftermath) -> None:
    """Standard output and error: no secret, header, query, text or whole receipt number."""
    for line in aftermath.log.splitlines():
        assert set(json.loads(line)) >= {"event", "level", "at"}
    canaries = {*CONFIGURED.values(), *SAID.values(), *TOLD.values(), IDEMPOTENCY, *RECEIPTS}
    absent((canaries | set(aftermath.signatures)) - {ASKED}, "the log", aftermath.log)
    asked = {line["asked"] for line in lines(aftermath.log, "delivery.received") if "asked" in line}
    assert f"/webhooks/{ASKED}" in asked
    assert "CAN******6789" in aftermath.log


def test_metrics_hold_nothing(aftermath: Aftermath) -> None:
    """Labels are configured names and our own words: a stranger cannot make up values."""
    canaries = {*CONFIGURED.values(), *SAID.values(), *TOLD.values(), IDEMPOTENCY, *RECEIPTS}
    absent(canaries | {"CAN*"}, "the metrics", aftermath.metrics)
    assert 'source="unknown"' in aftermath.metrics


def test_answers_hold_nothing_but_the_senders_own_key(aftermath: Aftermath) -> None:
    """A 200 names the source's key; beyond that nothing of a request comes back."""
    canaries = {*CONFIGURED.values(), *SAID.values(), IDEMPOTENCY, *RECEIPTS}
    canaries |= {TOLD["text"], TOLD["type"]}
    for answer in aftermath.answers:
        absent(canaries, "an answer", answer)
        if '"error"' in answer:
            absent([TOLD["id"]], "an error answer", answer)


def test_commands_show_nothing_secret(aftermath: Aftermath) -> None:
    """What an operator lists and tests shows targets and reasons, never a credential."""
    for name, text in aftermath.shown.items():
        absent([*CONFIGURED.values(), *SAID.values()], f"`casebell {name}`", text)


def test_messages_show_masked_receipts_only(aftermath: Aftermath) -> None:
    """A channel that is to disclose little gets no whole receipt, not even within the text."""
    for message in aftermath.messages:
        said = {*SAID.values()} - {ASKED}
        absent([*CONFIGURED.values(), *said, *RECEIPTS], "a message", message)


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_the_database_holds_no_secret(aftermath: Aftermath, state: str) -> None:
    """Raw bytes of every file of the database: no secret, no signature, no channel's URL."""
    files: Mapping[str, bytes] = getattr(aftermath, state)
    # What was refused can be checked again: its body and the signature that did not match.
    (refused,) = aftermath.server.rows(
        "SELECT DISTINCT signature FROM refused WHERE signature <> ''"
    )
    digests = {part for one in aftermath.signatures for part in one.split("v1=")[1:]}
    digests -= {str(refused[0]).partition("v1=")[2]}
    said = {*SAID.values()} - {SAID["refused"], ASKED}
    canaries = {*CONFIGURED.values(), *said, *aftermath.signatures, *digests}
    canaries |= {"json://", "mailto://", "Parley-Signature"}
    for name, content in files.items():
        absent(canaries, name, content)
    # It is the right place: what was told stands there.
    everything = b"".join(files.values())
    assert TOLD["text"].encode() in everything
    assert IDEMPOTENCY.encode() in everything


def files_of(server: Server) -> dict[str, bytes]:
    """The database with all its side files, by name."""
    found = sorted(server.directory.glob("casebell.db*"))
    return {path.name: path.read_bytes() for path in found if path.is_file()}
