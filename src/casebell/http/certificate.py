"""The certificate of our own TLS: whether its pair can be used, what it says, and its renewal.

A renewed pair is used for new connections without a restart. One that is half written, or does not
belong together, is not: the old one stays, and operations hear of it if it lasts.
"""

import _ssl
import asyncio
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from casebell.clock import DAY, SECOND, Clock, iso
from casebell.events import Micros
from casebell.loops import Loop
from casebell.ops_messages import CertificateEnds, CertificateNotUsed, OpsMessage
from casebell.ops_targets import OpsTargets
from casebell.store.engine import Store
from casebell.store.ops import notify
from casebell.telemetry import Log, Metrics

#: Seconds between two looks at the files.
LOOK_EVERY = 2.0
#: Looks that a pair on disk may be unusable before operations hear of it: whoever renews writes
#: one file after the other.
PATIENCE = 30
#: How long before its end operations hear of it: what renews it by itself does so earlier.
WARN_BEFORE = (timedelta(days=14), timedelta(days=3), timedelta(0))


#: The standard library decodes no certificate that it has not verified but by this.
_decode: Callable[[str], Mapping[str, Any]] = vars(_ssl)["_test_decode_cert"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """What the first certificate of a file says."""

    ends_at: Micros
    #: Names and addresses that it is for.
    names: tuple[str, ...]

    @classmethod
    def read(cls, file: Path) -> "Certificate":
        """Read one that can be used; see `fault_of`."""
        found = _decode(os.fspath(file))
        return cls(
            ends_at=ssl.cert_time_to_seconds(found["notAfter"]) * SECOND,
            names=tuple(name for _kind, name in found.get("subjectAltName", ())),
        )

    @classmethod
    def told(cls, answer: Mapping[str, Any]) -> "Certificate":
        """The one that a running server told of; see `LiveCertificate.answer`."""
        ends_at = round(datetime.fromisoformat(answer["ends_at"]).timestamp()) * SECOND
        return cls(ends_at=ends_at, names=tuple(answer["names"]))

    def covers(self, host: str) -> bool:
        """Whether it is for this name or address, as RFC 6125 has it."""
        try:
            address = ip_address(host)
        except ValueError:
            _, _, parent = host.lower().partition(".")
            names = {name.lower() for name in self.names}
            return host.lower() in names or f"*.{parent}" in names
        return any(_is_address(name, address) for name in self.names)

    def doubts(self, *, public_url: str | None, now: Micros) -> Iterator[str]:
        """What is wrong with it, or soon will be, as sentences."""
        left = self.ends_at - now
        if left <= WARN_BEFORE[0] / timedelta(microseconds=1):
            yield f"The certificate {_state_of(left)} ({iso(self.ends_at)})."
        host = urlsplit(public_url or "").hostname
        if host and not self.covers(host):
            yield f"The certificate is not for {host}, the host of server.public_url."


def fault_of(cert: Path, key: Path) -> str:
    """Why a certificate and its key cannot be used; "" where they can."""
    try:
        _context(cert, key)
        Certificate.read(cert)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key is of another certificate"
        return "they are no PEM certificate and its key"
    except OSError as error:
        return str(error.strerror)
    return ""


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # A pass phrase could not be asked for where no person starts the server.
    context.load_cert_chain(cert, key, password="")
    return context


def _is_address(name: str, address: object) -> bool:
    try:
        return ip_address(name) == address
    except ValueError:
        return False


def _state_of(left: Micros) -> str:
    if left <= 0:
        return "has ended"
    days = left // DAY
    return f"ends in {days} days" if days > 1 else "ends within two days"


class LiveCertificate(Loop):
    """The pair that the server uses, and the watch over its files; start it with `async with`.

    Args:
        followed: called once operations were told something.

    Raises:
        OSError: the pair cannot be used.
    """

    def __init__(
        self,
        *,
        cert: Path,
        key: Path,
        store: Store,
        ops: Callable[[], OpsTargets],
        clock: Clock,
        metrics: Metrics,
        log: Log,
        followed: Callable[[], None],
    ) -> None:
        super().__init__(
            self._look,
            name="certificate",
            every=LOOK_EVERY,
            at_once=True,
            clock=clock,
            log=log,
            storage_fails=metrics.storage_errors.labels("certificate").inc,
        )
        self._cert = cert
        self._key = key
        self._store = store
        self._ops = ops
        self._metrics = metrics
        self._followed = followed
        #: What a listener has for good; each handshake is handed on to the pair in force.
        self.context = _context(cert, key)
        self.context.sni_callback = self._choose
        self._in_force = self.context
        self._seen = self._state()
        self._take_in()
        #: Why the pair on disk is not used; "" where it is.
        self.fault = ""
        self._looks_with_fault = 0
        self._told: set[OpsMessage] = set()

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._in_force

    def _take_in(self) -> None:
        self.certificate = Certificate.read(self._cert)
        #: For the command line, which trusts it for what it is.
        self.pem = self._cert.read_text()
        shown = self._metrics.certificate_ends
        shown.clear()
        shown.labels(next(iter(self.certificate.names), "")).set(self.certificate.ends_at / SECOND)

    def _state(self) -> tuple[tuple[int, ...], ...]:
        """What changes when one of the files does."""
        found: list[tuple[int, ...]] = []
        for file in (self._cert, self._key):
            try:
                state = file.stat()
            except OSError:
                found.append(())
            else:
                found.append((state.st_ino, state.st_size, state.st_mtime_ns))
        return tuple(found)

    async def _look(self) -> None:
        """Use the pair on disk where it is new and can be used; tell operations what they must."""
        state = self._state()
        if state != self._seen or self.fault:
            # A few milliseconds, which deliveries need not wait for.
            renewed = await asyncio.to_thread(self._renewed)
            # Written to meanwhile: the next look sees whether it belongs together.
            if state == self._state():
                self._judge(renewed, changed=state != self._seen)
                self._seen = state
        for message in self._messages():
            await self._tell(message)

    def _renewed(self) -> ssl.SSLContext | str:
        try:
            return _context(self._cert, self._key)
        except OSError:
            return fault_of(self._cert, self._key) or "they changed while they were read"

    def _judge(self, renewed: ssl.SSLContext | str, *, changed: bool) -> None:
        if isinstance(renewed, str):
            self._looks_with_fault += 1
            if changed or not self.fault:
                self._log.warning("certificate.not_used", reason=renewed)
            self.fault = renewed
            return
        self.fault, self._looks_with_fault = "", 0
        self._in_force = renewed
        self._take_in()
        self._log.info(
            "certificate.renewed",
            ends_at=iso(self.certificate.ends_at),
            names=list(self.certificate.names),
        )

    def _messages(self) -> Iterator[OpsMessage]:
        ends_at, now = self.certificate.ends_at, self._clock.now()
        left = ends_at - now
        stages = [one for one in WARN_BEFORE if left <= one / timedelta(microseconds=1)]
        if stages:
            yield CertificateEnds(
                ends_at=iso(ends_at), state=_state_of(left), stage=stages[-1].days
            )
        if self._looks_with_fault >= PATIENCE:
            yield CertificateNotUsed(reason=self.fault, ends_at=iso(ends_at))

    async def _tell(self, message: OpsMessage) -> None:
        if message in self._told:
            return
        told = await self._store.transact(notify, message, to=self._ops(), now=self._clock.now())
        self._told.add(message)
        if told:
            self._followed()

    async def answer(self) -> Mapping[str, Any]:
        """What the command line is told of it."""
        return {
            "ends_at": iso(self.certificate.ends_at),
            "names": self.certificate.names,
            "fault": self.fault,
        }
