"""The models of the upstream's APIs, and what the pages' own names of variables fill in."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from casebell.kinds import KINDS
from casebell.networks import is_loopback
from casebell.settings.interpolation import MAX_FILE_BYTES
from casebell.settings.places import Finding
from casebell.settings.values import Duration, Part, Text, base_dir, complaint

#: The APIs that there is a client for.
ApiKind: TypeAlias = Literal["parley", "torch"]
#: The label of the secret of our own subscription; of several, of the oldest.
SUBSCRIPTION = "subscription"
#: By kind and key, the variable of its page: "Endpoints" of Parley's, "Quickstart" of Torch's.
VARIABLES: Mapping[str, Mapping[str, str]] = {
    "parley": {"base": "PARLEY_API_BASE", "token": "PARLEY_API_TOKEN"},
    "torch": {"base": "BASE_URL", "token": "PARLEY_API_KEY"},
}
#: The same of what signs deliveries (Parley's page, "Webhooks").
SIGNING_VARIABLE = "PARLEY_WEBHOOK_SECRET"
#: What stands before every path but that of `/health`.
_PREFIXES: Mapping[str, str] = {"parley": "/v1", "torch": ""}


def _base(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = bool(parts.hostname) and parts.port != 0
        usable = usable and value.isprintable() and not set(value) & set(" ?#@")
        safe = parts.scheme == "https" or (
            parts.scheme == "http" and is_loopback(parts.hostname or "")
        )
    except ValueError:
        usable = safe = False
    if not usable:
        raise complaint(
            "This is no address of an API.",
            'Write it as the onboarding pack has it: "https://api.example.com".',
        )
    if not safe:
        raise complaint(
            "The token would travel unencrypted.",
            "Begin with https://. Plain http:// is for this machine alone, such as the sandbox.",
        )
    return value.rstrip("/")


def _token(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise complaint(
            "This is no token.",
            "It is one word, as the onboarding pack has it, without `Bearer` before it.",
        )
    return value


def _path(value: str) -> str:
    plain = value.isascii() and value.isprintable() and not set(value) & set(" ?#")
    if not plain or (value and not value.startswith("/")):
        raise complaint("This is no path.", 'It begins with a slash: "/case-status".')
    return value.rstrip("/")


def _interval(value: object) -> object:
    return None if value == "" else value


def _usual_prefix(fields: dict[str, Any]) -> str:
    return _PREFIXES[fields["kind"]]


_Path = Annotated[str, AfterValidator(_path)]


class ApiPaths(Part):
    """Where each thing is, behind `base` and `prefix`; both pages say that paths may vary."""

    case_status: _Path = "/case-status"
    #: Of Torch alone.
    batch: _Path = "/case-status/batch"
    #: These four of Parley alone; the last has no prefix.
    events: _Path = "/events"
    receipts: _Path = "/receipts"
    subscriptions: _Path = "/subscriptions"
    health: _Path = "/health"


class UpstreamSettings(Part):
    """An API that Casebell asks: to register cases, and for what no webhook delivered."""

    filled_in: ClassVar[frozenset[str]] = frozenset({"name"})

    name: str
    kind: ApiKind
    #: The source to which belongs what reconciliation finds.
    source: Text
    base: Annotated[str, AfterValidator(_base)]
    token: Annotated[SecretStr, AfterValidator(_token)]
    prefix: _Path = Field(default_factory=_usual_prefix)
    paths: ApiPaths = ApiPaths()
    #: Requests at most; those of a day count from 00:00 GMT, for all servers together.
    per_minute: int = Field(default=60, ge=1)
    per_day: int = Field(default=5_000, ge=1)
    #: Receipts in one request, where the API takes several.
    batch: int = Field(default=50, ge=1, le=1_000)
    #: Seconds for one answer.
    timeout: Duration = Field(default=20.0, ge=1, le=300)
    #: Seconds from one reconciliation to the next; None: only by hand.
    reconcile: Annotated[Duration | None, BeforeValidator(_interval)] = Field(default=None, ge=60.0)
    #: Whether labels of cases are sent when they are registered.
    labels: bool = False
    #: The secrets of our own subscriptions, one a line: more secrets of `source`.
    secret_file: Path | None = None

    @field_validator("secret_file")
    @classmethod
    def _beside_the_configuration(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return None if value is None else base_dir(info) / value


def with_page_names(data: dict[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """The data, with what the pages' own variables say where the file says nothing.

    A table that the file does not have is not made of variables.
    """

    def asked(table: dict[str, Any]) -> Mapping[str, str]:
        named = VARIABLES.get(str(table.get("kind")), {})
        return {key: variables[name] for key, name in named.items() if name in variables}

    def delivering(table: dict[str, Any]) -> Mapping[str, str]:
        signs = table.get("kind") == "parley" and SIGNING_VARIABLE in variables
        return {"secrets": variables[SIGNING_VARIABLE]} if signs else {}

    filled = dict(data)
    for section, defaults in (("upstream", asked), ("sources", delivering)):
        if isinstance(tables := data.get(section), dict):
            filled[section] = {
                name: {**defaults(table), **table} if isinstance(table, dict) else table
                for name, table in tables.items()
            }
    return filled


def with_subscriptions(
    data: dict[str, Any], *, base_dir: Path
) -> tuple[dict[str, Any], list[Finding]]:
    """The data, with the secrets of each subscription among those of its source; and what is wrong.

    A file that is not there yet is fine: it is made when Casebell subscribes.
    """
    findings: list[Finding] = []
    upstreams, sources = data.get("upstream"), data.get("sources")
    if not isinstance(upstreams, dict) or not isinstance(sources, dict):
        return data, findings
    sources = dict(sources)
    made: dict[str, list[str]] = {}
    for name, table in upstreams.items():
        file = table.get("secret_file") if isinstance(table, dict) else None
        source = sources.get(table.get("source")) if isinstance(file, str) else None
        if not (isinstance(file, str) and file and isinstance(source, dict)):
            continue
        try:
            found = subscription_secrets(base_dir / file)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text of a secret"
            findings.append(
                Finding(
                    loc=("upstream", name, "secret_file"),
                    message=f"This file cannot be read: {reason}.",
                    hint="The server's account must read it.",
                    absent=True,
                )
            )
            continue
        if not _signs(source):
            continue
        of_source = made.setdefault(table["source"], [])
        of_source += [one for one in found if one not in of_source]
    for source_name, texts in made.items():
        source = sources[source_name]
        known = source.get("secrets", [])
        listed = known if isinstance(known, list) else [known]
        more = [
            {"label": subscription_label(place), "value": text, "use": "hmac"}
            for place, text in enumerate(texts, start=1)
        ]
        sources[source_name] = {**source, "secrets": [*listed, *more]}
    return {**data, "sources": sources}, findings


def _signs(source: Mapping[str, Any]) -> bool:
    """Whether a source of the file verifies signatures; one that is wrong may."""
    kind = KINDS.get(str(source.get("kind")))
    auth = source.get("auth", kind.auth if kind else "hmac")
    return "hmac" in (auth if isinstance(auth, list) else [auth])


def mark_of(secret: str) -> str:
    """What tells a secret of ours from others; of 256 random bits it says nothing that helps."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def subscription_label(place: int) -> str:
    """The label of the secret on this line of a file, from 1."""
    return SUBSCRIPTION if place == 1 else f"{SUBSCRIPTION}-{place}"


def subscription_secrets(file: Path) -> Sequence[str]:
    """The secrets in a file, one a line, the newest last; none where there is no such file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no text.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        return ()
    return [line for line in content.decode().split("\n") if line]
