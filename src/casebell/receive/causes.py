"""Names the likely cause of a refusal, and the next step.

What did not arrive is told by the names of the headers that did; what arrived and does not fit, by
trying the usual mistakes over what is kept (`trying`).
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from casebell.errors import ConfigError, RefusedDelivery
from casebell.kinds.signature import read_signature
from casebell.receive.signatures import Authenticator, Kept, secrets_for
from casebell.receive.trying import Found, find_in_secret, find_in_signature, find_other_secret
from casebell.settings import SourceSettings
from casebell.store.rows import delivery_from_row

#: The errors that have to do with signature or secret.
_OF_PROOF = frozenset(kind.code for kind in RefusedDelivery.__subclasses__())
#: How the guard begins to name what is spoken in the place of HTTP/1, and the cure.
_PROTOCOLS = {
    "TLS": "Set server.tls_cert and server.tls_key, or have TLS end at the proxy and the proxy "
    "speak http:// to Casebell.",
    "HTTP/2": "Have the proxy speak HTTP/1.1 to Casebell.",
    "the PROXY protocol": "Have the proxy send X-Forwarded-For and not the PROXY protocol.",
}
#: What a proxy adds to the headers of a request.
_OF_PROXIES = ("x-forwarded-for", "x-forwarded-proto", "x-real-ip", "forwarded", "via")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """Why a delivery was refused."""

    #: What kind it is: docs/contract.md.
    code: str
    #: A sentence, and the next step.
    says: str
    then: str
    #: Whether it was found, by what came or by trying. Otherwise it is only likely.
    certain: bool = True


def cause_of(row: Any, *, sources: Mapping[str, SourceSettings], key: bytes | None) -> Cause:
    """The likely cause of one refusal.

    Args:
        row: of `refused`, whole.
        key: of the digests of secrets.
    """
    seen: dict[str, Any] = json.loads(row.seen)
    source = sources.get(row.source)
    by_request = _of_request(row, seen, source)
    if by_request is not None:
        return by_request
    if source is None or not any(secrets_for(source, method) for method in source.auth):
        return Cause(
            code="unknown_source",
            says=f"Source {row.source}, or its secret, is not in the configuration as it is read "
            "here, so nothing can be tried.",
            then="Ask while the server runs, or with its secrets in the environment. If the source "
            "was taken out, have the provider stop.",
            certain=False,
        )
    return _of_proof(row, seen, source, sources=sources, key=key)


# ── What came ────────────────────────────────────────────────────────────────────────────────────


def _of_request(row: Any, seen: Mapping[str, Any], source: SourceSettings | None) -> Cause | None:
    """The cause of a request that was refused before there was a delivery."""
    path, what = seen.get("path", ""), seen.get("what", "")
    match row.error:
        case "unknown_source" | "not_found":
            right = f"/webhooks/{source.name}" if source else "/webhooks/SOURCE"
            if row.error == "not_found" and path == right:
                return Cause(
                    code="wrong_address",
                    says="It came to the address that is for people alone (console.listen).",
                    then="Have the provider post to server.public_url, which leads to server.port.",
                )
            return Cause(
                code="wrong_address",
                says=f"The address is wrong: {path or 'nothing'} was asked for, and nothing is "
                "there.",
                then=f"Have the provider post to {right}, spelled exactly so.",
            )
        case "method_not_allowed":
            return Cause(
                code="wrong_method",
                says=f"It came as {seen.get('method', 'another method')}, and deliveries are "
                "POSTed. A redirect, as from http to https, turns a POST into a GET.",
                then="Have the provider post to the https address itself, or the proxy redirect "
                "with 308.",
            )
        case "encoded_body":
            return Cause(
                code="encoded_body",
                says="The body came with a Content-Encoding"
                + (
                    f": {seen['encoding']}."
                    if "encoding" in seen
                    else " that is none of the usual."
                ),
                then="Have the provider, or the proxy, send it without compression.",
            )
        case "body_too_large":
            return Cause(
                code="too_large",
                says=f"The body has {row.body_size:,} bytes, more than server.max_body."
                if row.body_size
                else "The body is larger than server.max_body.",
                then="Raise server.max_body, then casebell reload.",
            )
        case "body_too_slow":
            return Cause(
                code="too_slow",
                says="The body did not arrive within server.body_timeout.",
                then="Have the proxy read requests whole before it passes them on, or raise "
                "server.body_timeout.",
            )
        case "bad_request":
            return Cause(
                code="no_http",
                says=f"It was no HTTP request that can be served: {what or 'it cannot be read'}.",
                then=_then_of_bad_request(what),
            )
        case code if code not in _OF_PROOF:
            return Cause(
                code="unknown",
                says=f"It was refused as {code}.",
                then="docs/operations.md says when that is.",
                certain=False,
            )
        case _:
            return None


def cure_of_protocol(what: str) -> str | None:
    """The cure of another protocol in the place of HTTP/1; None where it is none.

    Args:
        what: what is wrong with a request, as the guard names it.
    """
    return next((cure for name, cure in _PROTOCOLS.items() if what.startswith(name)), None)


def _then_of_bad_request(what: str) -> str:
    if cure := cure_of_protocol(what):
        return cure
    if "headers" in what:
        return "Have the proxy, or the provider, send fewer headers."
    return "Look at what is between the provider and Casebell; request.refused in the log has more."


# ── What proves it ───────────────────────────────────────────────────────────────────────────────


def _of_proof(
    row: Any,
    seen: Mapping[str, Any],
    source: SourceSettings,
    *,
    sources: Mapping[str, SourceSettings],
    key: bytes | None,
) -> Cause:
    """The cause of a refusal that has to do with signature or secret."""
    by_signature = "hmac" in source.auth
    header = (source.signature_header if by_signature else source.secret_header) or "its header"
    setting = _setting(source, by_signature=by_signature)
    found_in = seen.get("found_in")
    # A secret was known for one of the source's when it came.
    if found_in and (row.signature is None or _fits(row, source, key=key or b"")):
        return Cause(
            code="header_renamed",
            says=f"The proof stands in the header {found_in}, where {header} is expected.",
            then=f'Have the proxy leave the header alone, or set {setting} = "{found_in}" under '
            f"[sources.{source.name}]; then casebell reload, and casebell refused readmit {row.id}",
        )
    if row.error in ("signature_missing", "secret_missing"):
        missing = _of_missing(row, seen, source, header=header, setting=setting)
        if not found_in:
            return missing
        # Anybody can send one, so that operations would take their signatures from there.
        doubt = f" The header {found_in} came, and what looks like a proof in it fits no secret."
        return replace(missing, says=missing.says + doubt, certain=False)
    if row.error == "stale_signature":
        return Cause(
            code="stale",
            says="The signature is right, but its time is too far from ours.",
            then=f"Look at the clocks; sources.{source.name}.tolerance and .strict say how far "
            "they may be apart.",
        )
    if row.body_size == 0:
        return Cause(
            code="body_emptied",
            says="The body arrived empty.",
            then="Look at the proxy, or at a redirect on the way: it passes on the head alone.",
        )
    if row.error == "signature_malformed":
        scheme = seen.get("scheme")
        return Cause(
            code="unreadable",
            says=f"The header {header} came"
            + (f" with {scheme} credentials" if scheme else "")
            + ", but no signature of the form t=…,v1=… can be read in it.",
            then="Compare it with the provider's page; a proxy may have cut or rewritten it.",
            certain=False,
        )
    if row.body is None or not (row.signature or row.secret_digest):
        return Cause(
            code="unknown",
            says="Nothing is kept that could be tried.",
            then="Wait for the next one: casebell refused list",
            certain=False,
        )
    return _tried(row, seen, source, sources=sources, key=key or b"")


def _setting(source: SourceSettings, *, by_signature: bool) -> str:
    if len(source.auth) == 1 and not by_signature:
        return "header"
    return "signature_header" if by_signature else "secret_header"


def _of_missing(
    row: Any, seen: Mapping[str, Any], source: SourceSettings, *, header: str, setting: str
) -> Cause:
    names = seen.get("headers", ())
    proxied = any(name in names for name in _OF_PROXIES) or _is_local(row.address)
    elsewhere = (
        f"If it cannot, ask the provider to use another header, and set {setting} under "
        f"[sources.{source.name}]."
    )
    if scheme := seen.get("scheme"):
        return Cause(
            code="other_credentials",
            says=f"The header {header} came with {scheme} credentials in the place of the proof: "
            "a proxy or gateway puts its own there, or a password protects the address.",
            then=f"Have the proxy pass {header} on as the provider sent it. {elsewhere}",
        )
    if header.lower() in names:
        return Cause(
            code="header_empty",
            says=f"The header {header} came, but it holds no proof.",
            then=f"See that the provider has the secret, and that the proxy leaves {header} alone.",
        )
    through = "It came through a proxy, which takes it away" if proxied else "A proxy takes it away"
    return Cause(
        code="header_lost",
        says=f"The header {header} did not arrive. {through}, or the provider does not send it.",
        then=f"Have the proxy pass {header} on (README has it for nginx). {elsewhere}",
    )


def _is_local(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return parsed.is_private


def _tried(
    row: Any,
    seen: Mapping[str, Any],
    source: SourceSettings,
    *,
    sources: Mapping[str, SourceSettings],
    key: bytes,
) -> Cause:
    """The cause of a proof that does not fit, found by trying."""
    body = bytes(row.body)
    signature = read_signature((row.signature.encode(),)) if row.signature else None
    digest = _digest_of(row)
    if _fits(row, source, key=key):
        return _of_right(row, seen, source)
    found: Found | None = None
    if signature is not None:
        found = find_in_signature(
            signature, body, idempotency_key=row.idempotency_key, source=source
        )
    if found is None and digest is not None:
        found = find_in_secret(digest, key=key, source=source)
    if found is None:
        found = find_other_secret(signature, digest, body, key=key, source=source, sources=sources)
    if found is not None:
        return Cause(code=found.code, says=found.says, then=found.then)
    return Cause(
        code="wrong_secret",
        says="No usual mistake with body or secret explains it: the secret is another one, or "
        "somebody is forging.",
        then=f"Compare the secrets under [sources.{source.name}] with the provider's; after "
        f"casebell reload: casebell refused readmit {row.id}",
        certain=False,
    )


def _digest_of(row: Any) -> bytes | None:
    return bytes.fromhex(row.secret_digest) if row.secret_digest else None


def _fits(row: Any, source: SourceSettings, *, key: bytes) -> bool:
    """Whether it authenticates with today's secrets, from wherever it came."""
    anywhere = source.model_copy(update={"allow_from": (), "strict": False})
    kept = Kept(signature=row.signature, secret_digest=_digest_of(row), key=key)
    with contextlib.suppress(RefusedDelivery, ConfigError):
        Authenticator(anywhere).readmit(delivery_from_row(row, received_at=row.at), kept)
        return True
    return False


def _of_right(row: Any, seen: Mapping[str, Any], source: SourceSettings) -> Cause:
    authenticator = Authenticator(source)
    if source.allow_from and not authenticator.address_allowed(row.address):
        forwarded = "x-forwarded-for" in seen.get("headers", ())
        return Cause(
            code="address",
            says=f"The proof is right, but it came from {row.address}, which is not in "
            f"sources.{source.name}.allow_from.",
            then="That is the proxy's address: name it in server.trusted_proxies, so that the "
            "provider's own counts; then casebell reload."
            if forwarded
            else f"If it is the provider's, add it to allow_from under [sources.{source.name}]; "
            "if it is a proxy's, have the proxy send X-Forwarded-For, and name it in "
            "server.trusted_proxies.",
        )
    return Cause(
        code="mended",
        says="It authenticates with today's configuration.",
        then=f"Take it in: casebell refused readmit {row.id}",
    )
