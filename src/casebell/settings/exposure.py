"""Files of the configuration that every user of the machine may write, or read secrets from."""

import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from casebell.config_file import parsed
from casebell.errors import ConfigError

#: A mail server's address alone; of another service the whole URL may be the secret.
_NO_LOGIN = re.compile(r"mailtos?://[^/?@]*(?:[/?]|$)", re.IGNORECASE)


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """A file with too many rights."""

    what: str
    #: The command that mends it.
    then: str

    def __str__(self) -> str:
        return f"{self.what}: {self.then}"


def exposed(file: Path) -> Iterator[Exposure]:
    """What is wrong with the rights of a configuration file, and of `.env` beside it."""
    env_file = file.with_name(".env")
    for path, secret in ((file, _holds_a_secret(file)), (env_file, True)):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & stat.S_IWOTH:
            yield Exposure(
                what=f"{path} can be written by every user of this machine",
                then=f"chmod o-rw {path}",
            )
        elif secret and mode & stat.S_IROTH:
            yield Exposure(
                what=f"{path} holds secrets and can be read by every user of this machine",
                then=f"chmod o-r {path}",
            )


def _holds_a_secret(file: Path) -> bool:
    """Whether a secret stands in the file itself, instead of a reference."""
    try:
        data = parsed(file.read_bytes(), file)
    except (OSError, ConfigError):
        return False
    channels = [
        channel.get(key)
        for channel in _tables(data, "channels")
        for key in ("url", "urls", "password", "webhook", "secret")
    ]
    sources = [source.get("secrets") for source in _tables(data, "sources")]
    providers = [provider.get("client_secret") for provider in _tables(data, "console")]
    texts = _texts([*channels, *sources, *providers])
    return any("${" not in text and not _NO_LOGIN.match(text) for text in texts)


def _tables(data: Mapping[str, Any], section: str) -> Iterator[Mapping[str, Any]]:
    tables = data.get(section)
    if isinstance(tables, dict):
        yield from (table for table in tables.values() if isinstance(table, dict))


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for entry in node:
            yield from _texts(entry)
    elif isinstance(node, dict):
        yield from _texts(node.get("value"))
