"""The compact form of a body is JavaScript's, byte for byte."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casebell.receive.compact_json import compact_json

KNOWN = json.loads((Path(__file__).parent.parent / "vectors" / "compact_json.json").read_text())


@pytest.mark.parametrize("vector", KNOWN["vectors"], ids=lambda vector: vector["body"][:20])
def test_writes_what_node_wrote(vector: dict[str, str]) -> None:
    """Known answers from Node.js: numbers, order of keys, escapes, repeats."""
    assert compact_json(vector["body"].encode()).decode() == vector["stringified"]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_node_still_writes_the_known_answers() -> None:
    """The vectors are Node's words and not ours."""
    for vector in KNOWN["vectors"]:
        made = subprocess.run(
            ["sh", "-c", KNOWN["command"]],
            input=vector["body"].encode(),
            capture_output=True,
            check=True,
        )
        assert made.stdout.decode() == vector["stringified"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@settings(max_examples=8, deadline=None)
@given(
    values=st.lists(
        st.floats(allow_nan=False, allow_infinity=False)
        | st.integers()
        | st.text()
        | st.dictionaries(st.integers(0, 2**33).map(str) | st.text(), st.booleans()),
        min_size=200,
        max_size=400,
    )
)
def test_writes_what_node_writes(values: list[object]) -> None:
    """Doubles, long integers, any text and numeric keys come out as in JavaScript."""
    body = json.dumps(values).encode()
    made = subprocess.run(
        ["sh", "-c", KNOWN["command"]], input=body, capture_output=True, check=True
    )
    assert compact_json(body) == made.stdout


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"[01]",
        b"{'a':1}",
        b"[1,]",
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        '{"a":1}'.encode("utf-16"),
        b'"\x01"',
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="nested"),
    ],
)
def test_refuses_what_javascript_does_not_parse(body: bytes) -> None:
    """What has no exact compact form is a ValueError, whatever was wrong with it."""
    with pytest.raises(ValueError):  # noqa: PT011  # Which one is no part of the promise.
        compact_json(body)
