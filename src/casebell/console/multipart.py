"""The parts of a form that carries files (RFC 7578), in memory whole, and bounded, by then."""

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from casebell.errors import BadArgument

#: Bytes of the headers of one part.
_MAX_HEAD = 4 * 1024
#: Characters of a boundary (RFC 2046).
_MAX_BOUNDARY = 70


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A field of a form."""

    name: str
    content: bytes
    #: Whether it is a file, chosen or not.
    is_file: bool


def parts_of(content_type: str, body: bytes, *, most: int) -> Iterator[Part]:
    """The fields of a form.

    Args:
        content_type: the header's value, which names what separates them.
        most: parts that it may have.

    Raises:
        BadArgument: it is none, or has too many parts.
    """
    boundary = _parameter(f"Content-Type: {content_type}", "boundary")
    if boundary is None or not (0 < len(boundary) <= _MAX_BOUNDARY and boundary.isascii()):
        raise _unreadable()
    delimiter = b"\r\n--" + boundary.encode()
    # The first one may stand at the beginning. Before it and behind the last is nothing of a form.
    _, *pieces = (b"\r\n" + body).split(delimiter, most + 1)
    for number, piece in enumerate(pieces):
        if piece.startswith(b"--"):
            return
        if number == most:
            break
        head, between, content = piece.partition(b"\r\n\r\n")
        if not between or len(head) > _MAX_HEAD:
            break
        yield _part(head.decode("utf-8", "replace"), content)
    # It has no end, or too many parts.
    raise _unreadable()


def _part(head: str, content: bytes) -> Part:
    for line in head.split("\r\n"):
        if line.lower().startswith("content-disposition:"):
            name = _parameter(line, "name")
            if name is not None:
                is_file = _parameter(line, "filename") is not None
                return Part(name=name, content=content, is_file=is_file)
    raise _unreadable()


def _parameter(header: str, name: str) -> str | None:
    """A parameter of a header."""
    key, _, value = header.partition(":")
    message = Message()
    message[key] = value.strip()
    found = message.get_param(name, header=key)
    # One with a charset of its own, which no browser sends, is a tuple.
    return found if isinstance(found, str) else None


def _unreadable() -> BadArgument:
    return BadArgument("This form cannot be read.")
