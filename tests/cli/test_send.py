"""`casebell send`: exactly what the upstream would post."""

import hashlib
import hmac
import json
import re
import shutil
import subprocess
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from casebell.sandbox.deliveries import SAMPLES
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from cli.installation import Installation, parley_body
from e2e.server import PARLEY_SECRET, TORCH_SECRET

#: Bytes that no JSON library would write: their digest must not come from a copy.
BODY = b'\xef\xbb\xbf{ "id" :"a\\u0062c",\r\n "n": 1.0, "n": 2 }\x00\xff \n'


@pytest.fixture
def body(tmp_path: Path) -> Path:
    """A file with a body."""
    file = tmp_path / "body.json"
    file.write_bytes(BODY)
    return file


OWN = b'{"status": "stored", "event_id": "e", "request_id": "req_1"}'


@pytest.fixture
def sink(sink: HttpSink) -> HttpSink:
    """An address that answers as Casebell does."""
    sink.answer(HttpAnswer(body=OWN))
    return sink


def test_the_exact_bytes_signed_as_the_page_says(
    bare: Installation, sink: HttpSink, body: Path
) -> None:
    """`t=…,v1=…`: the digest of `t`, "." and the file's bytes, as openssl makes it."""
    ran = bare("send", "--body", str(body), "--to", sink.url)
    assert (ran.code, ran.out, ran.err) == (0, f"200 {OWN.decode()}\n", "")
    (request,) = sink.requests
    assert (request.method, request.path, request.body) == ("POST", "/webhooks/parley", BODY)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"]
    found = re.fullmatch(
        r"Parley-Signature=t=(\d{10}),v1=([0-9a-f]{64})", request.headers["authorization"]
    )
    assert found
    time, digest = found.groups()
    signed = f"{time}.".encode() + BODY
    assert digest == hmac.new(PARLEY_SECRET.encode(), signed, hashlib.sha256).hexdigest()
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    openssl = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", PARLEY_SECRET, "-r"],
        input=signed,
        capture_output=True,
        check=True,
    )
    assert openssl.stdout.decode().split()[0] == digest


def test_a_shared_secret_in_its_header(bare: Installation, sink: HttpSink, body: Path) -> None:
    """As Torch does it: the secret alone, in the configured header, after the prefix."""
    text = bare.config.read_text()
    bare.config.write_text(text.replace('header = "X-', 'prefix = "Bearer "\nheader = "X-'))
    bare("send", "--body", str(body), "--source", "torch", "--to", f"{sink.url}/")
    (request,) = sink.requests
    assert (request.path, request.body) == ("/webhooks/torch", BODY)
    assert request.headers["x-torch-secret"] == f"Bearer {TORCH_SECRET}"
    assert "authorization" not in request.headers


def test_without_a_configuration(bare: Installation, sink: HttpSink) -> None:
    """With an address and a secret nothing else is needed; the secret signs."""
    for sample, header in (("parley-rfe", "authorization"), ("torch-rfe", "x-torch-secret")):
        ran = bare.run("send", "--sample", sample, "--to", sink.url, "--secret", "s3cret")
        assert ran.code == 0, ran.err
        assert header in sink.requests[-1].headers
        assert sink.requests[-1].path == f"/webhooks/{sample.split('-')[0]}"
    assert sink.requests[-1].headers["x-torch-secret"] == "s3cret"
    time, digest = re.findall(r"t=(\d+),v1=(\w+)", sink.requests[0].headers["authorization"])[0]
    signed = f"{time}.".encode() + sink.requests[0].body
    assert hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest() == digest


def test_a_secret_of_any_characters(bare: Installation, sink: HttpSink) -> None:
    """Secrets are UTF-8 on the wire, and an empty one is an empty one."""
    bare("send", "--sample", "torch-rfe", "--to", sink.url, "--secret", "Schlüssel-€")
    assert sink.requests[-1].headers["x-torch-secret"].encode("latin-1") == "Schlüssel-€".encode()
    bare("send", "--sample", "torch-rfe", "--to", sink.url, "--secret", "")
    assert sink.requests[-1].headers["x-torch-secret"] == ""


