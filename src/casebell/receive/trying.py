"""Finds what was done to a body or a secret, by trying the usual mistakes over what is kept.

A refused delivery says only that something does not fit. But each mistake that people make can be
made again here, and where the proof fits then, that was it. A few dozen digests of one body; it is
done when somebody asks, never for each delivery.
"""

import base64
import binascii
import contextlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from casebell.kinds import KINDS
from casebell.kinds.signature import Signature
from casebell.receive.compact_json import compact_json
from casebell.receive.shared_secret import keyed_digest
from casebell.receive.signatures import secrets_for
from casebell.settings import SourceSettings

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The mistake that explains a refusal."""

    #: What kind it is: docs/contract.md.
    code: str
    #: A sentence, and the next step.
    says: str
    then: str


def find_in_signature(
    signature: Signature, body: bytes, *, idempotency_key: str | None, source: SourceSettings
) -> Found | None:
    """What explains that a signature does not fit, apart from other sources' secrets."""
    keys = list(dict(secrets_for(source, "hmac")).values())

    def fits(key: bytes, signed: bytes) -> bool:
        made = hmac.digest(key, signed, "sha256")
        return any(hmac.compare_digest(made, digest) for digest in signature.digests)

    covered = KINDS[source.kind].signature.covered
    for code, says, then, altered in _bodies(body, source):
        if any(fits(key, covered(signature.time, altered)) for key in keys):
            return Found(code=code, says=says, then=then)
    for says, signed in _forms(signature.time, body, idempotency_key):
        if any(fits(key, signed) for key in keys):
            return Found(
                code="signed_otherwise",
                says=f"The secret is right, but the signature covers something else: {says}.",
                then="Show the provider what its page says is signed: the time, a dot, the body.",
            )
    signed = covered(signature.time, body)
    for secret in source.secrets:
        if secret.encoding == "base64" and fits(secret.value.get_secret_value().encode(), signed):
            return Found(
                code="secret_altered",
                says="The provider signs with the secret as it is written, and not with what it is "
                "the base64 of.",
                then=f'Take encoding = "base64" away under [sources.{source.name}], then '
                "casebell reload.",
            )
    for text in dict.fromkeys(_texts(source, "hmac")):
        for says, then, key in _secrets(text, source):
            if key and fits(key, signed):
                return Found(code="secret_altered", says=says, then=then)
    return None


def find_in_secret(digest: bytes, *, key: bytes, source: SourceSettings) -> Found | None:
    """What explains that a shared secret does not fit, apart from other sources' secrets."""

    def fits(value: bytes) -> bool:
        return hmac.compare_digest(keyed_digest(value, key=key), digest)

    for text in dict.fromkeys(_texts(source, "shared-secret")):
        for scheme in (b"Bearer ", b"Token ", b"Secret ", b"ApiKey "):
            if fits(scheme + text):
                word = scheme.decode()
                return Found(
                    code="prefix",
                    says=f"The secret is right, and “{word.strip()}” stands before it.",
                    then=f'Set prefix = "{word}" under [sources.{source.name}], then '
                    "casebell reload.",
                )
        for says, then, value in _secrets(text, source):
            if value and fits(value):
                return Found(code="secret_altered", says=says, then=then)
    return None


def find_other_secret(
    signature: Signature | None,
    digest: bytes | None,
    body: bytes,
    *,
    key: bytes,
    source: SourceSettings,
    sources: Mapping[str, SourceSettings],
) -> Found | None:
    """The secret of another source, or of this one for its other method, that fits."""
    for name, other in sources.items():
        signed = None
        if signature is not None:
            signed = KINDS[source.kind].signature.covered(signature.time, body)
        for secret in other.secrets:
            text, value = secret.bytes_for("shared-secret"), secret.bytes_for("hmac")
            if not (text and value):
                continue
            by_signature = (
                signature is not None
                and signed is not None
                and hmac.digest(value, signed, "sha256") in signature.digests
            )
            by_digest = digest is not None and keyed_digest(text, key=key) == digest
            if not (by_signature or by_digest):
                continue
            if name != source.name:
                return Found(
                    code="other_sources_secret",
                    says=f"It carries the secret “{secret.label}” of source {name}.",
                    then=f"The provider posts to the wrong address, or the secrets of {name} and "
                    f"{source.name} are swapped in the configuration.",
                )
            return Found(
                code="other_use",
                says=f"It carries the secret “{secret.label}”, which is for another method.",
                then=f"Look at `use` of that secret under [sources.{source.name}].",
            )
    return None


