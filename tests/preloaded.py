"""What `casebell serve` imports and prepares, once for all servers that are forked."""

import gc
import importlib

from casebell.notify.apprise_url import plugins
from casebell.uscis.classify import prepare

for module in (
    "aiosqlite",
    "alembic.command",
    "alembic.context",
    "asyncpg",
    "casebell.cli.demo",
    "casebell.cli.reload",
    "casebell.cli.serve",
    "structlog",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
):
    importlib.import_module(module)
prepare()
plugins()
# What is inherited is no garbage: a server's first look for some need not walk it.
gc.collect()
gc.freeze()
