"""Apprise's complaints, kept and made safe to show."""

import logging
from threading import Thread
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.notify.apprise_warnings import kept_warnings, without_url

LOGGER = logging.getLogger("apprise")


def test_warnings_are_kept_from_every_handler(caplog: pytest.LogCaptureFixture) -> None:
    """They are handed to us, reach no log, and end with the block."""
    with kept_warnings() as kept:
        LOGGER.warning("bad %s", "S3cret")
        LOGGER.error("worse")
        LOGGER.info("chatter")
    LOGGER.warning("later")
    assert kept == ["bad S3cret", "worse"]
    assert "S3cret" not in caplog.text


def test_another_threads_warnings_are_not_ours() -> None:
    """A channel that sends while another loads does not spoil the load."""
    with kept_warnings() as kept:
        thread = Thread(target=LOGGER.warning, args=("a send failed",))
        thread.start()
        thread.join()
    assert kept == []


@pytest.mark.parametrize(
    ("complaint", "url", "shown"),
    [
        (
            "An invalid Slack (third) Token (TIiajk_bad) was specified.",
            "slack://T1JJ3T3L2/A1BRTD4JD/TIiajk_bad",
            "An invalid Slack (third) Token … was specified.",
        ),
        ("Password (pw) is short", "mailtos://user:pw@h.example", "Password … is short"),
        ("Key (a b/c) is bad", "x://h.example/a%20b%2Fc", "Key … … is bad"),
        ("UPPERTOKEN is bad", "x://uppertoken", "… is bad"),
    ],
)
def test_a_complaint_without_the_url(complaint: str, url: str, shown: str) -> None:
    """Words that have anything of the URL in them are left out, quoted or not, in any case."""
    assert without_url(complaint, url) == shown


@given(st.text(min_size=1), st.text(), st.text())
def test_no_piece_of_the_url_is_shown(secret: str, before: str, after: str) -> None:
    """Whatever surrounds it, no four characters of a secret in the URL come through in a word."""
    shown = without_url(f"{before}{secret}{after}", f"x://{quote(secret, safe='')}")
    folded = secret.casefold()
    runs = {folded[at : at + 4] for at in range(len(folded) - 3)}
    for word in shown.casefold().split():
        assert not any(run in word for run in runs if not any(char.isspace() for char in run))
