"""What is general in a text that nobody has read yet: it comes again, with other particulars."""

from casebell.uscis.sentences import plain_text, sentences, words_of

#: Characters; a text of which so many are the same has the same wording.
_MAX_GENERAL = 2_000


def in_general(text: str) -> str:
    """The words of a text without its particulars: dates, receipts, forms, numbers of any kind."""
    words = " ".join(map(words_of, sentences(plain_text(text)))).split()
    general = ("#" if any(map(str.isdigit, word)) else word for word in words)
    return " ".join(general)[:_MAX_GENERAL]
