"""Channels: URLs, recipients, fallbacks."""

import pytest
from apprise.manager_plugins import NotificationManager
from pydantic import SecretStr

from casebell.settings import Channel
from casebell.settings.channels import PLAIN_TEXT_SCHEMAS, travels_in_plain_text
from settings.written import MINIMAL, Problems, Read

#: Their only schema has no TLS twin because they stay on this machine …
LOCAL = {"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"}
#: … or because it is sent over TLS all the same.
TLS_ALL_THE_SAME = {"pushme", "sfr"}


# One of apprise's plugins imports it on Python 3.11.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_the_plain_text_schemas_are_those_of_apprise() -> None:
    """A schema that apprise adds or drops shows here."""
    plain: set[str] = set()
    manager = NotificationManager()  # type: ignore[no-untyped-call]  # apprise has no types here
    for plugin in manager.plugins():  # type: ignore[no-untyped-call]
        schemas = getattr(plugin, "protocol", None) or ()
        plain |= {schemas} if isinstance(schemas, str) else set(schemas)
    assert plain - LOCAL - TLS_ALL_THE_SAME | {"http"} == PLAIN_TEXT_SCHEMAS


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("json://example.com/hook", True),
        ("JSON://example.com/hook", True),
        ("jsons://example.com/hook", False),
        ("json://localhost:8080/hook", False),
        ("xml://127.0.0.1", False),
        ("form://127.8.9.1/x", False),
        ("json://[::1]:80/", False),
        ("json://[::2]:80/", True),
        ("json://[broken", True),
        ("json://user:pass@10.0.0.1/", True),
        ("http://example.com", True),
        ("slack://a/b/c", False),
        ("https://hooks.slack.com/services/a", False),
        ("mailto://u:p@example.com", True),
        ("mailto://u:p@example.com?smtp=localhost", False),
        ("mailto://u:p@localhost?smtp=example.com", True),
        ("mailto://u:p@example.com?mode=starttls", False),
        ("mailtos://u:p@example.com", False),
        ("mailtos://u:p@example.com?MODE=Insecure", True),
    ],
)
def test_what_travels_in_plain_text(url: str, plain: bool) -> None:
    """Schemas without TLS, unless the machine that takes the message is this one."""
    assert travels_in_plain_text(url) is plain


def channels(text: str) -> str:
    return f"{MINIMAL}\n{text}"


def test_url_and_urls(read: Read) -> None:
    """One URL or several: readers find all of them in `urls`."""
    settings = read(
        channels(
            """[channels.one]
            url = "slack://a"
            [channels.two]
            urls = ["slack://a", "slack://b"]
            [channels.three]
            urls = "slack://a"
            """
        )
    )
    urls = {
        name: [url.get_secret_value() for url in channel.urls]
        for name, channel in settings.channels.items()
    }
    assert urls == {
        "one": ["slack://a"],
        "two": ["slack://a", "slack://b"],
        "three": ["slack://a"],
    }
    assert settings.channels["two"].name == "two"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "url"),
        ("urls = []", "url"),
        ('url = ""', "url"),
        ('url = "hooks.slack.com/x"', "url"),
        ('url = "slack://a"\nurls = ["slack://b"]', "urls"),
        ('urls = ["slack://a", "b"]', "urls[2]"),
        ('urls = ["slack://a", "slack://b"]\nto = "x"', "to"),
        ('url = "slack://a"\nto = ["a@b.c", "d@e.f", "A@B.C"]', "to[3]"),
        ('url = "slack://a"\nto = [" "]', "to[1]"),
        ('url = "json://example.com"', "url"),
        ('urls = ["json://localhost", "json://example.com"]', "urls[2]"),
        ('url = "slack://a"\ndisclose = "all"', "disclose"),
        ('url = "slack://a"\ntimeout = "0s"', "timeout"),
        ('url = "slack://a"\ntimeout = "11m"', "timeout"),
        ('url = "slack://a"\ntimeout = 30', "timeout"),
        ('url = "slack://a"\nfallback = "b"', "fallback"),
        ('url = "slack://a"\nfallback = "a"', "fallback"),
    ],
)
def test_what_a_channel_cannot_be(problems: Problems, text: str, key: str) -> None:
    """Each of these is one problem, at the key to change."""
    assert list(problems(channels(f"[channels.a]\n{text}"))) == [f"channels.a.{key}"]


def test_plain_text_can_be_accepted_with_a_warning(read: Read) -> None:
    """`insecure = true` lets it pass, and a warning says so; loopback needs neither."""
    settings = read(channels('[channels.a]\nurl = "json://example.com"\ninsecure = true'))
    assert any("channels.a" in warning for warning in settings.warnings)
    settings = read(channels('[channels.a]\nurl = "json://localhost"'))
    assert not any("channels.a" in warning for warning in settings.warnings)


def test_a_ring_of_fallbacks_is_told_of_once(problems: Problems) -> None:
    """At the first channel of the ring; a channel that leads into it is not to blame."""
    found = problems(
        channels(
            "\n".join(
                f'[channels.{name}]\nurl = "slack://x"\nfallback = "{fallback}"'
                for name, fallback in [("in", "b"), ("b", "c"), ("c", "d"), ("d", "b")]
            )
        )
    )
    assert list(found) == ["channels.b.fallback"]


def test_a_chain_of_fallbacks_is_fine(read: Read) -> None:
    """A fallback may have one itself."""
    settings = read(
        channels(
            """[channels.a]
            url = "slack://x"
            fallback = "b"
            [channels.b]
            url = "slack://y"
            fallback = "c"
            [channels.c]
            url = "slack://z"
            """
        )
    )
    assert settings.channels["a"].fallback == "b"


def test_a_channel_can_be_made_by_code() -> None:
    """With `urls` or `url`; the defaults are those of the contract."""
    made = Channel(name="a", urls=(SecretStr("slack://a"),), pace=0.0)
    assert (made.disclose, made.timeout, made.max_age, made.pace) == ("minimal", 30, 86_400, 0)
    assert Channel(name="a", url=SecretStr("slack://a")).urls == (SecretStr("slack://a"),)
