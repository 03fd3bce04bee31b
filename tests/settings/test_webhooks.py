"""A webhook as a channel: what its keys can be."""

import base64

import pytest

from settings.loading import MINIMAL, ReadConfig, ReadProblems

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEXT = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
GOOD = f'webhook = "https://intake.example-firm.com/casebell"\nsecret = "{SECRET}"\n'


def secret_of(size: int) -> str:
    return f"whsec_{base64.b64encode(bytes(range(size))).decode()}"


def practice(text: str) -> str:
    return f"{MINIMAL}\n[channels.practice]\n{text}\n"


def test_one_secret_or_several(read: ReadConfig) -> None:
    """During a rotation all of them sign."""
    channel = read(practice(GOOD)).channels["practice"]
    assert [one.get_secret_value() for one in channel.secret] == [SECRET]
    both = GOOD.replace(f'"{SECRET}"', f'["{NEXT}", "{SECRET}"]')
    channel = read(practice(both)).channels["practice"]
    assert [one.get_secret_value() for one in channel.secret] == [NEXT, SECRET]


@pytest.mark.parametrize(
    "address",
    [
        "https://intake.example-firm.com",
        "https://intake.example-firm.com:8443/a?firm=7",
        "http://localhost:8081/in",
        "http://127.0.0.1/",
        "http://[::1]:8081/",
    ],
)
def test_addresses(read: ReadConfig, address: str) -> None:
    """Over TLS anywhere, in plain text on this machine."""
    read(practice(f'webhook = "{address}"\nsecret = "{SECRET}"'))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (GOOD + 'url = "slack://a"', "url"),
        (GOOD + 'urls = ["slack://a", "slack://b"]', "urls"),
        (GOOD + 'to = "a@example.com"', "to"),
        (GOOD + 'disclose = "full"', "disclose"),
        (GOOD + 'user = "u"', "user"),
        (GOOD + 'password = "p"', "password"),
        (GOOD + 'fallback = "nobody"', "fallback"),
        (f'url = "slack://a"\nsecret = "{SECRET}"', "secret"),
        ('webhook = "https://intake.example-firm.com"', "secret"),
        ('webhook = "https://intake.example-firm.com"\nsecret = []', "secret"),
        ('webhook = "https://a.example"\nsecret = "0123456789abcdef0123456789"', "secret"),
        ('webhook = "https://a.example"\nsecret = "whsec_not base64!"', "secret"),
        (f'webhook = "https://a.example"\nsecret = "{secret_of(23)}"', "secret"),
        (f'webhook = "https://a.example"\nsecret = ["{SECRET}", "{secret_of(65)}"]', "secret[2]"),
        (f'webhook = ""\nsecret = "{SECRET}"', "webhook"),
        (f'webhook = "intake.example-firm.com/in"\nsecret = "{SECRET}"', "webhook"),
        (f'webhook = "jsons://intake.example-firm.com"\nsecret = "{SECRET}"', "webhook"),
        (f'webhook = "https://"\nsecret = "{SECRET}"', "webhook"),
        (f'webhook = "https://a.example:0/"\nsecret = "{SECRET}"', "webhook"),
        (f'webhook = "https://a.example:70000/"\nsecret = "{SECRET}"', "webhook"),
        (f'webhook = "https://a.example/#b"\nsecret = "{SECRET}"', "webhook"),
        (f'webhook = "https://a.example/a b"\nsecret = "{SECRET}"', "webhook"),
        (f'webhook = "https://u:hunter2@a.example/"\nsecret = "{SECRET}"', "webhook"),
        (f'webhook = "http://intake.example-firm.com"\nsecret = "{SECRET}"', "webhook"),
        (f'webhook = "http://127.0.0.1.example.com"\nsecret = "{SECRET}"', "webhook"),
    ],
)
def test_what_a_webhook_cannot_be(problems: ReadProblems, text: str, key: str) -> None:
    """Each of these is one problem, at the key to change, without the value."""
    found = problems(practice(text))
    assert list(found) == [f"channels.practice.{key}"]
    (problem,) = found.values()
    assert problem.hint or key == "fallback"
    said = problem.message + problem.hint
    assert not any(value in said for value in ("hunter2", "a.example", SECRET))


@pytest.mark.parametrize("size", [24, 64])
def test_secrets_as_long_as_the_standard_has_them(read: ReadConfig, size: int) -> None:
    """24 to 64 bytes."""
    read(practice(f'webhook = "https://a.example"\nsecret = "{secret_of(size)}"'))


def test_plain_text_on_purpose(read: ReadConfig) -> None:
    """It is warned of, as with any channel."""
    settings = read(
        practice(f'webhook = "http://10.0.0.7/in"\nsecret = "{SECRET}"\ninsecure = true')
    )
    assert any("channels.practice" in warning for warning in settings.warnings)


def test_the_list_of_schemas_holds_for_webhooks_too(
    read: ReadConfig, problems: ReadProblems
) -> None:
    """Where an operator says by what alerts may leave, no other way is open."""
    only = '[alerts]\nschemas = ["slack"]\n'
    assert list(problems(practice(GOOD) + only)) == ["channels.practice.webhook"]
    read(practice(GOOD) + only.replace("slack", "https"))


def test_nothing_of_it_is_shown(read: ReadConfig) -> None:
    """Neither address nor secret, in a repr or in JSON."""
    settings = read(practice(GOOD))
    shown = f"{settings!r}{settings.channels['practice']!r}{settings.model_dump_json()}"
    assert "intake" not in shown
    assert SECRET.removeprefix("whsec_") not in shown
