"""The models of the configuration."""

import re
from collections.abc import Mapping
from ipaddress import ip_network
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

from casebell.actors import Role
from casebell.config_file import DEFAULT_STORAGE, SQLITE, socket_path
from casebell.networks import is_loopback
from casebell.settings.calendars import CalendarSettings, Digest, ElapsedTime, Step
from casebell.settings.expressions import Passages
from casebell.settings.sources import SourceSettings
from casebell.settings.time_zones import TimeZone
from casebell.settings.upstream import UpstreamSettings
from casebell.settings.values import (
    Duration,
    ExistingFile,
    KnownFlag,
    KnownStatus,
    KnownTag,
    Name,
    NeedsRestart,
    Networks,
    Part,
    ReceiptGlobs,
    Size,
    Text,
    Texts,
    as_list,
    base_dir,
    complaint,
)
from casebell.settings.webhooks import SigningSecrets, WebAddress, WebhookAddress
from casebell.settings.wordings import Wording
from casebell.spelling import spelling

StorageKind: TypeAlias = Literal["sqlite", "postgresql"]

POSTGRESQL = "postgresql://"


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:
        usable = plain = False
    if not (usable and plain):
        raise complaint(
            "This is no address that people can open.",
            'Begin with https:// (or http://), without password or query: "https://host.example".',
        )
    return value.rstrip("/")


class ServerSettings(Part):
    """The addresses on which Casebell listens, and its limits."""

    host: Annotated[Text, NeedsRestart] = "127.0.0.1"
    #: 0: the system chooses a free port.
    port: Annotated[int, NeedsRestart] = Field(default=8080, ge=0, le=65535)
    #: For links; None leaves links out.
    public_url: Annotated[str, AfterValidator(_web_address)] | None = None
    #: For times in messages; the database has UTC.
    timezone: TimeZone = "America/New_York"
    #: Addresses that may read /metrics.
    metrics_from: Networks = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    #: Proxies whose X-Forwarded-For is trusted.
    trusted_proxies: Networks = ()
    #: Most bytes of a body.
    max_body: Size = Field(default=256 * 1024, ge=1024, le=64 * 1024**2)
    #: Seconds in which a body must arrive.
    body_timeout: Duration = Field(default=10.0, gt=0, le=600)
    #: Refusals of an address in a minute before it is answered 429.
    refusals_per_minute: int = Field(default=300, ge=1)
    tls_cert: Annotated[ExistingFile | None, NeedsRestart] = None
    tls_key: Annotated[ExistingFile | None, NeedsRestart] = None
    #: Unix socket for the command line; "" is the default path.
    socket: Annotated[str, NeedsRestart] = ""


def _issuer(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme == "https" or is_loopback(parts.hostname or "")
        plain = not (parts.query or parts.fragment or "@" in parts.netloc)
        usable = usable and bool(parts.hostname)
    except ValueError:
        usable = plain = False
    if not (usable and plain):
        raise complaint(
            "This is no issuer.",
            "It begins with https:// and stands in the provider's discovery document.",
        )
    if parts.hostname == "login.microsoftonline.com" and parts.path.split("/")[1:2] in (
        ["common"],
        ["organizations"],
        ["consumers"],
    ):
        raise complaint(
            "This would let the people of every firm in.",
            "Write the tenant's id in its place, as the provider's page “Overview” has it.",
        )
    return value


def _listen(value: str) -> str:
    if value:
        host, _, port = value.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and int(port[:6]) < 65536):
            raise complaint(
                "This is no address to listen on.",
                'Write host and port: "127.0.0.1:8081", "[::1]:8081".',
            )
    return value