def _texts(source: SourceSettings, method: str) -> list[bytes]:
    """The secrets for a method as they are configured and as they are used."""
    used = [key for _, key in secrets_for(source, method)]
    written = [
        secret.value.get_secret_value().encode()
        for secret in source.secrets
        if secret.use in (None, method)
    ]
    return [text for text in used + written if text]


# ── What happens to a body ───────────────────────────────────────────────────────────────────────


def _bodies(body: bytes, source: SourceSettings) -> Iterator[tuple[str, str, str, bytes]]:
    """The bodies that may have been signed where this one came."""
    untouched = (
        "Have the proxy, gateway or function in between pass the body on byte for byte: it must "
        "not parse it and write it again."
    )
    altered = "The body was altered on its way: "
    ends = body.replace(b"\r\n", b"\n")
    for says, other in (
        ("its line ends were LF and came as CRLF", ends),
        ("its line ends were CRLF and came as LF", ends.replace(b"\n", b"\r\n")),
        ("a byte order mark was put before it", body.removeprefix(_BOM)),
        ("its byte order mark was taken off", _BOM + body),
        ("a line end was added to it", body.rstrip(b"\r\n")),
        ("blanks were put around it", body.strip()),
        ("its final line end was taken off", body + b"\n"),
        ("its final line end was taken off", body + b"\r\n"),
        ("its final line ends were taken off", body + b"\n\n"),
    ):
        if other != body:
            yield "body_altered", altered + says + ".", untouched, other
    with contextlib.suppress(ValueError):
        yield (
            "body_rewritten",
            "The signature covers the body without its spaces, as JavaScript writes it again.",
            f'If the provider signs so, set signed_body = "compact-json" under '
            f"[sources.{source.name}]; else something on the way spaces it out. " + untouched,
            compact_json(body),
        )
    for says, other in _rewritten(body):
        yield "body_rewritten", altered + says + ".", untouched, other
    with contextlib.suppress(UnicodeError):
        once = body.decode().encode("latin-1")
        was = (
            "UTF-8 and came encoded a second time"
            if _is_utf8(once)
            else "Latin-1 and came as UTF-8"
        )
        yield "body_altered", f"{altered}it was {was}.", untouched, once
    other = body.decode("latin-1").encode()
    yield "body_altered", altered + "it was UTF-8 and came as Latin-1.", untouched, other
    if body:
        yield (
            "body_altered",
            "The signature covers an empty body.",
            "The provider signs before it has the body, or something on the way replaced it.",
            b"",
        )


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _rewritten(body: bytes) -> Iterator[tuple[str, bytes]]:
    """The same JSON as other programs write it, keys in their order."""
    with contextlib.suppress(ValueError, RecursionError):
        value: Any = json.loads(body.decode("utf-8-sig"))
        forms: tuple[tuple[str, dict[str, Any]], ...] = (
            ("it had no spaces", {"separators": (",", ":")}),
            ("it had one space behind each comma and colon", {}),
            ("it was indented by two", {"indent": 2}),
            ("it was indented by four", {"indent": 4}),
            ("it was indented by tabs", {"indent": "\t"}),
            ("it had no spaces and its keys in order", {"separators": (",", ":"), "sort_keys": 1}),
        )
        for says, options in forms:
            for ascii_only in (False, True):
                text = json.dumps(value, ensure_ascii=ascii_only, **options)
                for escaped, spelled in (("", text), (" and “\\/”", text.replace("/", "\\/"))):
                    escapes = " with escapes" if ascii_only else ""
                    other = spelled.encode("utf-8", "surrogatepass")
                    if other != body:
                        yield f"the JSON was written again; {says}{escapes}{escaped}", other
                        yield f"the JSON was written again; {says}, line end last", other + b"\n"


