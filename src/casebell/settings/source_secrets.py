"""Checks on the secrets of sources: what can never match, and what is likely to be a mistake."""

import re
from collections.abc import Iterable, Iterator

from casebell.settings.places import Finding, spelled
from casebell.settings.sources import (
    SIGNING_PREFIX,
    SourceSecret,
    SourceSettings,
    decoded,
)

#: Shortest secret that gets no warning, in bytes.
SAFE_SECRET_BYTES = 16
#: Different characters of which fewer are no secret: "aaaaaaaaaaaaaaaa", "1212121212121212".
_SAFE_VARIETY = 8
#: Bytes of a header that carries a secret; a longer one is refused.
_MAX_HEADER = 4096
_PLACEHOLDER = re.compile(
    r"change.?me|replace.?me|your.?(?:\w+.?)?secret|placeholder", re.IGNORECASE
)
_BYTE_ORDER_MARK = "\ufeff"


def findings(source: SourceSettings) -> Iterator[Finding]:
    """What makes a source unsafe, or a secret one that no delivery can match."""
    loc = ("sources", source.name, "secrets")
    served = {secret.use for secret in source.secrets}
    bare = [method for method in dict.fromkeys(source.auth) if not served & {None, method}]
    if bare:
        yield Finding(
            loc=loc,
            message=f"There is no secret for {' and '.join(bare)}: anyone could forge a delivery.",
            hint='Write secrets = ["${VARIABLE}"] and keep the value in `.env`.',
        )
    labels: set[str] = set()
    for place, secret in enumerate(source.secrets):
        yield from _of_one(source, secret, (*loc, place))
        if secret.label in labels:
            yield Finding(
                loc=(*loc, place, "label"),
                message="Another secret of this source has the same label.",
                hint="Labels tell which secret a delivery used.",
            )
        labels.add(secret.label)


def _of_one(
    source: SourceSettings, secret: SourceSecret, loc: tuple[str | int, ...]
) -> Iterator[Finding]:
    if secret.use is not None and secret.use not in source.auth:
        yield Finding(
            loc=(*loc, "use"),
            message=f"This source does not use {secret.use}.",
            hint=f"Known: {', '.join(source.auth)}.",
        )
    signs = "hmac" in ([secret.use] if secret.use else source.auth)
    if secret.encoding == "base64" and not signs:
        yield Finding(
            loc=(*loc, "encoding"),
            message="A header carries a shared secret as it is written.",
            hint="Take `encoding` away: it is for secrets that sign.",
        )
    try:
        size = len(secret.signing_key)
    except ValueError:
        yield Finding(
            loc=(*loc, "value"),
            message="This is no base64.",
            hint="Copy it again, or take `encoding` away where the text itself is the secret.",
        )
        return
    if size < source.min_secret_bytes:
        yield Finding(
            loc=(*loc, "value"),
            message=f"This secret is shorter than {source.min_secret_bytes} bytes.",
            hint="Ask for a longer one; `min_secret_bytes` lowers the limit for this source.",
        )
    elif not signs and (cause := _not_in_a_header(source, secret.value.get_secret_value())):
        yield Finding(
            loc=(*loc, "value"),
            message=f"This secret {cause[0]}, so that no header can match it.",
            hint=cause[1],
        )


def _not_in_a_header(source: SourceSettings, value: str) -> tuple[str, str] | None:
    """Why no header can hold a secret, and the cure."""
    prefix = source.prefix.strip().lower()
    if prefix and value.lower().startswith(prefix):
        return "begins with `prefix`", "Write the prefix in `prefix` alone."
    if len(value.encode()) > _MAX_HEADER - len(prefix):
        return "has more than 4 KiB", "Is it the wrong file? Ask for a shorter secret."
    return _spoilt(value)


def _spoilt(value: str) -> tuple[str, str] | None:
    """What came to be at the ends of a secret on its way here, and the cure."""
    if value.startswith(_BYTE_ORDER_MARK):
        return "begins with a byte order mark", "Save its file as UTF-8 without one."
    ends = value.strip() != value
    if ends and re.search(r"[\r\n]", value[:1] + value[-1:]):
        return (
            "ends with a line end",
            "A file may end with one; write it anew: printf %s 'SECRET' > FILE.",
        )
    if ends:
        return "has a blank at one of its ends", "Take the blank away where it is kept."
    if not value.isprintable():
        return (
            "holds a line end or another control character",
            "Copy it again; single quotes in `.env` keep a backslash as it is.",
        )
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'`":
        return "stands in quotes of its own", "Quotes once, in `.env` or in the file of settings."
    return None


def remarks(sources: Iterable[SourceSettings]) -> Iterator[str]:
    """Sentences on secrets that work, but are likely to be mistakes; never with a value."""
    seen: dict[bytes, str] = {}
    for source in sources:
        if source.min_secret_bytes < SAFE_SECRET_BYTES:
            yield (
                f"sources.{source.name}.min_secret_bytes is below {SAFE_SECRET_BYTES}: short "
                "secrets can be guessed."
            )
        for place, secret in enumerate(source.secrets):
            where = spelled(("sources", source.name, "secrets", place))
            text = secret.value.get_secret_value()
            if cause := _spoilt(text):
                yield f"{where} {cause[0]}: deliveries may all be refused for it. {cause[1]}"
            if notice := _other_encoding(source, secret, text):
                yield f"{where} {notice}"
            if len(set(text)) < _SAFE_VARIETY or _PLACEHOLDER.search(text):
                yield f"{where} can be guessed. Have the provider make a random one."
            key = secret.bytes_for("hmac")
            if other := seen.get(key):
                yield (
                    f"{where} is the same as {other}: who may send for one could send for the "
                    "other. Have the provider make another one."
                )
            seen.setdefault(key, where)


def _other_encoding(source: SourceSettings, secret: SourceSecret, text: str) -> str:
    """What to say of a secret for signatures that looks like the base64 of the real one."""
    if secret.encoding is not None or "hmac" not in source.auth or secret.use == "shared-secret":
        return ""
    if text.startswith("v1,"):
        return (
            "begins with `v1,`, which is a version and no part of a secret. Take it away; with "
            '`whsec_` after it write { value = "…", encoding = "base64" }.'
        )
    if not text.startswith(SIGNING_PREFIX):
        return ""
    try:
        decoded(text)
    except ValueError:
        return ""
    return (
        "begins with `whsec_` and may be base64: where the provider signs with what it decodes to, "
        'write { value = "…", encoding = "base64" }, else encoding = "text".'
    )
