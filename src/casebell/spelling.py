"""Texts as they are compared: people and other products write names in many ways."""

import unicodedata


def spelling(text: str) -> str:
    """The text without differences of case, width and blanks; equal ones mean the same."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