def _forms(time: bytes, body: bytes, idempotency_key: str | None) -> Iterator[tuple[str, bytes]]:
    """What some providers sign in the place of time, dot and body."""
    yield "the letter “t”, a dot and the body", b"t." + body
    yield "the body alone, without the time", body
    yield "the time in milliseconds", b"%b000.%b" % (time, body)
    if len(time) > 3:
        yield "the time in seconds, where milliseconds stand in the header", time[:-3] + b"." + body
    yield "time and body without the dot", time + body
    yield "time, line end and body", time + b"\n" + body
    yield "the body before the time", b"%b.%b" % (body, time)
    if idempotency_key:
        name = idempotency_key.encode()
        yield "id, time and body, as Standard Webhooks has it", b"%b.%b.%b" % (name, time, body)


# ── What happens to a secret ─────────────────────────────────────────────────────────────────────


def _secrets(text: bytes, source: SourceSettings) -> Iterator[tuple[str, str, bytes]]:
    """What the provider may have for a secret of which this is configured."""
    where = f"under [sources.{source.name}]"
    ours = "The configured secret is the provider's, but "
    clean = f"Mend the secret {where} (or in .env, or its file), then casebell reload."
    theirs = "Have the provider's secret set anew, without it."
    bare = text.strip().removeprefix(_BOM)
    unquoted = bare.strip(b"\"'`").strip()
    unprefixed = unquoted
    for prefix in (b"v1,", b"whsec_", b"whsec_"):
        unprefixed = unprefixed.removeprefix(prefix)
    yield ours + "with blanks, a line end or a byte order mark around it.", clean, bare
    yield ours + "with quotes around it.", clean, unquoted
    yield ours + "with “whsec_” or “v1,” before it.", clean, unprefixed
    yield ours + "percent-encoded.", clean, unquote_to_bytes(unquoted)
    encoded = f'Write {{ value = "…", encoding = "base64" }} for it {where}, then casebell reload.'
    for given in dict.fromkeys((unquoted, unprefixed)):
        for decoded in _decoded(given):
            yield "The provider signs with what the secret is the base64 of.", encoded, decoded
    with contextlib.suppress(ValueError):
        yield (
            "The provider signs with the bytes that the secret spells in hexadecimal.",
            f'Write those bytes as base64, with encoding = "base64", {where}.',
            binascii.unhexlify(unquoted),
        )
    used_as_text = f'Take encoding = "base64" away {where}, or give the key itself.'
    for form in (base64.b64encode(text), base64.urlsafe_b64encode(text)):
        yield "The provider has the base64 of the configured secret.", used_as_text, form
        yield "The provider has the base64 of it, unpadded.", used_as_text, form.rstrip(b"=")
    for end in (b"\n", b"\r\n", b" "):
        yield "The provider's secret ends with a blank or a line end.", theirs, bare + end
    for mark in (b'"', b"'"):
        yield "The provider's secret has quotes around it.", theirs, mark + bare + mark
    yield "The provider's secret is percent-encoded.", theirs, quote(bare, safe="").encode()
    yield "The provider's secret begins with “whsec_”.", clean, b"whsec_" + bare


def _decoded(text: bytes) -> Iterator[bytes]:
    padded = text + b"=" * (-len(text) % 4)
    for alphabet in (None, b"-_"):
        with contextlib.suppress(ValueError):
            yield base64.b64decode(padded, altchars=alphabet, validate=True)
