"""Requests to the admin socket without a client: one line in, one line out."""

import asyncio
import json
from pathlib import Path
from typing import Any


async def say(path: Path, line: bytes) -> bytes:
    """Send these bytes only; return what came back before the connection ended."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(line)
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


async def ask(path: Path, verb: str, **arguments: object) -> dict[str, Any]:
    """One request, and its whole answer."""
    request = json.dumps({"verb": verb, "arguments": arguments}).encode() + b"\n"
    answer: dict[str, Any] = json.loads(await say(path, request))
    return answer
