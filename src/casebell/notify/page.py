"""Makes a page of a message, for services that send mail: pure functions.

The reader's lines come first, the sentence largest and the link as a button; the lines of IT stand
small below a rule. Mail programs ignore style sheets, so each element has its styles itself:
`python -m notify.inlining` (tests/notify/inlining.py) makes `templates/page.html` of
`templates/page.source.html`, and a test compares them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from types import MappingProxyType

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from casebell.alerts import Line, Message, Part

#: An HTML parser, which inlines the styles, takes statements for comments.
SYNTAX: Mapping[str, str] = MappingProxyType(
    {"block_start_string": "<!--%", "block_end_string": "%-->"}
)
#: An address and nothing else; no character of it ends an attribute.
LINK = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'*+,;=%-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A piece of a page or card: a line, or a link with its words."""

    part: Part
    text: str = ""
    #: Where it leads; "" for text.
    address: str = ""
    #: Whether it stands among the lines of IT.
    small: bool = False


def page_of(message: Message) -> str:
    """The message as an HTML document, with every text escaped."""
    return _template().render(
        title=message.title, urgent=message.urgent, blocks=tuple(blocks_of(message.lines))
    )


def blocks_of(lines: Sequence[Line]) -> Iterator[Block]:
    """The lines as blocks, with one rule, before the lines of IT.

    A line that ends in a colon has the words of the link below it, and so has one of several items.
    """
    given = [line for line in lines if line.text and line.part is not Part.RULE]
    small, item, words = False, False, ""
    for line, following in zip_longest(given, given[1:]):
        if not small and line.part in (Part.DETAIL, Part.FOOTER):
            small = True
            yield Block(part=Part.RULE)
        if _is_link(line):
            own = Part.ACKNOWLEDGE if line.part is Part.ACKNOWLEDGE else Part.LINK
            part = Part.ITEM if item else own
            yield Block(part=part, text=words or line.text, address=line.text, small=small)
            words, item = "", False
        elif following and _is_link(following) and line.part is Part.ITEM:
            words, item = line.text, True
        elif following and _is_link(following) and line.text.endswith(":"):
            words = line.text.removesuffix(":")
        else:
            part = Part.FACT if line.part is Part.LINK else line.part
            yield Block(part=part, text=line.text, small=small)


def _is_link(line: Line) -> bool:
    return LINK.fullmatch(line.text) is not None


@cache
def _template() -> Template:
    return Environment(
        loader=PackageLoader("casebell.notify"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        block_start_string=SYNTAX["block_start_string"],
        block_end_string=SYNTAX["block_end_string"],
    ).get_template("page.html")
