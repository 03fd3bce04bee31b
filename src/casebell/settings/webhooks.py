"""Addresses that Casebell asks over HTTP, and the secrets that sign what a webhook is sent."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from casebell.settings.sources import SIGNING_PREFIX, decoded
from casebell.settings.values import as_list, complaint

#: Bytes of a key, as Standard Webhooks asks for them.
MIN_KEY, MAX_KEY = 24, 64

_MAKE_ONE = 'Make one: echo "whsec_$(openssl rand -base64 32)". The receiver needs the same.'


def _is_usable(value: SecretStr) -> bool:
    url = value.get_secret_value()
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and url.isprintable() and not set(url) & set(" #")


def _web_address(value: SecretStr) -> SecretStr:
    if not _is_usable(value):
        raise complaint(
            "This is no address that can be fetched.",
            'Write it like "https://watch.example.com/ping/…", as who watches gave it.',
        )
    return value


def _address(value: SecretStr) -> SecretStr:
    if not _is_usable(value):
        raise complaint(
            "This is no address that alerts can be posted to.",
            'Write it like "https://intake.example-firm.com/casebell".',
        )
    if "@" in urlsplit(value.get_secret_value()).netloc:
        raise complaint(
            "This has a login in it, and a webhook takes none.",
            "Take it out: `secret` signs each message, and by that the receiver knows who sent it.",
        )
    return value


def _signs(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.startswith(SIGNING_PREFIX):
        raise complaint("A secret that signs begins with `whsec_`.", _MAKE_ONE)
    try:
        size = len(decoded(text))
    except ValueError:
        raise complaint("What follows `whsec_` is no base64.", _MAKE_ONE) from None
    if not MIN_KEY <= size <= MAX_KEY:
        raise complaint(f"A secret that signs has {MIN_KEY} to {MAX_KEY} bytes.", _MAKE_ONE)
    return value


WebAddress = Annotated[SecretStr, AfterValidator(_web_address)]
WebhookAddress = Annotated[SecretStr, AfterValidator(_address)]
SigningSecrets = Annotated[tuple[Annotated[SecretStr, AfterValidator(_signs)], ...], as_list]
