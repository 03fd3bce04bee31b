"""Whether the channels of a configuration still have whom an alert is for."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from casebell.alerts import UNASSIGNED, AlertKind, NewAlert
from casebell.events import Absence, Case
from casebell.notify.load import load_channels
from casebell.settings import ChannelSettings, Settings
from casebell.settings.models import PersonSettings
from contracts.clock_and_log import ManualClock

MAIL = ChannelSettings(
    name="mail",
    url=SecretStr("mailto://127.0.0.1:9?from=casebell@firm.com"),
    to=("@owner", "@team", "desk@firm.com"),
    unassigned=("rfe@firm.com",),
)
SETTINGS = Settings(
    channels={"mail": MAIL},
    people={"jchan": PersonSettings(id="jchan", name="Jia Chan", email="jchan@firm.com")},
    path=Path("/config.toml"),
    base_dir=Path("/"),
    sha256="",
)


@pytest.mark.parametrize(
    ("target", "person", "addressed_as", "there"),
    [
        ("desk@firm.com", None, "", True),
        ("rfe@firm.com", None, UNASSIGNED, True),
        ("jchan@firm.com", "jchan", "@owner", True),
        # An owner who is nobody here, by the address of the case.
        ("else@firm.com", None, "@owner", True),
        ("gone@firm.com", None, "", False),
        # Who left the firm, and who has another address by now.
        ("kim@firm.com", "kim", "@owner", False),
        ("old@firm.com", "jchan", "@team", False),
    ],
)
def test_who_is_there(target: str, person: str | None, addressed_as: str, there: bool) -> None:
    """What is asked before a failed alert is sent again: a person's address is one, too."""
    channels = load_channels(SETTINGS, clock=ManualClock())
    to = NewAlert(
        kind=AlertKind.CASE,
        subject="change:1",
        channel="mail",
        target=target,
        urgent=False,
        person=person,
        addressed_as=addressed_as,
    )
    assert channels.has(to) is there


def test_who_stands_in_for_somebody_named() -> None:
    """A channel that names one person reaches others for them, too; without an address, nobody."""
    mail = MAIL.model_copy(update={"to": ("@jchan",), "unassigned": ()})
    people = {
        **SETTINGS.people,
        "kim": PersonSettings(id="kim", name="Kim Roe", email="kim@firm.com"),
        "ana": PersonSettings(id="ana", name="Ana Ruiz"),
    }
    settings = SETTINGS.model_copy(update={"people": people, "channels": {"mail": mail}})
    roster = load_channels(settings, clock=ManualClock()).roster
    for stand_in, heard in {"kim": ["jchan", "kim"], "ana": ["jchan"]}.items():
        away = {"jchan": Absence(1, stand_in)}
        reached = roster.reached("mail", Case(receipt="IOE0912345678"), away=away)
        assert [one.person for one in reached] == heard
