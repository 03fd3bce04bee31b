"""The example bodies of both pages, signed by openssl and posted by curl as the README shows it."""

import asyncio
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from casebell.sandbox.http_sink import HttpSink
from casebell.sandbox.mail_sink import SmtpSink
from e2e.server import PARLEY_SECRET, SOURCES, TORCH_SECRET, MakeServer, environment

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAMPLES = Path(__file__).parent.parent / "samples"

#: Nothing of ours signs here.
SCRIPTS = {
    "parley": r"""
        t=$(date +%s)
        signature=$({ printf '%s.' "$t"; cat "$BODY"; } |
            openssl dgst -sha256 -hmac "$PARLEY_WEBHOOK_SECRET" | sed 's/^.* //')
        curl --silent --show-error "$URL/webhooks/parley" \
            --header 'Content-Type: application/json' \
            --header "Authorization: Parley-Signature=t=$t,v1=$signature" \
            --header 'Idempotency-Key: 4a4d1c6f-6c1e-4b1e-9f9a-2a1d0c0f9b44' \
            --data-binary @"$BODY"
    """,
    "torch": r"""
        curl --silent --show-error "$URL/webhooks/torch" \
            --header 'Content-Type: application/json' \
            --header "X-Torch-Secret: $TORCH_WEBHOOK_SECRET" \
            --data-binary @"$BODY"
    """,
}


@pytest.mark.parametrize("source", SCRIPTS)
async def test_the_pages_example_is_stored_and_told(make_server: MakeServer, source: str) -> None:
    """A newcomer's first delivery is stored, and is mail and a web request within a second."""
    for tool in ("curl", "openssl"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    async with HttpSink() as hook, SmtpSink() as mail:
        channels = f"""
            [channels.hook]
            url = "json://127.0.0.1:{hook.port}/"
            [channels.mail]
            url = "mailto://127.0.0.1:{mail.port}?from=casebell@example.com"
            to = ["rfe-team@example.com"]
            [[rules]]
            name = "All"
            when = {{}}
            notify = ["hook", "mail"]
        """
        server = await make_server(SOURCES + channels).start()
        sample = SAMPLES / source / "page-example"
        began = time.time_ns() // 1000
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-euo",
            "pipefail",
            "-c",
            SCRIPTS[source],
            stdout=asyncio.subprocess.PIPE,
            env=environment()
            | {
                "URL": server.url,
                "BODY": str(sample / "body"),
                "PARLEY_WEBHOOK_SECRET": PARLEY_SECRET,
                "TORCH_WEBHOOK_SECRET": TORCH_SECRET,
                "no_proxy": "127.0.0.1",
                "PATH": os.environ["PATH"],
            },
        )
        out, _ = await process.communicate()
        answer = json.loads(out)
        expected = json.loads((sample / "event.json").read_text())
        assert answer == {
            "status": "stored",
            "event_id": expected["key"],
            "request_id": answer["request_id"],
        }
        ((received_at,),) = server.rows("SELECT received_at FROM events")
        (hooked,), (mailed,) = await hook.received(1), await mail.received(1)
        # From before its acknowledgement, so that the figure can only be too large.
        took = {"hook": hooked.at - received_at, "mail": mailed.at - received_at}
        figures = ", ".join(f"{name} {each / 1000:.0f} ms" for name, each in took.items())
        print(f"{source}, received to alerted: {figures}")  # noqa: T201 - figures
        assert began < received_at
        assert all(0 < each < 1_000_000 for each in took.values())
        await server.settled()
        assert server.rows("SELECT status FROM events") == [(expected["status"],)]
        assert len(hook.requests) == len(mail.mails) == 1
