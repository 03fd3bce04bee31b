"""What strangers send so that the bytes of a body are read as a request."""

from dataclasses import dataclass, replace

from e2e.sender import document, encoded, request

#: The settings that curl and Java offer with h2c.
SETTINGS = "AAMAAABkAAQCAAAAAAIAAAAA"
OFFERS: dict[str, dict[str, str]] = {
    "x": {"Connection": "Upgrade", "Upgrade": "x"},
    "websocket": {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    },
    "h2c": {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": SETTINGS,
    },
}
#: Takes in the next request on its connection, whatever that is.
UNFINISHED = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Swallow: "
#: More than nginx keeps of a body in memory. A parser skips empty lines before a request, so one
#: that begins anywhere in this reads the same request.
LONG = b"\r\n" * 20_000
#: More than any of these bodies has.
MAX_BODY = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Attack:
    """A request with what must not be read as another one in its body."""

    name: str
    head: bytes
    body: bytes

    def segments(self, most: int) -> list[bytes]:
        """The head, and the body in parts of so many bytes at most."""
        return [self.head, *(self.body[at : at + most] for at in range(0, len(self.body), most))]


def _attack(name: str, body: bytes, *headers: str, method: str = "POST /webhooks/parley") -> Attack:
    lines = [f"{method} HTTP/1.1", "Host: casebell.test", *headers, "", ""]
    return Attack(name=name, head="\r\n".join(lines).encode("latin-1"), body=body)


def offers() -> list[Attack]:
    """An upgrade is offered, and the body ends in a request that is not finished."""
    return [
        _attack(
            f"Upgrade: {offer}, {len(body)} bytes",
            body,
            *(f"{name}: {value}" for name, value in OFFERS[offer].items()),
            f"Content-Length: {len(body)}",
        )
        for offer, body in (
            ("x", UNFINISHED),
            ("websocket", UNFINISHED),
            ("h2c", UNFINISHED),
            ("x", LONG + UNFINISHED),
            ("h2c", LONG + UNFINISHED),
        )
    ]


def tracer(key: str) -> bytes:
    """A whole authentic delivery: it is stored where the bytes of a body are read as a request."""
    return request(encoded(document(id=key)))


def connects(inner: bytes) -> list[Attack]:
    """CONNECT to an authority and to a path, with a body and without."""
    attacks = []
    for target in ("casebell.test:443", "/health"):
        method, name = f"CONNECT {target}", f"CONNECT {target[:8]}"
        attacks += [
            _attack(name, b"", method=method),
            _attack(f"{name}, of length 0", b"", "Content-Length: 0", method=method),
            *(
                _attack(f"{name}, {size}", body, f"Content-Length: {len(body)}", method=method)
                for size, body in (("with a length", inner), ("long", LONG + inner))
            ),
            _attack(
                f"{name}, with chunks", _chunks(inner), "Transfer-Encoding: chunked", method=method
            ),
        ]
    return attacks


def _chunks(body: bytes, *, extension: bytes = b"", line: bytes = b"\r\n") -> bytes:
    size = b"%x" % len(body) + extension + line
    return size + body + line + b"0" + line + line


def offered_lengths(inner: bytes) -> list[Attack]:
    """The same lengths in a head that is read twice, because it offers an upgrade."""
    offer = "".join(f"{name}: {value}\r\n" for name, value in OFFERS["h2c"].items()).encode()
    return [
        replace(one, name=f"h2c, {one.name}", head=one.head.removesuffix(b"\r\n") + offer + b"\r\n")
        for one in lengths(inner)
    ]


def lengths(inner: bytes) -> list[Attack]:
    """Lengths that two readers may read differently, each with a whole request in the body."""
    size = len(inner)
    declared = {
        "folded": [f"Content-Length:\r\n {size}"],
        "twice": [f"Content-Length: {size}"] * 2,
        "0 then whole": ["Content-Length: 0", f"Content-Length: {size}"],
        "whole then 0": [f"Content-Length: {size}", "Content-Length: 0"],
        "list": [f"Content-Length: {size}, {size}"],
        "plus": [f"Content-Length: +{size}"],
        "hexadecimal": [f"Content-Length: {size:#x}"],
        "space before colon": [f"Content-Length : {size}"],
        "negative": [f"Content-Length: -{size}"],
        "xchunked": [f"Content-Length: {size}", "Transfer-Encoding: xchunked"],
    }
    chunked = {
        "chunked and length": ["Content-Length: {length}", "Transfer-Encoding: chunked"],
        "chunked, identity": ["Content-Length: {length}", "Transfer-Encoding: chunked, identity"],
        "identity, chunked": ["Transfer-Encoding: identity, chunked"],
        "tab before chunked": ["Transfer-Encoding:\tchunked"],
        "space behind chunked": ["Transfer-Encoding: chunked "],
        "vertical tab": ["Content-Length: {length}", "Transfer-Encoding: \x0bchunked"],
        "space before TE's colon": ["Content-Length: {length}", "Transfer-Encoding : chunked"],
        "folded TE": ["Content-Length: {length}", "Transfer-Encoding:\r\n chunked"],
        "chunked twice": ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    }
    # By the chunks the message ends before the inner request; by the length it is the body.
    hidden = b"0\r\n\r\n" + inner
    bodies = {
        "extension": _chunks(inner, extension=b";name=value"),
        "extension in quotes": _chunks(inner, extension=b';name="\r"'),
        "extension with a lone LF": b"1;\n" + b"x\r\n" + _chunks(inner),
        "lone LF": _chunks(inner, line=b"\n"),
        "lone CR": b"%x\r" % size + inner + b"\r\n0\r\n\r\n",
        "size with a space": _chunks(inner, extension=b" "),
        "size of 0x": b"0x" + _chunks(inner),
        "huge size": b"1" + b"0" * 15 + _chunks(inner),
    }
    return [
        *(_attack(f"length: {name}", inner, *lines) for name, lines in declared.items()),
        *(
            _attack(f"TE: {name}", body, *(line.format(length=len(body)) for line in lines))
            for name, lines in chunked.items()
            for body in (hidden if "Content-Length: {length}" in lines else _chunks(inner),)
        ),
        *(
            _attack(f"chunk: {name}", body, "Transfer-Encoding: chunked")
            for name, body in bodies.items()
        ),
    ]
