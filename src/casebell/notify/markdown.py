"""Plain text for services that read Markdown and nothing else (Teams cards among them)."""

import re

#: What acts anywhere in a line, and what acts at the start of one. `]` covers `](` and `]:`.
_ACTS = re.compile(r"[\\`*_\[\]<>&~|]")
_ACTS_FIRST = re.compile(r"^(?:[#+=-]|\d+(?=[.)]))")
#: A line that is a link and nothing else. No character in it ends a Markdown link.
_LINK = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'*+,;=%-]+")


def as_markdown(text: str) -> str:
    """Markdown that shows exactly this text; a link alone on its line can be followed.

    Each line becomes a paragraph, for a single line end is no line end in Markdown; empty lines and
    blanks around a line go.
    """
    lines = (line.strip() for line in text.split("\n"))
    return "\n\n".join(_paragraph(line) for line in lines if line)


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
