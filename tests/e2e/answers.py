"""What holds for every answer, as docs/contract.md has it."""

import re
from pathlib import Path
from typing import Any

from e2e.server import Server

REQUEST_ID = re.compile(r"req_[0-9a-f]{24}")


def checked(response: Any, status: int) -> dict[str, Any]:
    """The content of an answer with this status, after what holds for all of them."""
    assert (response.status_code if hasattr(response, "status_code") else response.status) == status
    content: dict[str, Any] = response.json()
    assert REQUEST_ID.fullmatch(content["request_id"])
    assert response.headers["x-request-id"] == content["request_id"]
    assert response.headers["content-type"] == "application/json"
    return content


def refused(response: Any, status: int, error: str) -> dict[str, Any]:
    """The content of an answer in Parley's Error schema."""
    content = checked(response, status)
    assert set(content) == {"error", "message", "request_id"}
    assert content["error"] == error
    assert content["message"].endswith(".")
    return content


def events(server: Server) -> int:
    """How many are stored."""
    return int(server.rows("SELECT count(*) FROM events")[0][0])


def memory(server: Server) -> int:
    """Bytes the server holds in memory."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * 4096
