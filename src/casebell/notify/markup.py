"""Escapes plain text for services that take none: as Markdown for Teams, as HTML for Graph."""

import re
from html import escape

#: Active characters anywhere in a line, and at the start of one. `]` covers `](` and `]:`.
_ACTS = re.compile(r"[\\`*_\[\]<>&~|]")
_ACTS_FIRST = re.compile(r"^(?:[#+=-]|\d+(?=[.)]))")
#: A line that is only a link. No character in it ends a Markdown link.
_LINK = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'*+,;=%-]+")


def as_markdown(text: str) -> str:
    """Markdown that shows exactly this text; a link alone on its line can be followed.

    Each line becomes a paragraph, since Markdown ignores a single line end. Empty lines, and blanks
    around a line, are dropped.
    """
    lines = (line.strip() for line in text.split("\n"))
    return "\n\n".join(_paragraph(line) for line in lines if line)


def as_html(text: str) -> str:
    """HTML that shows exactly this text; a link alone on its line can be followed.

    Runs of blanks are shown as one, and lines break at blanks.
    """
    return "<br/>\n".join(map(_html_line, text.split("\n")))


def _html_line(line: str) -> str:
    escaped = escape(line)
    return f'<a href="{escaped}">{escaped}</a>' if _LINK.fullmatch(line) else escaped


def _paragraph(line: str) -> str:
    if _LINK.fullmatch(line):
        return f"[{_escaped(line)}]({line})"
    return _escaped(line)


def _escaped(line: str) -> str:
    escaped = _ACTS.sub(r"\\\g<0>", line)
    first = _ACTS_FIRST.match(escaped)
    if first is None:
        return escaped
    # "1. Received" is a list by its dot, "# Received" a heading by its first character.
    at = first.end() if first[0].isdigit() else 0
    return escaped[:at] + "\\" + escaped[at:]
