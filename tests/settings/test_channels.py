"""Channels: URLs, recipients, fallbacks."""

import pytest
from pydantic import SecretStr

from casebell.settings import ChannelSettings
from settings.loading import MINIMAL, ReadConfig, ReadProblems


def channels(text: str) -> str:
    return f"{MINIMAL}\n{text}"


def test_url_and_urls(read: ReadConfig) -> None:
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
        ('url = "slack://a"\ndisclose = "all"', "disclose"),
        ('url = "slack://a"\ntimeout = "0s"', "timeout"),
        ('url = "slack://a"\ntimeout = "11m"', "timeout"),
        ('url = "slack://a"\ntimeout = 30', "timeout"),
        ('url = "slack://a"\nfallback = "b"', "fallback"),
        ('url = "json://a"\nuser = "u"', "password"),
        ('url = "json://a"\npassword = "p"', "user"),
        ('url = "json://a"\nuser = ""\npassword = "p"', "user"),
        ('url = "json://a"\nuser = "u"\npassword = "p\\n"', "password"),
        ('url = "json://a"\nuser = "\\uFEFFu"\npassword = "p"', "user"),
        ('url = "slack://a"\nfallback = "a"', "fallback"),
    ],
)
def test_what_a_channel_cannot_be(problems: ReadProblems, text: str, key: str) -> None:
    """Each of these is one problem, at the key to change."""
    assert list(problems(channels(f"[channels.a]\n{text}"))) == [f"channels.a.{key}"]


def test_a_channel_that_may_send_plain_text_gets_a_warning(read: ReadConfig) -> None:
    """`insecure = true` is told of wherever warnings are; without it there is nothing to tell."""
    settings = read(channels('[channels.a]\nurl = "json://example.com"\ninsecure = true'))
    assert any("channels.a" in warning for warning in settings.warnings)
    settings = read(channels('[channels.a]\nurl = "json://localhost"'))
    assert not any("channels.a" in warning for warning in settings.warnings)


def test_a_ring_of_fallbacks_is_told_of_once(problems: ReadProblems) -> None:
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


def test_a_chain_of_fallbacks_is_fine(read: ReadConfig) -> None:
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
    """With `urls` or `url`; the defaults are those of docs/configuration.md."""
    made = ChannelSettings(name="a", urls=(SecretStr("slack://a"),), pace=0.0)
    assert (made.disclose, made.timeout, made.max_age, made.pace) == ("minimal", 30, 86_400, 0)
    assert ChannelSettings(name="a", url=SecretStr("slack://a")).urls == (SecretStr("slack://a"),)
