"""The text of a file, in whichever encoding a spreadsheet has saved it."""

import codecs
from dataclasses import dataclass

from casebell.errors import UnusableCaseFile

#: How files begin that are no text, and what they are.
_NO_TEXT = {
    b"PK\x03\x04": "an Excel workbook (.xlsx)",
    b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls)",
    b"%PDF": "a PDF",
}
_HINT = "Open it where it was made, and save or export it as CSV."
#: How UTF-16 begins where its first character is of ASCII.
_LITTLE, _BIG = slice(1, 2), slice(0, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """A text, and the encoding that it was in."""

    text: str
    encoding: str


def decode(content: bytes) -> Decoded:
    """The text; characters that cannot be read are U+FFFD.

    What is no UTF-8 is Windows-1252, in which Excel saves "CSV" where it is in English.

    Raises:
        UnusableCaseFile: it is empty, or no text.
    """
    for beginning, name in _NO_TEXT.items():
        if content.startswith(beginning):
            raise UnusableCaseFile(f"This is {name}, whatever its name says.", hint=_HINT)
    if content.lstrip()[:200].lower().startswith((b"<!doctype", b"<html", b"<table", b"<?xml")):
        raise UnusableCaseFile("This is a page of HTML or XML, and no CSV.", hint=_HINT)
    found = _decoded(content)
    if not found.text.strip():
        raise UnusableCaseFile("The file is empty.", hint=_HINT)
    return found


def _decoded(content: bytes) -> Decoded:
    if content.startswith(codecs.BOM_UTF8):
        return Decoded(text=content[3:].decode("utf-8", "replace"), encoding="UTF-8")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Decoded(text=content.decode("utf-16", "replace"), encoding="UTF-16")
    for zero, codec in ((_LITTLE, "utf-16-le"), (_BIG, "utf-16-be")):
        if content[zero] == b"\0" and content[:2] != b"\0\0":
            return Decoded(text=content.decode(codec, "replace"), encoding="UTF-16")
    try:
        return Decoded(text=content.decode("utf-8"), encoding="UTF-8")
    except UnicodeDecodeError:
        return Decoded(text=content.decode("cp1252", "replace"), encoding="Windows-1252")