class Storage(Part):
    """The database."""

    #: `sqlite:///…` with an absolute path once loaded, or `postgresql://…`, password and all.
    url: Annotated[SecretStr, NeedsRestart] = Field(
        default=SecretStr(DEFAULT_STORAGE), validate_default=True
    )

    @field_validator("url")
    @classmethod
    def _known_storage(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        url = value.get_secret_value()
        if url.startswith((POSTGRESQL, "postgres://")):
            return SecretStr(_postgresql(url))
        path = url.removeprefix(SQLITE)
        # A query would become part of the name, and a database in memory is lost in a crash.
        if path != url and path and not path.startswith(":") and not set(path) & set("?#\0"):
            return SecretStr(f"{SQLITE}{base_dir(info) / path}")
        raise complaint(
            "This is no storage that Casebell knows.",
            'Write "sqlite:///casebell.db" or "postgresql://user:password@host/database".',
        )

    @property
    def kind(self) -> StorageKind:
        """The kind of database."""
        return "sqlite" if self.url.get_secret_value().startswith(SQLITE) else "postgresql"

    @property
    def sqlite_path(self) -> Path | None:
        """The database file; None for PostgreSQL."""
        if self.kind == "postgresql":
            return None
        return Path(self.url.get_secret_value().removeprefix(SQLITE))


def _postgresql(url: str) -> str:
    try:
        parts = urlsplit(url)
        complete = bool(parts.path.strip("/")) and bool(parts.hostname or "host=" in parts.query)
        # An `@` in the path ends a password with a raw `/`, whose beginning reads as the port.
        complete = complete and parts.port != 0 and "@" not in parts.path
    except ValueError:
        complete = False
    if not complete:
        raise complaint(
            "This storage URL cannot be read, or lacks its host or database.",
            'Write "postgresql://user:${PASSWORD|url}@host/database".',
        )
    return POSTGRESQL + url.partition("://")[2]


_CHANNEL_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://\S.*", re.DOTALL)


def _is_url(value: SecretStr) -> SecretStr:
    if _CHANNEL_URL.fullmatch(value.get_secret_value()) is None:
        raise complaint("This is not a URL.", "A channel's URL begins with a schema and `://`.")
    return value


Url = Annotated[SecretStr, AfterValidator(_is_url)]


def _login(value: str) -> str:
    if not value:
        raise complaint("This is empty.", "Is its variable or file empty?")
    if not value.isprintable():
        raise complaint(
            "This holds a line end or another character that cannot be typed.",
            "A secret file ends in one line end at most, and begins with no byte order mark.",
        )
    return value


def _secret_login(value: SecretStr) -> SecretStr:
    _login(value.get_secret_value())
    return value


Login = Annotated[str, AfterValidator(_login)]
SecretLogin = Annotated[SecretStr, AfterValidator(_secret_login)]


def _one_url(fields: dict[str, Any]) -> tuple[SecretStr, ...]:
    return () if fields["url"] is None else (fields["url"],)


class ChannelSettings(Part):
    """A channel: a named way to reach people, with one or more targets."""

    filled_in: ClassVar[frozenset[str]] = frozenset({"name"})

    name: str
    #: As written; `urls` has it as well.
    url: Url | None = None
    #: Every apprise URL of the channel; without `to` each is a target.
    urls: Annotated[tuple[Url, ...], as_list] = Field(default_factory=_one_url)
    #: A login that needs no encoding; only with a single URL, which then has none.
    user: Login | None = None
    password: SecretLogin | None = None
    #: Recipients, each a target; only with a single URL. "@owner", "@team", "@jchan" and
    #: "@team:rfe" are people of the configuration.
    to: Texts = ()
    #: Recipients of what "@owner" or "@team" lead to nobody for.
    unassigned: Texts = ()
    #: The address of a program that takes alerts as signed JSON, in the place of a URL.
    webhook: WebhookAddress | None = None
    #: What signs them: every one, so that the next can follow the last.
    secret: SigningSecrets = ()
    #: The operator accepts plain text to a host that is not this machine.
    insecure: bool = False
    #: How much of a case the alerts show.
    disclose: Literal["minimal", "standard", "full"] = "minimal"
    #: Seconds for one attempt.
    timeout: Duration = Field(default=30.0, gt=0, le=600)
    #: Seconds after which an alert fails.
    max_age: Duration = Field(default=86_400.0, gt=0)
    #: Least seconds between two sends.
    pace: Duration = Field(default=1.0, ge=0, le=3600)
    #: The channel that gets the alerts which this one cannot deliver.
    fallback: str | None = None
    #: The calendar outside of whose hours ordinary alerts wait.
    quiet_outside: str | None = None
    #: When ordinary alerts go in one message; None: each by itself.
    digest: Digest | None = None
    #: Seconds without a message after which a marked test is sent; None: never.
    self_test: Duration | None = Field(default=None, ge=3600)


class When(Part):
    """One condition: keys are and-ed, the values of a key or-ed; an empty key is ignored."""

    source: Texts = ()
    type: Texts = ()
    status: Annotated[tuple[KnownStatus, ...], as_list] = ()
    tags: Annotated[tuple[KnownTag, ...], as_list] = ()
    #: Globs over the canonical receipt number, in upper case.
    receipt: ReceiptGlobs = ()
    text: Passages = ()
    owner: Texts = ()
    team: Texts = ()
    matter: Texts = ()
    label: Texts = ()
    flags: Annotated[tuple[KnownFlag, ...], as_list] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it holds for every change."""
        return not any(getattr(self, key) for key in type(self).model_fields)


def _as_conditions(value: object) -> object:
    return [value] if isinstance(value, Mapping | When) else value


class Rule(Part):
    """A named condition, with the channels that it notifies."""

    name: Text
    #: Any of these must hold. Required: `when = {}` holds for every change.
    when: Annotated[tuple[When, ...], BeforeValidator(_as_conditions), Field(min_length=1)]
    #: Channels. Required: `notify = []` alerts nobody, on purpose.
    notify: Texts
    #: Its alerts are sent before others, and a failed one is reported as urgent.
    urgent: bool = False


class Escalation(Part):
    """Who is told of a change again, while nobody has acknowledged it."""

    name: Text
    #: As in rules.
    when: Annotated[tuple[When, ...], BeforeValidator(_as_conditions), Field(min_length=1)]
    #: In the order in which they come.
    steps: tuple[Step, ...] = Field(min_length=1)
    #: The last step again and again, counted as its `after`; None: once.
    repeat: ElapsedTime | None = None
    #: Seconds from the change, after which operations are told that nobody acknowledged it.
    stop: Duration = Field(default=864_000.0, ge=60)


class Ops(Part):
    """The channels of operations, and who watches Casebell itself."""

    notify: Texts = ()
    #: An address that is fetched while everything works: who runs it tells when that stays out.
    heartbeat: WebAddress | None = None
    #: Seconds between two times.
    heartbeat_every: Duration = Field(default=300.0, ge=10, le=86_400)


class Routing(Part):
    """When reports are one change, and which receipts are tests."""

    #: Seconds that two reports of one change may lie apart.
    coalesce: Duration = Field(default=86_400.0, ge=0)
    #: The same, for a report with the same text at a new time of observation.
    repeat_within: Duration = Field(default=7 * 86_400.0, ge=0)
    #: Globs of receipts that are tagged `test`, besides the official staging ones.
    test_receipts: ReceiptGlobs = ()


class Oidc(Part):
    """The firm's own sign-in: a provider of OpenID Connect."""

    #: As its discovery document has it.
    issuer: Annotated[str, AfterValidator(_issuer)]
    client_id: Text
    client_secret: SecretLogin
    #: The role of each value of the claims `roles` and `groups`.
    roles: dict[Text, Role] = Field(default_factory=dict[str, Role])
    #: The role of each verified e-mail address.
    emails: dict[Text, Role] = Field(default_factory=dict[str, Role])


class Console(Part):
    """The pages for people, and who signs in to them."""

    enabled: Annotated[bool, NeedsRestart] = True
    #: Host and port for people alone; "": where deliveries go.
    listen: Annotated[str, AfterValidator(_listen), NeedsRestart] = ""
    #: How people reach it; None is how providers reach the server.
    public_url: Annotated[str, AfterValidator(_web_address)] | None = None
    #: Seconds after which whoever signed in must do so again, and those without a request.
    session: Duration = Field(default=43_200.0, ge=60, le=30 * 86_400)
    idle: Duration = Field(default=3_600.0, ge=60)
    #: The roles that need a second factor to sign in with a password.
    second_factor: Annotated[tuple[Role, ...], as_list] = ()
    oidc: Oidc | None = None


class Alerts(Part):
    """Limits for apprise."""

    #: The only schemas of channels; () allows all but those that act on this machine.
    schemas: Texts = ()
    #: The one channel over which every message goes, with whom it is meant for; None: each its own.
    pilot: str | None = None


class PersonSettings(Part):
    """Somebody who can be told by name."""

    filled_in: ClassVar[frozenset[str]] = frozenset({"id"})

    #: As targets write it: "@jchan".
    id: str
    name: Text
    #: The address on every channel that has none of its own below.
    email: Text | None = None
    #: By channel.
    addresses: dict[Name, Text] = Field(default_factory=dict[str, str])
    teams: Texts = ()

    @property
    def spellings(self) -> frozenset[str]:
        """How a case may write its owner who is this person, as texts are compared."""
        return frozenset(map(spelling, (self.id, self.name, self.email or ""))) - {""}


class Cases(Part):
    """Where the firm's practice software leaves its list of cases."""

    #: The export of a practice software; None: nobody leaves one.
    file: Path | None = None
    #: Seconds between two looks at it.
    every: Duration = Field(default=3_600.0, ge=1)

    @field_validator("file")
    @classmethod
    def _beside_the_configuration(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return None if value is None else base_dir(info) / value


class Document(Part):
    """The keys of the file."""

    server: ServerSettings = ServerSettings()
    storage: Storage = Storage()
    sources: dict[Name, SourceSettings] = Field(default_factory=dict[str, SourceSettings])
    channels: dict[Name, ChannelSettings] = Field(default_factory=dict[str, ChannelSettings])
    people: dict[Name, PersonSettings] = Field(default_factory=dict[str, PersonSettings])
    cases: Cases = Cases()
    calendars: dict[Name, CalendarSettings] = Field(default_factory=dict[str, CalendarSettings])
    rules: tuple[Rule, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    wordings: tuple[Wording, ...] = ()
    ops: Ops = Ops()
    routing: Routing = Routing()
    alerts: Alerts = Alerts()
    console: Console = Console()
    upstream: dict[Name, UpstreamSettings] = Field(default_factory=dict[str, UpstreamSettings])

    @property
    def people_url(self) -> str | None:
        """How people reach the pages; None where nobody said, or there are none."""
        return self.console.public_url or self.server.public_url

    @field_validator("sources", "channels", "people", "calendars", "upstream", mode="before")
    @classmethod
    def _tell_names(cls, value: object, info: ValidationInfo) -> object:
        """Give each entry its name, which of a person is the id."""
        if not isinstance(value, dict):
            return value
        key = "id" if info.field_name == "people" else "name"
        return {
            name: {**entry, key: name} if isinstance(entry, dict) else entry
            for name, entry in value.items()
        }


class Settings(Document):
    """The loaded configuration, with its file."""

    #: The file, absolute.
    path: Path
    #: Its directory, to which relative paths are relative.
    base_dir: Path
    #: SHA-256 of the file's bytes, in lower-case hex.
    sha256: str
    #: Variables by which the libraries that send find certificates and proxies.
    outward: dict[str, str] = Field(default_factory=dict[str, str])
    #: Sentences on settings that work, but may be mistakes.
    warnings: tuple[str, ...] = ()

    @property
    def socket(self) -> Path:
        """The path of the socket for the command line."""
        url = self.storage.url.get_secret_value()
        return socket_path(socket=self.server.socket, storage=url, base_dir=self.base_dir)
