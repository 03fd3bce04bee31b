"""What can be an e-mail address, as far as that can be told by looking."""

#: Characters of an e-mail address (RFC 5321).
MAX_EMAIL = 254
#: What divides addresses from each other, and from the names before them (RFC 5322).
_BETWEEN = frozenset('<>()[],;:\\"')


def is_email_address(text: str) -> bool:
    """Whether mail could be sent there: something, `@`, something, and nothing that is not seen.

    One address alone, without a name before it.
    """
    local, at, domain = text.partition("@")
    seen = text.isprintable() and not any(map(str.isspace, text))
    alone = "@" not in domain and _BETWEEN.isdisjoint(text)
    return bool(seen and alone and local and at and domain and len(text) <= MAX_EMAIL)
