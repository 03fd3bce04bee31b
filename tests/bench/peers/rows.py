"""Other ways to receive a webhook, measured the same way where they are installed.

Debian's `webhook` comes from apt. The others are packages of npm: install `express`,
`better-sqlite3` and `node-red` in a directory of your own; NODE_PATH names its `node_modules`.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.serving import PARLEY, Row

HERE = Path(__file__).parent
_MODULES = [Path(name) for name in os.environ.get("NODE_PATH", "").split(os.pathsep) if name]


def installed() -> Iterator[Row]:
    """The rows that can be measured here; standard error has what the others lack."""
    if _here("webhook and sqlite3", shutil.which("webhook"), shutil.which("sqlite3")):
        yield Row(
            name="Debian's webhook running sqlite3, 64 connections",
            command=[
                "webhook",
                "-ip",
                "127.0.0.1",
                "-port",
                "{port}",
                "-hooks",
                f"{HERE}/hooks.json",
            ],
            health="/",
            path="/hooks/parley",
            headers=["X-Hub-Signature-256: sha256={bodysig}"],
            decides=False,
        )
    node, express, sqlite = shutil.which("node"), _module("express"), _module("better-sqlite3")
    if _here("node, express and better-sqlite3", node, express, sqlite):
        yield Row(
            name="Express and better-sqlite3, 64 connections",
            command=["node", f"{HERE}/express.js"],
            headers=PARLEY,
            decides=False,
        )
    node_red = _module("node-red")
    if _here("node and node-red", node, node_red):
        yield Row(
            name="Node-RED to a file, 64 connections",
            command=["node", f"{node_red}/red.js", "--settings", f"{HERE}/node-red.js"],
            decides=False,
        )


def _module(name: str) -> Path | None:
    return next((path / name for path in _MODULES if (path / name).is_dir()), None)


def _here(names: str, *found: object) -> bool:
    if all(found):
        return True
    print(f"Left out for want of {names}.", file=sys.stderr)
    return False
