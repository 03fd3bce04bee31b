"""People's addresses on a channel: loaded with it, refused where a service does not take them."""

from collections.abc import Sequence
from typing import Any

import pytest

from casebell.alerts import Message
from casebell.clock import SystemClock
from casebell.errors import ConfigError
from casebell.notify.apprise_channel import AppriseChannel
from casebell.sandbox.mail_sink import SmtpSink
from casebell.settings import ChannelSettings
from casebell.settings.models import PersonSettings

MAIL = "mailtos://smtp.example.com?from=casebell@example.com"
SLACK = "slack://xoxb-1234567890-1234567890-AbCdEfGhIjKlMnOpQrStUvWx"
PEOPLE = {
    "jchan": PersonSettings(
        id="jchan",
        name="Jia Chan",
        email="jchan@example.com",
        addresses={"chat": "@U012AB3CD"},
        teams=("RFE",),
    ),
    "kim": PersonSettings(id="kim", name="Kim Roe", teams=("rfe",)),
}


def channel(url: str, *to: str, name: str = "mail", **given: Any) -> AppriseChannel:
    """A channel to these recipients."""
    settings = ChannelSettings.model_validate({"name": name, "url": url, "to": to, **given})
    return AppriseChannel(settings, schemas=(), clock=SystemClock(), people=PEOPLE)


def problem(*given: Any, **more: Any) -> str:
    """What is wrong with one."""
    with pytest.raises(ConfigError) as caught:
        channel(*given, **more)
    return "; ".join(f"{one.key} {one.message}" for one in caught.value.problems)


def test_an_owner() -> None:
    """Everybody with an address can be reached, and any address; `unassigned` is there always."""
    mail = channel(MAIL, "@owner", unassigned=("rfe@example.com",))
    assert mail.targets == ("rfe@example.com",)
    assert dict(mail.recipients.addresses) == {"jchan": "jchan@example.com"}
    assert mail.recipients.takes_any_owner
    assert mail.reaches("jchan@example.com")
    assert mail.reaches("anybody@example.com")
    assert not mail.reaches("not an address")


def test_another_address() -> None:
    """A service that takes no e-mail addresses has its own."""
    chat = channel(SLACK, "@owner", name="chat", unassigned=("#rfe",))
    assert dict(chat.recipients.addresses) == {"jchan": "@U012AB3CD"}


@pytest.mark.parametrize(
    ("url", "person", "rooms"),
    [
        (SLACK, "@U012AB3CD", ("#rfe", "+C012AB3CD", "C012AB3CD", "immigration")),
        ("tgram://123456789:abcdefg_hijklmnop", "1234567", ("-1001234567", "@firm_channel")),
        ("matrixs://u:p@matrix.example.com", "@jchan:example.com", ("!abc:example.com", "#rfe")),
        ("rockets://u:p@chat.example.com", None, ("#rfe", "GENERAL")),
    ],
)
def test_an_address_that_is_a_room(url: str, person: str | None, rooms: Sequence[str]) -> None:
    """What the service takes for a room is none of a single person, whoever has it."""
    for address in filter(None, (person, *rooms)):
        one = PersonSettings(id="jchan", name="J", addresses={"chat": address})
        given = {"name": "chat", "url": url, "to": ["@owner"], "unassigned": [rooms[0]]}
        settings = ChannelSettings.model_validate(given)
        chat = AppriseChannel(settings, schemas=(), clock=SystemClock(), people={"jchan": one})
        assert chat.recipients.rooms == {address} - {person}


def test_who_is_named() -> None:
    """By id or team: a target that the channel has always."""
    mail = channel(MAIL, "@jchan", "all@example.com")
    assert set(mail.targets) == {"jchan@example.com", "all@example.com"}
    assert not mail.recipients.takes_any_owner
    assert not mail.reaches("anybody@example.com")
    assert "people.kim has no address that channels.mail can reach" in problem(MAIL, "@team:rfe")


def test_an_address_that_the_service_does_not_take() -> None:
    """It is named, and not repeated: it may be a secret in the wrong place."""
    wrong = {
        "jchan": PersonSettings(id="jchan", name="J", addresses={"mail": "https://hooks.example"})
    }
    settings = ChannelSettings.model_validate(
        {"name": "mail", "url": MAIL, "to": ["@owner"], "unassigned": ["rfe@example.com"]}
    )
    with pytest.raises(ConfigError) as caught:
        AppriseChannel(settings, schemas=(), clock=SystemClock(), people=wrong)
    (found,) = caught.value.problems
    assert found.key == "people.jchan.addresses.mail"
    assert "hooks" not in found.message + found.hint


async def test_a_mail_arrives() -> None:
    """A person's mail and that of an owner who is none: real bytes to a real server."""
    async with SmtpSink() as sink:
        url = f"mailto://127.0.0.1:{sink.port}?from=casebell@example.com"
        mail = channel(url, "@owner", unassigned=("rfe@example.com",), pace=0.0)
        for target in ("jchan@example.com", "else@example.org"):
            result = await mail.send(target=target, message=Message(title="t", body="b"))
            assert result.delivered
        await mail.close()
