"""schemathesis asks a running server what its description allows, and much that it does not.

No answer is a 5xx, and none is outside of the description.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from e2e.databases import Postgres
from e2e.sender import document, encoded, post, signed
from e2e.server import SOURCES, MakeServer, Server, environment
from e2e.test_api import REFUSING, token

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
#: Requests of each kind for each operation.
EXAMPLES = 30
BEHIND_A_PROXY = 'trusted_proxies = ["127.0.0.1"]\n'
#: Each half of the operations is asked from an address of its own: each operation is asked once
#: with a token that is none, and thirty of those from one address are all that are answered 401.
HALVES = {"--include-method=GET": "192.0.2.1", "--exclude-method=GET": "192.0.2.2"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_every_answer_is_described(
    make_server: MakeServer, postgres: Postgres, database: str
) -> None:
    """Events, failed alerts, held and refused deliveries are there to be asked for."""
    storage = "sqlite:///casebell.db"
    if database == "postgresql":
        storage = (await postgres.database("described")).url
    async with HttpSink() as sink:
        sink.answer(HttpAnswer(status=404))
        config = SOURCES + REFUSING.format(port=sink.port)
        server = await make_server(config, storage=storage, server=BEHIND_A_PROXY).start()
        for number in range(20):
            await post(server, encoded(document()))
            await post(server, b"not json %d" % number)
            await post(server, b"{}", signed(b"other"))
        admin = await token(server, "admin")
        for methods, address in HALVES.items():
            code, out = await _schemathesis(server, admin, methods, address)
            print(out)  # noqa: T201 - figures
            assert code == 0, out
    assert server.events("api.defect") == []


async def _schemathesis(server: Server, of: str, methods: str, address: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{server.url}/api/v1/openapi.json",
        f"--header=Authorization: Bearer {of}",
        f"--header=X-Forwarded-For: {address}",
        methods,
        f"--checks={','.join(CHECKS)}",
        f"--max-examples={EXAMPLES}",
        "--seed=1",
        "--phases=examples,coverage,fuzzing",
        "--continue-on-failure",
        "--suppress-health-check=all",
        "--output-truncate=false",
        "--no-color",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=server.directory,
        env=environment() | {"no_proxy": "127.0.0.1", "PATH": os.environ["PATH"]},
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()
