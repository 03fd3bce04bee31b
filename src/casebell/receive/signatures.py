"""Authenticates deliveries: the only module that turns a Delivery into a VerifiedDelivery.

Each source has an `Authenticator`. It accepts a signature (HMAC-SHA256 over time and body, in the
form of the source's kind), a shared secret (`shared_secret`), either of them or both. It raises
nothing but RefusedDelivery, and AuthenticationBusy for what it cannot decide now.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from casebell.errors import (
    AuthenticationBusy,
    ConfigError,
    Problem,
    RefusedDelivery,
    SecretMismatch,
    SecretMissing,
    SignatureMalformed,
    SignatureMismatch,
    SignatureMissing,
    StaleSignature,
)
from casebell.events import Delivery, Flag, HeldReason, Micros, VerifiedDelivery
from casebell.kinds import KINDS
from casebell.kinds.signature import Signature, read_signature
from casebell.receive.compact_json import compact_json
from casebell.receive.shared_secret import SharedSecrets, keyed_digest, match_digest
from casebell.receive.work_budget import WorkBudget
from casebell.settings import SourceSettings

#: Schemes of credentials that are no proof of a source's. Others are not named: the first word of a
#: header could be a part of a secret.
_SCHEMES = frozenset(
    "apikey aws4-hmac-sha256 basic bearer digest hmac negotiate ntlm token".split()  # noqa: SIM905
)

#: Takes the same time wherever its arguments differ.
Compare = Callable[[bytes, bytes], bool]

#: Processor time of a compaction, a byte, as measured; a slower machine goes into debt.
COMPACTION_SECONDS = 0.5e-6
#: Commas in a header that is not the source's and may be its signature under another name.
_MAX_COMMAS = 16
#: Characters of its name: it is kept, and shown.
_MAX_NAME = 80

#: Errors in rising order of how much they help an honest sender.
_BY_HELPFULNESS: tuple[tuple[type[RefusedDelivery], ...], ...] = (
    (SignatureMissing, SecretMissing),
    (SignatureMalformed,),
    (SignatureMismatch, SecretMismatch),
    (StaleSignature,),
)


class _Proof(NamedTuple):
    """The result of one method."""

    label: str
    flags: frozenset[Flag] = frozenset()
    hold: HeldReason | None = None


#: One method: authenticates a delivery at a time; raises RefusedDelivery.
_Method = Callable[[Delivery, Micros], _Proof]


@dataclass(frozen=True, kw_only=True, slots=True)
class Presented:
    """The credentials of a refused delivery that can be checked again with corrected secrets."""

    #: The signature alone, `t=…,v1=…`: a proxy may have folded a password into the same header.
    signature: str | None = None
    #: The shared secret itself, until its digest is made.
    secret: bytes | None = field(default=None, repr=False)
    #: The name of another header than the source's in which the proof stood.
    found_in: str | None = None
    #: The scheme of other credentials in the source's header, such as "Bearer".
    scheme: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """The stored form of `Presented`."""

    signature: str | None = None
    #: HMAC-SHA256 of the shared secret under `key`.
    secret_digest: bytes | None = None
    key: bytes = field(default=b"", repr=False)


class Authenticator:
    """Authenticates the deliveries of one source."""

    def __init__(
        self,
        source: SourceSettings,
        *,
        compare: Compare = hmac.compare_digest,
        budget: WorkBudget | None = None,
    ) -> None:
        """Prepare the secrets.

        Args:
            source: whose deliveries.
            compare: takes the same time wherever its arguments differ.
            budget: bounds the work for strangers; None where a person asks.

        Raises:
            ConfigError: a method of `source.auth` has no usable secret: never open.
        """
        self._source = source
        self._budget = budget
        self._compare = compare
        self._format = KINDS[source.kind].signature
        self._signature_header = _header_name(source.signature_header or self._format.header)
        self._secret_header = _header_name(source.secret_header or "")
        self._hmac_keys = secrets_for(source, "hmac")
        shared = secrets_for(source, "shared-secret")
        self._shared = SharedSecrets(shared, prefix=source.prefix, compare=compare)
        self._any_secret = SharedSecrets(
            secrets_for(source, "hmac") + shared, prefix=source.prefix, compare=compare
        )
        known: dict[str, tuple[_Method, bool]] = {
            "hmac": (self._by_signature, bool(self._hmac_keys)),
            "shared-secret": (self._by_secret, bool(shared and self._secret_header)),
        }
        unusable = [method for method in source.auth if not known[method][1]]
        if unusable or not source.auth:
            raise ConfigError(
                [
                    Problem(
                        key=f"sources.{source.name}.secrets",
                        message=f"No secret or header to authenticate by {method}.",
                    )
                    for method in unusable or ("any method",)
                ]
            )
        self._methods: tuple[_Method, ...] = tuple(known[method][0] for method in source.auth)

    @property
    def headers(self) -> frozenset[bytes]:
        """The names of the headers in which it looks for a proof."""
        by_method = {"hmac": self._signature_header, "shared-secret": self._secret_header}
        return frozenset(by_method[method] for method in self._source.auth)

    def __repr__(self) -> str:
        """The source's name and methods; never a secret."""
        return f"<Authenticator {self._source.name}: {self._source.require} {self._source.auth}>"

    def authenticate(self, delivery: Delivery, *, now: Micros) -> VerifiedDelivery:
        """Authenticate a delivery, or raise a RefusedDelivery or AuthenticationBusy.

        With `require = "any"` the first method that succeeds suffices, with "all" every method must
        succeed. Of several errors the one is raised that helps an honest sender most.
        """
        return self._check(delivery, self._methods, now)

    def presented(self, delivery: Delivery) -> Presented:
        """The credentials of a refused delivery that are worth keeping.

        They are looked for in other headers as well: a header that was renamed on the way costs no
        delivery then. A value shorter than `min_secret_bytes` is left out: no secret can match it,
        and it could be guessed from its digest.
        """
        signature: str | None = None
        secret: bytes | None = None
        found_in: bytes | None = None
        own: list[bytes] = []
        if "hmac" in self._source.auth:
            values = _values(delivery, self._signature_header)
            own += values
            signature = self._signature_in(values)
        if "shared-secret" in self._source.auth:
            values = _values(delivery, self._secret_header)
            own += values
            secret = self._shared.presented(values)
            if secret is not None and len(secret) < self._source.min_secret_bytes:
                secret = None
        if signature is None and secret is None:
            for name, value in delivery.headers:
                own_header = name in (self._signature_header, self._secret_header)
                if own_header or len(name) > _MAX_NAME:
                    continue
                if "hmac" in self._source.auth and value.count(b",") <= _MAX_COMMAS:
                    signature = self._signature_in([value])
                secret = self._own_secret_in(value)
                if signature is not None or secret is not None:
                    found_in = name
                    break
        return Presented(
            signature=signature,
            secret=secret,
            found_in=None if found_in is None else found_in.decode("ascii", "replace"),
            scheme=next(filter(None, map(_scheme, own)), None),
        )

    def _signature_in(self, values: Sequence[bytes]) -> str | None:
        try:
            return str(self._format.read(values))
        except RefusedDelivery:
            return None

    def _own_secret_in(self, value: bytes) -> bytes | None:
        """The value of a header that is not the source's, if it is a secret of the source."""
        for given in (value, value.partition(b" ")[2]):
            try:
                self._any_secret.match([given])
            except RefusedDelivery:
                continue
            return given.strip()
        return None

    def readmit(self, delivery: Delivery, kept: Kept) -> VerifiedDelivery:
        """Authenticate a refused delivery by its kept credentials, with today's secrets.

        Its age counts as of its time of receipt. Raises RefusedDelivery.
        """

        def kept_secret(_delivery: Delivery, _now: Micros) -> _Proof:
            if kept.secret_digest is None:
                raise SecretMissing
            labelled = [
                (label, keyed_digest(value, key=kept.key))
                for label, value in secrets_for(self._source, "shared-secret")
            ]
            matched = match_digest(kept.secret_digest, labelled, compare=self._compare)
            return _Proof(label=matched)

        def kept_signature(delivery: Delivery, now: Micros) -> _Proof:
            if kept.signature is None:
                raise SignatureMissing
            # It is kept in one spelling for all kinds of source.
            return self._proof_of(read_signature((kept.signature.encode("ascii"),)), delivery, now)

        known: dict[str, _Method] = {"hmac": kept_signature, "shared-secret": kept_secret}
        methods = [known[method] for method in self._source.auth]
        return self._check(delivery, methods, delivery.received_at)

    def _check(
        self, delivery: Delivery, methods: Sequence[_Method], now: Micros
    ) -> VerifiedDelivery:
        if len(methods) == 1:
            return self._verified(delivery, (methods[0](delivery, now),))
        proofs: list[_Proof] = []
        refusals: list[RefusedDelivery] = []
        undecided: AuthenticationBusy | None = None
        for method in methods:
            try:
                proofs.append(method(delivery, now))
            except RefusedDelivery as refusal:
                refusals.append(refusal)
            except AuthenticationBusy as busy:
                undecided = busy
            if proofs and self._source.require == "any":
                break
        if undecided and not (proofs if self._source.require == "any" else refusals):
            raise undecided
        if not proofs or (refusals and self._source.require == "all"):
            raise max(refusals, key=_helpfulness)
        return self._verified(delivery, proofs)

    def _verified(self, delivery: Delivery, proofs: Sequence[_Proof]) -> VerifiedDelivery:
        if self._source.allow_from and not self.address_allowed(delivery.address):
            raise self._wrong_address()
        first = proofs[0]
        if len(proofs) == 1:
            return VerifiedDelivery(
                delivery=delivery, secret_label=first.label, flags=first.flags, hold=first.hold
            )
        return VerifiedDelivery(
            delivery=delivery,
            secret_label="+".join(proof.label for proof in proofs),
            flags=frozenset().union(*(proof.flags for proof in proofs)),
            hold=next((proof.hold for proof in proofs if proof.hold), None),
        )

    def _by_signature(self, delivery: Delivery, now: Micros) -> _Proof:
        signature = self._format.read(_values(delivery, self._signature_header))
        return self._proof_of(signature, delivery, now)

    def _proof_of(self, signature: Signature, delivery: Delivery, now: Micros) -> _Proof:
        label = self._matching_key(signature, delivery.body)
        if label is None and self._source.signed_body == "compact-json":
            label = self._matching_compact(signature, delivery)
        if label is None:
            raise SignatureMismatch
        return self._check_age(label, seconds=(now - signature.at) / 1e6)

    def _matching_compact(self, signature: Signature, delivery: Delivery) -> str | None:
        """The same for the compact form, of which a stranger can ask much work."""
        body = delivery.body
        if self._source.allow_from and not self.address_allowed(delivery.address):
            return None

        def work() -> str | None:
            try:
                return self._matching_key(signature, compact_json(body))
            except ValueError:
                return None

        if self._budget is None:
            return work()
        seconds = len(body) * COMPACTION_SECONDS
        return self._budget.spend(work, address=delivery.address, seconds=seconds)

    def _matching_key(self, signature: Signature, body: bytes) -> str | None:
        """The label of the key that made one of the digests over a body; None if none did."""
        signed = self._format.covered(signature.time, body)
        matched: str | None = None
        for label, key in self._hmac_keys:
            expected = hmac.digest(key, signed, "sha256")
            for digest in signature.digests:
                # Every pair is compared, also after a match, so that the time depends on the
                # number of keys and not on which of them matched.
                equal = self._compare(expected, digest)
                matched = label if equal and matched is None else matched
        return matched

    def _check_age(self, label: str, *, seconds: float) -> _Proof:
        """Flag a stale signature, hold one far out of bounds; with `strict` refuse both."""
        source = self._source
        if -source.tolerance <= seconds <= source.tolerance:
            return _Proof(label=label)
        if source.strict:
            raise StaleSignature
        if seconds < 0:
            return _Proof(label=label, hold=HeldReason.SIGNATURE_IN_FUTURE)
        flags = frozenset({Flag.STALE_SIGNATURE})
        hold = HeldReason.SIGNATURE_TOO_OLD if seconds > source.max_age else None
        return _Proof(label=label, flags=flags, hold=hold)

    def _by_secret(self, delivery: Delivery, now: Micros) -> _Proof:  # noqa: ARG002  # no time in it
        return _Proof(label=self._shared.match(_values(delivery, self._secret_header)))

    def address_allowed(self, address: str) -> bool:
        """Whether deliveries may come from an address."""
        try:
            peer = ip_address(address)
        except ValueError:
            return False
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self._source.allow_from)

    def _wrong_address(self) -> RefusedDelivery:
        """The error for a wrong address: the same as for wrong credentials.

        The answer must not tell whether a guessed credential was right.
        """
        kind = SecretMismatch if "shared-secret" in self._source.auth else SignatureMismatch
        return kind(hint=f"The address is not in sources.{self._source.name}.allow_from.")


def _header_name(name: str) -> bytes:
    return name.strip().lower().encode("ascii", "replace")


def secrets_for(source: SourceSettings, method: str) -> tuple[tuple[str, bytes], ...]:
    """Label and bytes of the secrets for `method`, without empty ones."""
    return tuple(
        (secret.label, key)
        for secret in source.secrets
        if secret.use in (None, method) and (key := secret.bytes_for(method))
    )


def _scheme(value: bytes) -> str | None:
    """The scheme of another method's credentials, if a header has them."""
    word, _, rest = value.strip().partition(b" ")
    name = word.decode("ascii", "replace")
    return name if rest and name.lower() in _SCHEMES else None


def _values(delivery: Delivery, name: bytes) -> list[bytes]:
    return [value for header, value in delivery.headers if header == name]


def _helpfulness(refusal: RefusedDelivery) -> int:
    return next(rank for rank, kinds in enumerate(_BY_HELPFULNESS) if isinstance(refusal, kinds))
