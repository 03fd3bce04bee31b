"""What can be an e-mail address, as far as that can be told by looking."""

#: Characters of an e-mail address (RFC 5321).
MAX_EMAIL = 254


def is_email_address(text: str) -> bool:
    """Whether mail could be sent there: something, `@`, something, and nothing that is not seen."""
    local, at, domain = text.rpartition("@")
    seen = text.isprintable() and not any(map(str.isspace, text))
    return bool(seen and local and at and domain and len(text) <= MAX_EMAIL)
