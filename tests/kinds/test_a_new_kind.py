"""The kind that `docs/adding-a-source-kind.md` adds, from its settings to what is decided."""

import dataclasses
import json
import textwrap
from pathlib import Path
from types import ModuleType

import pytest
from msgspec import structs

from casebell.clock import SystemClock
from casebell.errors import ConfigError, SignatureMismatch, SignatureMissing
from casebell.events import Delivery, Status
from casebell.kinds import KINDS, SourceKind, meaning_of, status_of_type
from casebell.kinds.signature import PARLEY_SIGNATURE
from casebell.runtime import Runtime
from casebell.sandbox.deliveries import headers_for
from casebell.settings import Settings, load
from casebell.store.schema import events
from contracts.stores import read_table
from docs.pages import blocks
from waiting import until

PAGE = "docs/adding-a-source-kind.md"
CONFIG = """
[sources.feed]
kind = "lumen"
secrets = ["lumen-secret-of-the-tests"]
{more}

[sources.parley]
kind = "parley"
secrets = ["parley-secret-of-the-tests"]
"""


@pytest.fixture
def lumen(monkeypatch: pytest.MonkeyPatch) -> SourceKind:
    """The page's module and its line in the registry."""
    (source,) = blocks(PAGE, "python")
    module = ModuleType("lumen")
    exec(textwrap.dedent(source), module.__dict__)
    kind = module.KIND
    assert isinstance(kind, SourceKind)
    monkeypatch.setitem(KINDS, kind.name, kind)
    return kind


def configured(folder: Path, more: str = "") -> Settings:
    """A configuration with a source of the new kind and one of an old one."""
    file = folder / "config.toml"
    file.write_text(CONFIG.format(more=more))
    return load(file, environ={})


def body_of(kind: SourceKind, name: str, **case: str) -> bytes:
    """A body as the kind writes it, with other values of its case."""
    document = kind.document(kind.samples["rfe"], name, "IOE0912345678", "2026-03-02T15:04:05Z")
    document["case"] |= case
    return json.dumps(document).encode()


def delivered(settings: Settings, body: bytes, *, secret: str | None = None) -> Delivery:
    """A delivery to the new source, signed as its kind signs."""
    now = SystemClock().now()
    headers = headers_for(settings.sources["feed"], body, at=now // 1_000_000, secret=secret)
    return Delivery(
        source="feed",
        body=body,
        headers=tuple((name.lower().encode(), value.encode()) for name, value in headers.items()),
        address="192.0.2.7",
        received_at=now,
        request_id="req_1",
    )


def test_without_its_line_there_is_no_such_kind(tmp_path: Path) -> None:
    """A configuration cannot name it, and the message says which there are."""
    with pytest.raises(ConfigError) as refused:
        configured(tmp_path)
    (problem,) = refused.value.problems
    assert problem.key == "sources.feed.kind"
    assert problem.message == f"This must be {' or '.join(map(repr, KINDS))}."


def test_its_defaults_are_the_sources(lumen: SourceKind, tmp_path: Path) -> None:
    """Method, header and fields come from the kind; what the file says goes before them."""
    source = configured(tmp_path).sources["feed"]
    assert (source.auth, source.signature_header) == (("hmac",), "X-Lumen-Signature")
    assert source.fields.model_dump() == {
        name: getattr(lumen.fields, name) for name in lumen.fields.__slots__
    }
    more = 'signature_header = "X-Sig"\nfields = { text = "case.message" }'
    source = configured(tmp_path, more).sources["feed"]
    assert (source.signature_header, source.fields.text) == ("X-Sig", ("case.message",))
    assert source.fields.receipt == lumen.fields.receipt


async def test_from_delivery_to_decision(
    lumen: SourceKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is authenticated, understood and weighed with its own fields, words and event types."""
    own_received = {**lumen.words, "received": lumen.words["evidence wanted"]}
    monkeypatch.setitem(KINDS, "lumen", dataclasses.replace(lumen, words=own_received))
    settings = configured(tmp_path)
    bodies = [
        body_of(lumen, "moved"),
        # A text that is certain stands in for a word that nobody knows.
        body_of(lumen, "told", state="MOVED", note="Case Was Approved"),
        # Nothing but the type says what happened.
        body_of(lumen, "refused", state="").replace(b"case.moved", b"case.refused"),
        # Parley's word, with another meaning of its own.
        body_of(lumen, "own", state="RECEIVED"),
        # Torch's words are known as well.
        body_of(lumen, "torch", state="Request for Evidence"),
    ]
    runtime = Runtime(settings)
    async with runtime.running():
        for body in bodies:
            accepted = await runtime.receiver.accept(delivered(settings, body))
            assert accepted.status == "stored"

        async def decided() -> bool:
            return all(row.routed_at for row in await read_table(runtime.store, events))

        await until(decided, "every decision")
        found = {row.key: row for row in await read_table(runtime.store, events)}
    assert {key: row.status for key, row in found.items()} == {
        "moved": "rfe_issued",
        "told": "approved",
        "refused": "denied",
        "own": "rfe_issued",
        "torch": "rfe_issued",
    }
    assert {row.receipt for row in found.values()} == {"IOE0912345678"}
    assert "deadline" in found["moved"].tags


async def test_what_it_did_not_sign_is_refused(lumen: SourceKind, tmp_path: Path) -> None:
    """A wrong secret, a changed body and Parley's header prove nothing."""
    settings = configured(tmp_path)
    body = body_of(lumen, "moved")
    honest = delivered(settings, body)
    runtime = Runtime(settings)
    async with runtime.running():
        with pytest.raises(SignatureMismatch):
            await runtime.receiver.accept(delivered(settings, body, secret="a stranger's guess"))
        changed = structs.replace(honest, body=body.replace(b"IOE", b"EAC"))
        with pytest.raises(SignatureMismatch):
            await runtime.receiver.accept(changed)
        parley = PARLEY_SIGNATURE.sign(
            body, secret="lumen-secret-of-the-tests", at=honest.received_at // 1_000_000
        )
        other = structs.replace(honest, headers=((b"authorization", parley.encode()),))
        with pytest.raises(SignatureMissing):
            await runtime.receiver.accept(other)


def test_its_own_word_goes_before_the_others(
    lumen: SourceKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word of two kinds means to a source what its own kind says; so does an event type."""
    own = dataclasses.replace(
        lumen,
        words={"received": lumen.words["evidence wanted"]},
        event_types={"case.approved": Status.DENIED},
    )
    monkeypatch.setitem(KINDS, own.name, own)
    meant = {kind: meaning_of("Received", kind=kind) for kind in ("lumen", "parley", None)}
    assert {kind: word and word.status for kind, word in meant.items()} == {
        "lumen": Status.RFE_ISSUED,
        "parley": Status.RECEIVED,
        None: Status.RECEIVED,
    }
    assert status_of_type("case.approved", kind="lumen") is Status.DENIED
    assert status_of_type("case.approved", kind="torch") is Status.APPROVED