def test_a_whole_url_is_left_alone(bare: Installation, sink: HttpSink, body: Path) -> None:
    """`--to` with a path of webhooks is where it goes, whatever the source's name is."""
    bare("send", "--body", str(body), "--to", f"{sink.url}/prefix/webhooks/other?x=1")
    assert sink.requests[-1].path == "/prefix/webhooks/other?x=1"


def test_both_methods_and_compact_json(bare: Installation, sink: HttpSink, tmp_path: Path) -> None:
    """Each method gets a secret that serves it, and the signature covers what the source signs."""
    bare.config.write_text(
        bare.config.read_text().replace(
            f'secrets = ["{PARLEY_SECRET}"]',
            f"""auth = ["hmac", "shared-secret"]
            require = "all"
            secret_header = "X-Word"
            signed_body = "compact-json"
            secrets = [
                {{ label = "word", value = "{TORCH_SECRET}", use = "shared-secret" }},
                {{ label = "key", value = "{PARLEY_SECRET}", use = "hmac" }},
            ]""",
        )
    )
    file = tmp_path / "spaced.json"
    file.write_bytes(b'{ "id": "x",  "n": 1.0 }')
    assert bare("send", "--body", str(file), "--to", sink.url).code == 0
    (request,) = sink.requests
    assert request.body == file.read_bytes()
    assert request.headers["x-word"] == TORCH_SECRET
    time, digest = re.findall(r"t=(\d+),v1=(\w+)", request.headers["authorization"])[0]
    signed = f'{time}.{{"id":"x","n":1}}'.encode()
    assert hmac.new(PARLEY_SECRET.encode(), signed, hashlib.sha256).hexdigest() == digest


@pytest.mark.parametrize(
    ("status", "code"),
    [(200, 0), (202, 0), (302, 1), (401, 1), (404, 1), (413, 1), (429, 1), (500, 3), (503, 3)],
)
def test_exit_codes(bare: Installation, sink: HttpSink, status: int, code: int) -> None:
    """0 it was taken, 1 it was not, 3 the server could not tell; the answer is printed."""
    said = '"status": "held", "reason": "' if status < 300 else '"error": "'
    sink.answer(
        HttpAnswer(status=status, body=f'{{{said}\x1b[2J\nno", "request_id": "req_1"}}'.encode())
    )
    ran = bare("send", "--sample", "parley-rfe", "--to", sink.url)
    # A line break in a text of JSON is no JSON, so this is not Casebell's answer.
    assert ran.out == f'{status} {{{said}[2J no", "request_id": "req_1"}}\n'
    assert ran.code == (1 if status < 300 else code)
    sink.answer(HttpAnswer(status=status, body=f'{{{said}no", "request_id": "req_1"}}'.encode()))
    ran = bare("send", "--sample", "parley-rfe", "--to", sink.url)
    assert (ran.code, ran.err) == (code, "")


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, b"", 1),
        (200, b"ok", 1),
        (202, b'{"status": "ok"}', 1),
        (200, b'["stored"]', 1),
        (200, b'{"status": "stored"}', 1),
        (200, b'{"status": "stored", "request_id": 7}', 1),
        (200, b'{"status": "stored", "request_id": "another"}', 1),
        (301, b"<html>moved</html>", 1),
        (404, b"<html>nginx</html>", 1),
        (502, b"bad gateway", 3),
    ],
)
def test_only_our_own_word_counts(
    bare: Installation, sink: HttpSink, status: int, body: bytes, code: int
) -> None:
    """A proxy that answers of its own accord stored nothing: what came, and what to look at."""
    sink.answer(HttpAnswer(status=status, body=body))
    ran = bare("send", "--sample", "parley-rfe", "--to", sink.url)
    assert ran.code == code
    assert ran.out == f"{status} {body.decode()}\n"
    assert f"{status} did not come from Casebell." in ran.err
    assert "/webhooks/SOURCE" in ran.err


