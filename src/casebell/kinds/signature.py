"""How a delivery is signed, and what a signature header says: a time and one or more digests.

The API page shows `Authorization: Parley-Signature=t=1734020000,v1=hexdigest`. Its sample handler
splits that at every "=" and so takes the scheme's "t" for the time; here the scheme is taken off
first. Read as well: `Parley-Signature t=…,v1=…`, a bare `t=…,v1=…`, other credentials
in a second header line or folded into the same one by a proxy.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from casebell.errors import SignatureMalformed, SignatureMissing
from casebell.events import Micros

#: Parts between commas that are read of one delivery's signature headers: this bounds the work
#: before authentication. A signature has two parts; other credentials may be of any length.
MAX_PARTS = 256
#: Digests of a refused signature that are kept; a rotation needs two.
MAX_KEPT_DIGESTS = 16
DIGEST_SIZE = 32
#: From these values on a time is in a finer unit: in the coarser one it would be of the year 33658.
MILLISECONDS_FROM = 10**12
MICROSECONDS_FROM = 10**15
NANOSECONDS_FROM = 10**18

#: What the API page shows and nearly every delivery has; read at once, with the same result.
_USUAL = re.compile(rb"Parley-Signature[= ]t=([0-9]{1,19}),v1=([0-9A-Fa-f]{64})")
_SCHEME = re.compile(rb"parley-signature(?=[ \t=]|$)[ \t]*=?[ \t]*", re.IGNORECASE)
_PARAMETER = re.compile(rb"([A-Za-z][A-Za-z0-9_-]*)[ \t]*=[ \t]*(.*)", re.DOTALL)
#: RFC 9110 section 11.4: a scheme, a space, then whatever that scheme wants.
_OTHER_CREDENTIALS = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]+\S.*", re.DOTALL)
#: Ten digits are seconds, thirteen milliseconds, sixteen microseconds, nineteen nanoseconds.
_TIME = re.compile(rb"[0-9]{1,19}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """A readable signature, not yet compared with anything."""

    #: The time exactly as signed: ASCII digits, leading zeros kept.
    time: bytes
    digests: tuple[bytes, ...]

    @property
    def at(self) -> Micros:
        """The time, whether it was signed in seconds or in a finer unit."""
        value = int(self.time)
        if value >= MICROSECONDS_FROM:
            return value // 1_000 if value >= NANOSECONDS_FROM else value
        return value * (1_000 if value >= MILLISECONDS_FROM else 1_000_000)

    def __str__(self) -> str:
        """`t=…,v1=…` in one spelling, as it is kept; `read_signature` reads it back as the same."""
        digests = "".join(f",v1={digest.hex()}" for digest in self.digests[:MAX_KEPT_DIGESTS])
        return f"t={self.time.decode('ascii')}{digests}"


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureFormat:
    """How a kind signs: HMAC-SHA256 over time and body, in a header of one form."""

    #: The header it stands in unless a source's `signature_header` says otherwise.
    header: str = "Authorization"
    #: The signature in the values of the header. Raises SignatureMissing or SignatureMalformed.
    read: Callable[[Sequence[bytes]], Signature]
    #: The header's value; `read` reads it back.
    write: Callable[[Signature], str]
    #: What the digest covers, given the time as signed and the body.
    covered: Callable[[bytes, bytes], bytes]

    def sign(
        self, body: bytes, *, secret: str | bytes, at: int, also: Sequence[str | bytes] = ()
    ) -> str:
        """The header's value for a body signed `at` seconds since 1970.

        Args:
            also: secrets that sign it beside the first, as while one is replaced.
        """
        time = b"%d" % at
        covered = self.covered(time, body)
        keys = (key.encode() if isinstance(key, str) else key for key in (secret, *also))
        digests = tuple(hmac.digest(key, covered, "sha256") for key in keys)
        return self.write(Signature(time=time, digests=digests))


@dataclass(kw_only=True, slots=True)
class _Candidate:
    """Parameters that stand together."""

    carries_scheme: bool
    parameters: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def has_time(self) -> bool:
        return any(key == b"t" for key, _ in self.parameters)


def read_signature(values: Sequence[bytes]) -> Signature:
    """The one signature in the values of a delivery's signature header.

    Raises SignatureMissing where there is none, SignatureMalformed where it cannot be read or
    where there are two.
    """
    if len(values) == 1 and (usual := _USUAL.fullmatch(values[0])):
        return Signature(time=usual[1], digests=(binascii.unhexlify(usual[2]),))
    values = [stripped for value in values if (stripped := value.strip())]
    if not values:
        raise SignatureMissing
    candidates = _candidates(values)
    if any(candidate.carries_scheme for candidate in candidates):
        candidates = [candidate for candidate in candidates if candidate.carries_scheme]
    if not candidates:
        if all(_OTHER_CREDENTIALS.fullmatch(value) for value in values):
            raise SignatureMissing
        raise SignatureMalformed
    if len(candidates) > 1:
        raise SignatureMalformed
    return _signature(candidates[0].parameters)


def _candidates(values: Sequence[bytes]) -> list[_Candidate]:
    """The groups of parameters that may be a signature.

    A line goes on where the one before ended (RFC 9110, 5.3), since a proxy may split a header at
    its commas, unless it begins with a second time: then it is a signature of its own.
    """
    found: list[_Candidate] = []
    current: _Candidate | None = None
    left = MAX_PARTS
    for value in values:
        pieces = value.split(b",", left)[:left]
        left -= len(pieces)
        for position, piece in enumerate(pieces):
            part = piece.strip()
            if scheme := _SCHEME.match(part):
                current = _Candidate(carries_scheme=True)
                found.append(current)
                part = part[scheme.end() :]
            if not part:
                continue
            parameter = _PARAMETER.fullmatch(part)
            if parameter is None:  # Another scheme's credentials begin here.
                current = None
                continue
            key, text = parameter.groups()
            if position == 0 and key == b"t" and current is not None and current.has_time:
                current = None
            if current is None and key in (b"t", b"v1"):
                current = _Candidate(carries_scheme=False)
                found.append(current)
            if current is not None:
                current.parameters.append((key, text))
    return found


def _signature(parameters: list[tuple[bytes, bytes]]) -> Signature:
    times = [text for key, text in parameters if key == b"t"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]):
        raise SignatureMalformed
    # An unreadable digest matches nothing, and says nothing against a readable one beside it.
    read = (_digest(text) for key, text in parameters if key == b"v1")
    digests = tuple(digest for digest in read if digest is not None)
    if not digests:
        raise SignatureMalformed
    return Signature(time=times[0], digests=digests)


def _digest(text: bytes) -> bytes | None:
    """32 bytes from 64 hexadecimal digits of either case, or from base64 of either alphabet."""
    try:
        if len(text) == 2 * DIGEST_SIZE:
            return binascii.unhexlify(text)
        if len(text) == 44 and text.endswith(b"="):
            text = text[:-1]
        if len(text) == 43:
            standard = text.replace(b"-", b"+").replace(b"_", b"/")
            return base64.b64decode(standard + b"=", validate=True)
    except binascii.Error:
        pass
    return None


def _write(signature: Signature) -> str:
    return f"Parley-Signature={signature}"


def _covered(time: bytes, body: bytes) -> bytes:
    return b"%b.%b" % (time, body)


PARLEY_SIGNATURE = SignatureFormat(read=read_signature, write=_write, covered=_covered)
