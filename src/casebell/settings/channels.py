"""Ways to reach people, and which of their URLs would travel unencrypted."""

import re
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, SecretStr

from casebell.settings.values import Duration, Part, Texts, as_list, complaint

#: Schemas that apprise sends without TLS, and plain HTTP. Only-local schemas (a desktop's
#: notification bus) and those whose single schema is TLS all the same are not among them; a test
#: compares this list with the installed apprise.
_PLAIN_TEXT = (
    "amqp apprise bark deltachat emby enigma2 evolution flowtriq fluxer form goalert gorush gotify "
    "growl hassio http humhub irc jellyfin json kodi lametric mailto mastodon matrix misskey mmost "
    "mqtt nctalk ncloud notica notifico ntfy onebot parsep pinglet pjet psafer pushdeer rocket "
    "rsyslog session signal smpp smseagle synology toot trigv xbmc xml xmpp"
)
PLAIN_TEXT_SCHEMAS = frozenset(_PLAIN_TEXT.split())

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://\S.*", re.DOTALL)


def travels_in_plain_text(url: str) -> bool:
    """Whether a message to this URL would cross a network unencrypted (contract, Configuration).

    Errs towards True where the host cannot be read.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return True
    plain = parts.scheme in PLAIN_TEXT_SCHEMAS
    if parts.scheme in ("mailto", "mailtos"):
        options = {name.lower(): value for name, value in parse_qsl(parts.query)}
        if mode := options.get("mode"):
            plain = mode.lower() == "insecure"
        # The address's domain need not be the machine that takes the mail.
        host = options.get("smtp", host)
    return plain and not _is_loopback(host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_url(value: SecretStr) -> SecretStr:
    if _URL.fullmatch(value.get_secret_value()) is None:
        raise complaint("This is not a URL.", "A channel's URL begins with a schema and `://`.")
    return value


Url = Annotated[SecretStr, AfterValidator(_is_url)]


def _one_url(fields: dict[str, Any]) -> tuple[SecretStr, ...]:
    return () if fields["url"] is None else (fields["url"],)


class Channel(Part):
    """A named way to reach people, with one or more targets."""

    filled_in: ClassVar[frozenset[str]] = frozenset({"name"})

    name: str
    #: As written; readers want `urls`, which holds it.
    url: Url | None = None
    #: Every apprise URL of the channel; without `to` each is a target.
    urls: Annotated[tuple[Url, ...], as_list] = Field(default_factory=_one_url)
    #: Recipients, each its own target; only with a single URL.
    to: Texts = ()
    #: The operator accepts plain text to a host that is not this machine.
    insecure: bool = False
    #: How much of a case its alerts show (E14).
    disclose: Literal["minimal", "standard", "full"] = "minimal"
    #: Seconds one attempt may take.
    timeout: Duration = Field(default=30.0, gt=0, le=600)
    #: Seconds after which an alert is given up.
    max_age: Duration = Field(default=86_400.0, gt=0)
    #: Least seconds between two sends.
    pace: Duration = Field(default=1.0, ge=0, le=3600)
    #: Channel that hears of an alert this one could not deliver.
    fallback: str | None = None
