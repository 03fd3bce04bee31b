"""Senders in other languages, with the libraries that these bring: what they sign is accepted.

`openssl` and `curl` in a shell sign in test_page_examples.py. Nothing of ours signs here.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from e2e.sender import document
from e2e.server import PARLEY_SECRET, SOURCES, TORCH_SECRET, MakeServer, environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    # Java compiles its source at each start.
    pytest.mark.timeout(180),
]

SENDERS = Path(__file__).parent / "senders"
NODE = ("node", str(SENDERS / "sender.mjs"))
JAVA = ("java", str(SENDERS / "Sender.java"))
COMPACT = SOURCES.replace('kind = "parley"\n', 'kind = "parley"\nsigned_body = "compact-json"\n')
#: What languages write differently: beyond ASCII and beyond 16 bits, separators, escapes, numbers.
TEXTS = (
    "We sent you a request for evidence for your Form I-129.",
    "Emitimos una solicitud de evidencia: ñ, “comillas” y 😀.",
    'Quotes " and \\ and / and a tab\t, a line end\n, U+2028 \u2028, U+0007 \u0007, <b>&amp;</b>',
)


def parley(number: int, text: str) -> dict[str, Any]:
    """A body with numbers and names in an order that nobody sorts."""
    extra = {"z": 1, "a": [1.5, 1e21, -0.0, 10**15], "10": True, "2": None}
    return document(id=f"evt_{number}", raw_status_text=text, meta=extra)


def torch(number: int, text: str) -> dict[str, Any]:
    data = {
        "receipt_number": f"ABC{number:010d}",
        "status_text": text,
        "status_category": "Request for Evidence",
        "last_status_at": "2025-01-15T14:03:27Z",
    }
    return {"type": "case.status.updated", "data": data, "id": f"evt_{number}"}


async def sent(command: Sequence[str], bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a sender was answered to each body."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment() | {"PATH": os.environ["PATH"], "no_proxy": "127.0.0.1"},
    )
    lines = "".join(f"{json.dumps(body, ensure_ascii=False)}\n" for body in bodies)
    out, errors = await process.communicate(lines.encode())
    assert process.returncode == 0, errors.decode()
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize(
    ("config", "source", "command"),
    [
        (SOURCES, "parley", (*NODE, "{url}", PARLEY_SECRET)),
        # What travels is not what is signed: docs/decisions/upstream.md, A2.
        (COMPACT, "parley", (*NODE, "{url}", PARLEY_SECRET, "indent")),
        (SOURCES, "parley", (*JAVA, "{url}", "hmac", PARLEY_SECRET)),
        (SOURCES, "torch", (*JAVA, "{url}", "X-Torch-Secret", TORCH_SECRET)),
    ],
    ids=["node", "node-stringify", "java-parley", "java-torch"],
)
async def test_it_is_stored_once(
    make_server: MakeServer, config: str, source: str, command: Sequence[str]
) -> None:
    """Each body is stored with its text; the same again is a duplicate; a forged one is neither."""
    server = await make_server(config).start()
    url = f"{server.url}/webhooks/{source}"
    make = parley if source == "parley" else torch
    bodies = [make(number, text) for number, text in enumerate(TEXTS)]
    filled = [part.format(url=url) for part in command]
    answers = await sent(filled, [*bodies, *bodies])
    assert [one["status"] for one in answers] == [200] * 6
    assert [one["body"]["status"] for one in answers] == ["stored"] * 3 + ["duplicate"] * 3
    assert server.rows("SELECT text FROM events ORDER BY id") == [(text,) for text in TEXTS]
    forged = [part.replace(PARLEY_SECRET, "another secret of the same kind") for part in filled]
    forged = [part.replace(TORCH_SECRET, "another secret of the same kind") for part in forged]
    (refused,) = await sent(forged, bodies[:1])
    assert refused["status"] == 401
