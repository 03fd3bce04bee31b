"""The server, the storage and the rest of the sections."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from casebell.settings import ServerSettings, Storage
from settings.loading import MINIMAL, ReadConfig, ReadProblems


def test_defaults(read: ReadConfig, tmp_path: Path) -> None:
    """What holds when nothing is written."""
    settings = read(MINIMAL)
    server = settings.server
    assert (server.host, server.port, server.public_url) == ("127.0.0.1", 8080, None)
    assert server.timezone == "America/New_York"
    assert server.metrics_from == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert (server.max_body, server.body_timeout) == (262_144, 10.0)
    assert (server.refusals_per_minute, server.trusted_proxies) == (300, ())
    assert settings.storage.sqlite_path == tmp_path / "casebell.db"
    assert settings.ops.notify == ()
    assert (settings.routing.coalesce, settings.routing.repeat_within) == (86_400.0, 604_800.0)
    assert settings.alerts.schemas == ()
    parley = settings.sources["parley"]
    assert (parley.tolerance, parley.max_age, parley.strict) == (300.0, 604_800.0, False)
    assert (parley.signed_body, parley.require, parley.prefix) == ("raw", "any", "")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("port = 65536", "port"),
        ("port = -1", "port"),
        ('port = "many"', "port"),
        ("port = 80.5", "port"),
        ('host = ""', "host"),
        ('public_url = "casebell.example.com"', "public_url"),
        ('public_url = "ftp://example.com"', "public_url"),
        ('public_url = "https://"', "public_url"),
        ('public_url = "https://u:p@example.com"', "public_url"),
        ('public_url = "https://[broken"', "public_url"),
        ('timezone = "America/Nowhere"', "timezone"),
        ('timezone = "../etc"', "timezone"),
        ('timezone = ""', "timezone"),
        ('metrics_from = ["loopback"]', "metrics_from[1]"),
        ("metrics_from = 5", "metrics_from"),
        ('max_body = "1TiB"', "max_body"),
        ("max_body = true", "max_body"),
        ("max_body = 1000", "max_body"),
        ('body_timeout = "0s"', "body_timeout"),
        ("body_timeout = 10.0", "body_timeout"),
        ("refusals_per_minute = 0", "refusals_per_minute"),
        ('tls_cert = "cert.pem"\ntls_key = "there.pem"', "tls_cert"),
        ('tls_cert = "there.pem"', "tls_key"),
        ('tls_key = "there.pem"', "tls_cert"),
        ("tls_key = 5", "tls_key"),
        (f'tls_key = "{"x" * 5000}"', "tls_key"),
    ],
)
def test_what_a_server_cannot_be(
    problems: ReadProblems, tmp_path: Path, text: str, key: str
) -> None:
    """Each of these is one problem, at the key to change."""
    (tmp_path / "there.pem").touch()
    assert list(problems(f"{MINIMAL}\n[server]\n{text}")) == [f"server.{key}"]


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Eastern Standard Time", "America/New_York"),
        ("US Eastern Standard Time", "America/New_York"),
        ("US/eastern time", "America/New_York"),
        ("EDT", "America/New_York"),
        ("ET", "America/New_York"),
        ("Central Standard Time", "America/Chicago"),
        ("CST", "America/Chicago"),
        ("Mountain Standard Time", "America/Denver"),
        ("MDT", "America/Denver"),
        ("Pacific Standard Time", "America/Los_Angeles"),
        ("PT", "America/Los_Angeles"),
        ("Alaskan Standard Time", "America/Anchorage"),
        ("Hawaiian Standard Time", "Pacific/Honolulu"),
        ("america/new york", "America/New_York"),
        ("New York", "America/New_York"),
    ],
)
def test_a_time_zone_by_another_name(problems: ReadProblems, name: str, zone: str) -> None:
    """Windows and people have names of their own for the zones of the United States."""
    found = problems(f'{MINIMAL}\n[server]\ntimezone = "{name}"')
    assert f"`{zone}`" in found["server.timezone"].hint


@pytest.mark.parametrize(
    ("zone", "warned"),
    [("EST", True), ("MST", True), ("HST", False), ("UTC", False), ("America/Phoenix", False)],
)
def test_a_zone_that_lacks_summer_time_is_warned_of(
    read: ReadConfig, zone: str, warned: bool
) -> None:
    """EST is a time zone that exists, and an hour off in New York from March to November."""
    warnings = read(f'{MINIMAL}\n[server]\ntimezone = "{zone}"').warnings
    assert any("summer time" in warning for warning in warnings) is warned


def test_what_a_server_can_be(read: ReadConfig, tmp_path: Path) -> None:
    """Addresses, sizes and files as people write them."""
    (tmp_path / "there.pem").touch()
    server = read(
        MINIMAL
        + """
        [server]
        port = 0
        public_url = "https://casebell.example.com/base/"
        timezone = "Europe/Paris"
        metrics_from = "10.0.0.0/8"
        trusted_proxies = ["10.0.0.1", "fd00::/8"]
        max_body = 1048576
        tls_cert = "there.pem"
        tls_key = "there.pem"
        """
    ).server
    assert server.public_url == "https://casebell.example.com/base"
    assert server.metrics_from == (ip_network("10.0.0.0/8"),)
    assert server.trusted_proxies == (ip_network("10.0.0.1/32"), ip_network("fd00::/8"))
    assert server.max_body == 1024**2
    assert server.tls_cert == server.tls_key == tmp_path / "there.pem"


def test_a_relative_database_stands_beside_the_file(read: ReadConfig, tmp_path: Path) -> None:
    """Three slashes and a name are relative to the configuration; four are absolute."""
    storage = read(MINIMAL + '[storage]\nurl = "sqlite:///data/my.db"').storage
    assert storage.sqlite_path == tmp_path / "data/my.db"
    assert storage.url.get_secret_value() == f"sqlite:///{tmp_path}/data/my.db"
    assert storage.kind == "sqlite"
    storage = read(MINIMAL + '[storage]\nurl = "sqlite:////var/my.db"').storage
    assert storage.sqlite_path == Path("/var/my.db")
    assert storage.url.get_secret_value() == "sqlite:////var/my.db"


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:p@h/d", "postgres://u:p@h/d", "postgresql://u:p%40@h:5432/d?sslmode=require"],
)
def test_postgresql(read: ReadConfig, url: str) -> None:
    """Both spellings are kept as the one that drivers know."""
    storage = read(MINIMAL + f'[storage]\nurl = "{url}"').storage
    assert storage.kind == "postgresql"
    assert storage.sqlite_path is None
    assert storage.url.get_secret_value() == "postgresql://" + url.partition("://")[2]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "casebell.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///a.db?mode=ro",
        "mysql://u:p@h/d",
        "postgresql+asyncpg://u:p@h/d",
        "postgresql://u:p@h",
        "postgresql:///d",
        "postgresql://u:p@h:port/d",
        "postgresql://u:pa/ss@h/d",
        "postgresql://u:12/ss@h/d",
    ],
)
def test_other_storage_is_refused(problems: ReadProblems, url: str) -> None:
    """Memory does not outlive a crash, and what cannot be read is not guessed at."""
    assert list(problems(MINIMAL + f'[storage]\nurl = "{url}"')) == ["storage.url"]


def test_test_receipts_are_globs(read: ReadConfig, problems: ReadProblems) -> None:
    """In upper case, like the receipts they are compared with."""
    settings = read(MINIMAL + '[routing]\ntest_receipts = ["abc[0-9]*", "XYZ?"]')
    assert settings.routing.test_receipts == ("ABC[0-9]*", "XYZ?")
    assert list(problems(MINIMAL + '[routing]\ntest_receipts = "a b"')) == ["routing.test_receipts"]


def test_settings_do_not_change(read: ReadConfig) -> None:
    """Models are frozen."""
    server = read(MINIMAL).server
    with pytest.raises(ValueError, match="frozen"):
        server.port = 1


def test_sections_can_be_made_by_code() -> None:
    """Code may name a database as it stands, and gives seconds."""
    assert ServerSettings(body_timeout=0.5).body_timeout == 0.5
    assert Storage().sqlite_path == Path("casebell.db")
