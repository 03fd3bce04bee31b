"""Both kinds of source pass the suite of all sources."""

from typing import Any, ClassVar

from casebell.settings import Source
from contracts.source_contract import Headers, SourceContract
from receive.making import (
    HMAC_SECRET,
    SHARED_SECRET,
    authorization,
    make_source,
    make_torch,
)


class TestParley(SourceContract):
    """Signed deliveries."""

    kind: ClassVar[str] = "parley"
    canary: ClassVar[str] = HMAC_SECRET

    def make_source(self, **chosen: Any) -> Source:
        return make_source(**chosen)

    def credentials(self, body: bytes) -> Headers:
        return [authorization(body)]

    def wrong_credentials(self, body: bytes) -> Headers:
        return [authorization(body, secret="not-the-secret-012345")]


class TestTorch(SourceContract):
    """Deliveries with a shared secret."""

    kind: ClassVar[str] = "torch"
    canary: ClassVar[str] = SHARED_SECRET

    def make_source(self, **chosen: Any) -> Source:
        return make_torch(**chosen)

    def credentials(self, body: bytes) -> Headers:
        return [(b"x-torch-secret", SHARED_SECRET.encode())]

    def wrong_credentials(self, body: bytes) -> Headers:
        return [(b"x-torch-secret", b"not-the-secret-012345")]
