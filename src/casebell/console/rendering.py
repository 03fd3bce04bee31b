"""Makes HTML of values: Jinja with every text escaped, in turns of the loop."""

import asyncio
import hashlib
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import casebell
from casebell.api.answers import TEXT_A_TURN
from casebell.clock import iso
from casebell.events import Micros
from casebell.notify.page import LINK
from casebell.service.attempts_in_words import failure_in_words, reason_in_words
from casebell.times import ago, counted, local_time
from casebell.visible import visible

#: The types of the files that pages load, by the ends of their names.
_MEDIA = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
          ".svg": "image/svg+xml"}  # fmt: skip
#: Pieces of a page that are made before deliveries have a turn.
_PIECES_A_TURN = 200


class StaticFile(NamedTuple):
    """A file that pages load."""

    content: bytes
    media: str
    #: Of its content, so that a browser asks anew for another.
    version: str


def _static_files() -> Mapping[str, StaticFile]:
    found: dict[str, StaticFile] = {}
    root = resources.files("casebell.console") / "static"
    for folder in (root, root / "vendor"):
        for file in folder.iterdir():
            media = _MEDIA.get(file.name[file.name.rfind(".") :])
            if media is not None:
                content = file.read_bytes()
                version = hashlib.sha256(content).hexdigest()[:16]
                found[file.name] = StaticFile(content, media, version)
    return MappingProxyType(found)


class Rendering:
    """The templates, and the files that their pages load."""

    def __init__(self) -> None:
        self.files = _static_files()
        self._is_read = False
        self._templates = Environment(
            loader=PackageLoader("casebell.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.globals |= {
            "static": self._address_of,
            "counted": counted,
            "with_parameter": with_parameter,
            "version": casebell.__version__,
        }
        self._templates.tests["link"] = lambda line: LINK.fullmatch(line) is not None
        self._templates.filters |= {
            "visible": _visible,
            "reason": reason_in_words,
            "failure": failure_in_words,
        }

    def _read(self) -> None:
        """Read every template."""
        for name in self._templates.list_templates():
            self._templates.get_template(name)

    async def page(self, template: str, shown: Mapping[str, Any], *, zone: str, now: Micros) -> str:
        """A page of what is shown.

        Args:
            zone: in which times are.
        """
        if not self._is_read:
            # With the first page, which waits for it: no start does, and no delivery.
            await asyncio.to_thread(self._read)
            self._is_read = True

        def when(stamp: str | None) -> Markup | str:
            """A time with its zone; a text that is no time, as it is."""
            text = local_time(stamp, zone)
            if stamp is None or text == stamp:
                return text
            return Markup('<time datetime="{}">{}</time>').format(stamp, text)

        def since(stamp: str | None) -> Markup | str:
            """How long ago, with the time itself for whoever points at it."""
            if stamp is None:
                return ago(None, now=now)
            title = local_time(stamp, zone)
            return Markup('<time datetime="{}" title="{}">{}</time>').format(
                stamp, title, ago(stamp, now=now)
            )

        parts: list[str] = []
        size = turns = 0
        pieces = self._templates.get_template(template).generate(
            {**shown, "when": when, "ago": since, "now_stamp": iso(now)}
        )
        for number, piece in enumerate(pieces):
            parts.append(piece)
            size += len(piece)
            if size // TEXT_A_TURN + number // _PIECES_A_TURN > turns:
                turns = size // TEXT_A_TURN + number // _PIECES_A_TURN
                await asyncio.sleep(0)
        return "".join(parts)

    def _address_of(self, name: str) -> str:
        return f"/static/{name}?v={self.files[name].version}"


def _visible(value: object) -> str:
    return visible(str(value))


def with_parameter(address: str, name: str, value: str) -> str:
    """An address with one parameter set, the others as they are; "" leaves it out."""
    path, _, query = address.partition("?")
    others = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != name]
    set_so = urlencode([*others, (name, value)] if value else others)
    return f"{path}?{set_so}" if set_so else path
