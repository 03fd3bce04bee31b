"""Forms that carry files, as browsers send them, and as nobody does."""

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casebell.console.multipart import Part, parts_of
from casebell.errors import BadArgument

#: A name that a browser sends as it is: quotation marks and line ends are percent-encoded.
NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)


@settings(max_examples=40)
@given(st.dictionaries(NAMES, st.binary(max_size=60), max_size=4), st.booleans())
def test_what_a_client_sends_is_read(fields: dict[str, bytes], as_files: bool) -> None:
    """Byte for byte, whatever it holds, with names of any script."""
    files = [
        (name, ("ä list.csv" if as_files else None, content)) for name, content in fields.items()
    ]
    # Without a part there would be no form.
    files.append(("last", (None, b"\r\n--")))
    request = httpx2.Request("POST", "http://127.0.0.1/", files=files)
    found = list(parts_of(request.headers["Content-Type"], request.read(), most=5))
    assert found == [
        *(Part(name=n, content=content, is_file=as_files) for n, content in fields.items()),
        Part(name="last", content=b"\r\n--", is_file=False),
    ]


ONE = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'


def test_around_the_parts() -> None:
    """What stands before the first and behind the last is nothing of the form."""
    body = b"before\r\n" + ONE + b"--x--\r\nafter\r\n--x\r\n"
    (part,) = parts_of('multipart/form-data; charset=utf-8; boundary="x"', body, most=1)
    assert part == Part(name="a", content=b"1", is_file=False)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", ONE + b"--x--"),
        ("multipart/form-data; boundary=", ONE + b"--x--"),
        (f"multipart/form-data; boundary={'x' * 71}", ONE + b"--x--"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", ONE),
        ("multipart/form-data; boundary=x", b"--x\r\nname=a\r\n\r\n1\r\n--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: x\r\n\r\n1\r\n--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A" * 5_000 + ONE[3:] + b"--x--"),
        ("multipart/form-data; boundary=x", ONE * 3 + b"--x--"),
    ],
)
def test_what_is_no_form(content_type: str, body: bytes) -> None:
    """It is refused."""
    with pytest.raises(BadArgument):
        list(parts_of(content_type, body, most=2))


@settings(max_examples=40)
@given(st.binary(max_size=100))
def test_any_bytes(body: bytes) -> None:
    """They are parts, or no form."""
    for given_body in (body, ONE + b"--x" + body):
        try:
            parts = list(parts_of("multipart/form-data; boundary=x", given_body, most=3))
        except BadArgument:
            continue
        assert all(isinstance(part.content, bytes) for part in parts)
