"""The time a check takes tells a stranger nothing: not how much was right, nor which secret."""

import ast
import contextlib
import hmac
import inspect
import random
import statistics
import time
from collections.abc import Callable
from types import ModuleType

import pytest

from casebell.errors import RefusedDelivery
from casebell.events import Delivery
from casebell.receive import shared_secret, signatures
from casebell.receive.signatures import Authenticator
from receive.builders import (
    HMAC_SECRET,
    NOW,
    SHARED_SECRET,
    authorization_header,
    make_delivery,
    make_secret,
    make_source,
    make_torch,
)

BODY = b'{"id":"evt_1","receipt_number":"IOE0912345678"}'
OTHERS = ("another-secret-of-the-source-1", "another-secret-of-the-source-2")


class Counted:
    """Compares as the real one does, and counts."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, one: bytes, other: bytes) -> bool:
        self.times += 1
        return one == other


@pytest.mark.parametrize("place", [0, 1, 2, None])
@pytest.mark.parametrize("kind", ["signature", "secret"])
def test_every_secret_is_compared(kind: str, place: int | None) -> None:
    """Three secrets are three comparisons, whichever of them matches, and if none does."""
    right = HMAC_SECRET if kind == "signature" else SHARED_SECRET
    values = list(OTHERS)
    values.insert(len(values) if place is None else place, right)
    if place is None:
        values[-1] = "a-third-one-that-is-not-right"
    secrets = tuple(make_secret(value, label=f"secret-{n}") for n, value in enumerate(values))
    make = make_source if kind == "signature" else make_torch
    compare = Counted()
    subject = Authenticator(make(secrets=secrets), compare=compare)
    headers = (
        [authorization_header(BODY)]
        if kind == "signature"
        else [(b"x-torch-secret", right.encode())]
    )
    try:
        found = subject.authenticate(make_delivery(BODY, headers), now=NOW)
    except RefusedDelivery:
        assert place is None
    else:
        assert found.secret_label == f"secret-{place}"
    assert compare.times == 3


#: How bytes that prove something are called.
PROVING = {"digest", "secret_digest", "expected", "given", "digests", "key", "value"}


@pytest.mark.parametrize("module", [signatures, shared_secret])
def test_what_proves_is_never_compared_with_equals(module: ModuleType) -> None:
    """`==` ends at the first difference: between digests and secrets there is compare_digest.

    Lengths may be compared, and the public word before a secret.
    """
    found = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Compare)
        and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops)
        and any(
            isinstance(name, ast.Name) and name.id in PROVING
            for operand in (node.left, *node.comparators)
            for name in ast.walk(operand)
        )
    ]
    public = {"len(given) != 1", "value[:6].lower() == b'basic '"}
    public |= {"value[:size].lower() == self._prefix"}
    assert set(found) <= public
    compare = inspect.signature(Authenticator.__init__).parameters["compare"].default
    assert compare is hmac.compare_digest


#: Measurements of each kind, one after the other so that what disturbs one disturbs both.
ROUNDS = 8_000
#: Nanoseconds between two medians. A comparison that ended early would show a fraction of that
#: over bytes, and all of it over secrets: one HMAC costs two microseconds.
BOUND = 1_000


def medians(subject: Authenticator, deliveries: list[Delivery]) -> list[float]:
    """Nanoseconds that authentication takes for each delivery."""
    took: list[list[int]] = [[] for _ in deliveries]
    order = list(range(len(deliveries)))
    chance = random.Random(1)
    for _ in range(ROUNDS):
        chance.shuffle(order)
        for number in order:
            began = time.perf_counter_ns()
            with contextlib.suppress(RefusedDelivery):
                subject.authenticate(deliveries[number], now=NOW)
            took[number].append(time.perf_counter_ns() - began)
    return [statistics.median(times) for times in took]


def signed_with_wrong(byte: int) -> Delivery:
    """A delivery whose digest is right but for one byte."""
    name, value = authorization_header(BODY)
    place = value.index(b"v1=") + 3 + 2 * byte
    wrong = b"%02x" % (int(value[place : place + 2], 16) ^ 0xFF)
    return make_delivery(BODY, [(name, value[:place] + wrong + value[place + 2 :])])


def secret_with_wrong(byte: int) -> Delivery:
    """A delivery whose shared secret is right but for one byte."""
    value = bytearray(SHARED_SECRET.encode())
    value[byte] ^= 1
    return make_delivery(BODY, [(b"x-torch-secret", bytes(value))])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "last"), [(signed_with_wrong, 31), (secret_with_wrong, len(SHARED_SECRET) - 1)]
)
def test_the_first_wrong_byte_takes_no_time(make: Callable[[int], Delivery], last: int) -> None:
    """A digest or secret that is wrong from its first byte takes as long as one wrong at its end.

    The same wrong delivery twice shows what the measurement itself is worth.
    """
    source = make_source() if make is signed_with_wrong else make_torch()
    first, again, end = medians(Authenticator(source), [make(0), make(0), make(last)])
    print(f"wrong at once {first:.0f} ns, again {again:.0f} ns, at the end {end:.0f} ns")  # noqa: T201
    assert abs(end - first) < BOUND + abs(again - first)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["signature", "secret"])
def test_which_secret_matched_takes_no_time(kind: str) -> None:
    """The first of three secrets takes as long to match as the last one."""
    values = (HMAC_SECRET, *OTHERS) if kind == "signature" else (SHARED_SECRET, *OTHERS)
    make = make_source if kind == "signature" else make_torch
    subject = Authenticator(make(secrets=tuple(make_secret(v, label=v) for v in values)))

    def delivery(value: str) -> Delivery:
        by_secret = [(b"x-torch-secret", value.encode())]
        headers = [authorization_header(BODY, secret=value)] if kind == "signature" else by_secret
        return make_delivery(BODY, headers)

    first, again, last = medians(
        subject, [delivery(values[0]), delivery(values[0]), delivery(values[2])]
    )
    print(f"{kind}: first {first:.0f} ns, again {again:.0f} ns, last {last:.0f} ns")  # noqa: T201
    assert abs(last - first) < BOUND + abs(again - first)