def test_an_answer_that_names_no_outcome_is_no_success(bare: Installation, sink: HttpSink) -> None:
    """Our number alone does not say that the delivery is on disk."""
    sink.answer(HttpAnswer(body=b'{"status": "ready", "request_id": "req_1"}'))
    assert bare("send", "--sample", "parley-rfe", "--to", sink.url).code == 1


def test_a_secret_from_a_file_or_standard_input(
    bare: Installation, sink: HttpSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the end of its last line, which an editor adds; other blanks belong to it."""
    file = tmp_path / "secret"
    sample = ("send", "--sample", "torch-rfe", "--to", sink.url, "--secret-file")
    for content, meant in ((b"s3cret\n", "s3cret"), (b"s3 cret\r\n", "s3 cret"), (b"", "")):
        file.write_bytes(content)
        assert bare(*sample, str(file)).code == 0
        assert sink.requests[-1].headers["x-torch-secret"] == meant
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(content)))
        assert bare(*sample, "-").code == 0
        assert sink.requests[-1].headers["x-torch-secret"] == meant
    file.write_bytes(b"\xff")
    assert bare(*sample, str(file)).code == 2
    assert bare(*sample, str(tmp_path / "missing")).code == 1
    assert bare(*sample, str(file), "--secret", "x").code == 2


def test_nobody_answers(bare: Installation) -> None:
    """Exit code 3; an address that was typed is not repeated, for it may hold a password."""
    for target in ("http://127.0.0.1:9", "http://user:hunter2@127.0.0.1:9"):
        ran = bare("send", "--sample", "parley-rfe", "--to", target)
        assert (ran.code, ran.out) == (3, "")
        assert "Nothing answers" in ran.err
        assert "hunter2" not in ran.err
    ran = bare("send", "--sample", "parley-rfe")
    assert ran.code == 3
    assert "No server of this configuration runs here." in ran.err


@pytest.mark.parametrize("target", ["nonsense", "ftp://127.0.0.1", "http://", "http://[::1"])
def test_an_address_that_is_none(bare: Installation, target: str) -> None:
    """A URL that cannot be posted to is a usage error."""
    ran = bare("send", "--sample", "parley-rfe", "--to", target)
    assert (ran.code, ran.out) == (2, "")
    assert "--to" in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--sample", "parley-rfe", "--body", "x"), 2, "either"),
        (("--sample", "parley-rfe", "--source", "parlay"), 1, "Did you mean `parley`?"),
        (("--body", "/nonexistent"), 1, "No such file"),
        (("--body", "/"), 1, "Is a directory"),
    ],
)
def test_what_cannot_be_sent(
    bare: Installation, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """Each is told in a sentence, before anything is sent."""
    ran = bare("send", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err


@pytest.mark.slow
def test_every_sample_is_taken(served: Installation, tmp_path: Path) -> None:
    """A running server finds itself, verifies each sample, and stores it."""
    names = [name for name, (kind, _) in SAMPLES.items() if kind.name in ("parley", "torch")]
    for name in names:
        ran = served("send", "--sample", name)
        assert (ran.code, ran.err) == (0, ""), name
        assert json.loads(ran.out.removeprefix("200 "))["status"] == "stored"
    file = tmp_path / "again.json"
    file.write_bytes(parley_body("evt_again"))
    outcomes = [served("send", "--body", str(file)).out for _ in range(2)]
    assert ['"stored"' in outcomes[0], '"duplicate"' in outcomes[1]] == [True, True]
    file.write_bytes(b"{}")
    held = served("send", "--body", str(file))
    assert (held.code, held.out[:3]) == (0, "202")
    forged = served("send", "--sample", "parley-rfe", "--secret", "x" * 20)
    assert (forged.code, forged.out[:3]) == (1, "401")
    assert len(served("events", "list", "--json").lines()) == len(names) + 1
