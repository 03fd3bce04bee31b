"""Channels that load, channels that do not, and what their problems say."""

import logging
import re
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from apprise import NotifyImageSize, NotifyType
from apprise.manager_plugins import NotificationManager
from pydantic import SecretStr

from casebell.clock import SystemClock
from casebell.errors import ConfigError, Problem
from casebell.notify.apprise_channel import AppriseChannel
from casebell.notify.apprise_load import _NEVER_ENCRYPTED
from casebell.notify.apprise_route import _REACH_WITHOUT_RECIPIENTS
from casebell.notify.apprise_url import plugins, schemas_of, takes_recipients
from casebell.notify.channel import Route
from casebell.settings import ChannelSettings
from contracts.channel_contract import load
from contracts.leaks import LeakWatch

SLACK_TOKENS = ("T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7")
SLACK = "https://hooks.slack.com/services/" + "/".join(SLACK_TOKENS)
BOT_TOKEN = "xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d"
PASSWORD = "correct-horse-battery"
MAIL = f"mailtos://casebell:{PASSWORD}@smtp.example.com?from=casebell@example.com"
TEAMS = (
    "https://prod-1.westeurope.logic.azure.com:443/workflows/abc/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=def"
)
TO = "rfe-team@example-firm.com"


def problems(
    *urls: str, to: Sequence[str] = (), insecure: bool = False, schemas: tuple[str, ...] = ()
) -> tuple[Problem, ...]:
    """What is wrong with a channel; () when it loads."""
    settings = ChannelSettings(
        name="team", urls=tuple(map(SecretStr, urls)), to=tuple(to), insecure=insecure
    )
    try:
        AppriseChannel(settings, schemas=schemas, clock=SystemClock())
    except ConfigError as error:
        return error.problems
    return ()


def every_service() -> set[Any]:
    """The classes of apprise's plug-ins."""
    plugins()
    manager: Any = NotificationManager
    return set(manager().plugins())


#: Options that would hide a failure, weaken protection, or change what is sent to whom.
REFUSED_OPTIONS = {
    "optional": "yes", "retry": "3", "wait": "2", "template": "/etc/passwd", "format": "html",
    "blocks": "yes",
    "overflow": "split", "cto": "1", "rto": "1", "redirect": "yes", "cc": "a@example.com",
    "bcc": "a@example.com",
}  # fmt: skip
#: Schemas of services that act on the machine itself.
LOCAL = ["syslog", "dbus", "qt", "kde", "glib", "gio", "gnome", "macosx", "windows", "blink1"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        # Nothing apprise knows.
        ("https://example.com/S3cretPath", "not the URL of a known service"),
        ("nosuch://S3cretHost/x", "not the URL of a known service"),
        ("https://[S3cret", "not the URL of a known service"),
        # Known, and incomplete.
        ("slack://T1JJ3T3L2/A1BRTD4JD/S3cret_bad", "Slack (third) Token"),
        ("slack://T1JJ3T3L2", "Slack (second) Token"),
        ("workflows://host.example/S3cretWorkflow", "Signature"),
        ("mailtos://smtp.example.com", "From"),
        # Retired.
        ("https://firm.webhook.office.com/webhookb2/S3cret@b/IncomingWebhook/c/d", "retired"),
        ("msteams://S3cret/b/c/d", "retired"),
        *((f"{schema}://_/", "would act on this machine") for schema in LOCAL),
        *((f"jsons://h.example/S3cret?{k}={v}", f"`{k}`") for k, v in REFUSED_OPTIONS.items()),
        ("jsons://h.example/S3cret?Optional=no", "`optional`"),
        (SLACK + "?template=/S3cret", "`template`"),
        ("jsons://h.example/S3cret?verify=no", "certificate"),
        # Plain text to another machine.
        ("json://h.example/S3cret", "plain text"),
        (f"mailto://u:{PASSWORD}@h.example?from=a@example.com", "plain text"),
        (MAIL + "&mode=insecure", "plain text"),
        # What apprise would ignore; the second is the tail of a name with a raw "&".
        (MAIL + "&too=S3cret@example.com", "parameter 2 of the URL, which"),
        (MAIL.replace("from=", "from=RFE & Team <") + ">", "parameter 2 of the URL, which"),
        (MAIL.replace("from=", "form=") + "&to=a@example.com", "parameter 1 of the URL, which"),
        ("jsons://h.example/S3cret?colour=red", "parameter 1 of the URL, which"),
        ("jsons://h.example/S3cret?:message=", "leaves parameter 1 of the URL out of messages"),
        ("discord://0123456789/S3cretS3cret?+X-Header=a", "parameter 1 of the URL, which"),
        (MAIL + "&to=a@example.com&to=b@example.com", "gives parameter 2 of the URL twice"),
        (MAIL + "&&to=a@example.com", "no name for parameter 2"),
        # Nobody, or a place that apprise makes up: oneself, #general, everybody, the last chat.
        (MAIL, "names no recipient"),
        (MAIL + "&to=", "names no recipient"),
        (f"slack://{BOT_TOKEN}", "names no recipient"),
        ("twilio://AC1234:token@15551230000", "names no recipient"),
        ("sendgrid://abcd-1234:from@example.com", "names no recipient"),
        ("mailgun://casebell@example.com/abcd-1234-efgh", "names no recipient"),
        ("azure://casebell@example.com/ab-cd-ef-gh/abcd/123/3343/@jack/test", "names no recipient"),
        ("tgram://123456789:abcdefg_hijklmnop", "names no recipient"),
        ("zulip://casebell@firm/a123456789b123456789c123456789d1", "names no recipient"),
        ("wxteams://" + "Ab" * 40 + "?mode=bot", "names no recipient"),
        ("matrixs://user:S3cret@h.example", "names no recipient"),
        # A sender that apprise would make up of the login and the server.
        (f"mailtos://casebell:{PASSWORD}@smtp.example.com?to={TO}", "names no sender"),
        (f"mailtos://casebell:{PASSWORD}@smtp.example.com?from=Case&to={TO}", "names no sender"),
        (f"mailtos://a@b.com:{PASSWORD}@smtp.example.com?to={TO}", "reads as its own"),
        (MAIL + f"&to={TO}&%2BFrom=other@example.com", "a header of the mail itself"),
        (MAIL + f", b@example.com&to={TO}", "names no sender"),
        (MAIL + f"&to={TO}&%2BMessage-ID=a@example.com", "a header of the mail itself"),
        (MAIL + f"&to={TO}&%2BX-Firm=a%0Ab", "a control character"),
        # What apprise would decode twice, and a port that there is not.
        (f"mailtos://smtp.example.com?from=a@b.com&to={TO}&user=u&pass=S3cret", "has a login in"),
        ("jsons://h.example/x?+X-Key=S3cret%2541", "decode twice"),
        (f"mailtos://smtp.example.com:587000?from=a@b.com&to={TO}", "port that does not exist"),
        # More than one recipient.
        (MAIL + "&to=a@example.com,b@example.com", "several recipients"),
        (f"slack://{BOT_TOKEN}/#a/#b", "several recipients"),
    ],
)  # fmt: skip
def test_urls_that_do_not_load(url: str, words: str, leaks: LeakWatch) -> None:
    """Each mistake is one problem that names the key and the matter, and never repeats the URL."""
    (problem,) = problems(url)
    assert problem.key == "channels.team.url"
    assert words in problem.message
    leaks.assert_none((*SLACK_TOKENS, BOT_TOKEN, PASSWORD, "S3cret"), shown=(problem,))


def test_no_mail_is_sent_without_the_pgp_it_was_to_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package for it is installed, and where it is not."""
    assert problems(MAIL + f"&to={TO}&pgp=encrypt")
    monkeypatch.setattr("apprise.utils.pgp.PGP_SUPPORT", True)
    for asked in ("pgp=encrypt", "wkd=yes"):
        (problem,) = problems(MAIL + f"&to={TO}&{asked}")
        assert "asks for PGP" in problem.message
    assert problems(MAIL + f"&to={TO}&pgp=no") == ()


@pytest.mark.parametrize(
    ("url", "to", "key", "words"),
    [
        # Apprise would drop the first, mail both of the second, and mail chan@ for the third.
        (MAIL, ["rfe-team@"], "to", "'rfe-team@' is not a recipient"),
        (MAIL, ["a@example.com, b@example.com"], "to", "not one recipient"),
        (MAIL, ["j chan@example.com"], "to", "not one recipient"),
        (MAIL, [TO, TO], "to", "twice"),
        (MAIL + f"&to={TO}", ["other@example.com"], "url", "a recipient as well"),
        (f"slack://{BOT_TOKEN}", ["#a,#b"], "to", "not one recipient"),
        (f"slack://{BOT_TOKEN}", ["#a[#b"], "to", "not one recipient"),
        ("jsons://h.example/S3cret", ["a@example.com"], "to", "takes none"),
    ],
)
def test_recipients_that_do_not_load(url: str, to: list[str], key: str, words: str) -> None:
    """A recipient that would be dropped, doubled or misread is a problem and not a silent loss."""
    (problem,) = problems(url, to=to)
    assert problem.key == f"channels.team.{key}"
    assert words in problem.message


@pytest.mark.parametrize(
    ("urls", "to", "labels"),
    [
        ((SLACK,), (), ["slack"]),
        (("workflow://h.example/abc/def",), (), ["workflows"]),
        (("jsons://h.example/x",), (), ["json"]),
        ((MAIL + f"&to={TO}",), (), ["mailto"]),
        ((MAIL,), (TO, "Jane Chan <jchan@example.com>"), [TO, "Jane Chan <jchan@example.com>"]),
        ((f"slack://{BOT_TOKEN}",), ("#rfe", "+U012AB3CD"), ["#rfe", "+U012AB3CD"]),
        (("twilio://AC1234:token@15551230000",), ("+15551234567",), ["+15551234567"]),
        ((TEAMS,), (), ["workflows"]),
    ],
)
def test_labels_are_safe(urls: Sequence[str], to: Sequence[str], labels: list[str]) -> None:
    """A target is called by its recipient as configured, or by its service's name."""
    assert list(load(*urls, to=to).targets) == labels


def test_labels_do_not_depend_on_the_order_of_urls() -> None:
    """An alert that waits goes to the same chat after the URLs changed places."""
    urls = [SLACK, SLACK[:-1] + "X", "jsons://h.example/x"]
    forwards, backwards = load(*urls), load(*reversed(urls))
    assert list(backwards.targets) == list(reversed(forwards.targets))
    assert all(re.fullmatch(r"(slack|json)-[0-9a-f]{6}", label) for label in forwards.targets)
    for label, service in forwards._services.items():
        one, other = service.plug_in, backwards._services[label].plug_in
        assert one.url_identifier == other.url_identifier


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        (MAIL + "&too=a@example.com", "`to`"),
        (MAIL.replace("from=", "form="), "`from`"),
        (MAIL + "&smpt=mail.example.com", "`smtp`"),
        ("pover://user@token?prioriti=high", "`priority`"),
    ],
)
def test_an_unknown_parameter_is_told_what_was_meant(url: str, meant: str) -> None:
    """The nearest of those that the service itself lists."""
    (problem,) = problems(url)
    assert f"Did you mean {meant}?" in problem.hint


@pytest.mark.parametrize(
    "url",
    [
        # Names that plug-ins read and do not list, custom headers, and a service's own query.
        "azure://example.com/ab-cd/ab-cd/123/a@example.com?from=casebell@example.com&tenant=a",
        "jsons://h.example/x?+X-Token=abc&:case=1&-v=2&method=PUT",
        "pover://" + "u" * 30 + "@" + "t" * 30 + "?priority=high&sound=siren",
        "https://hooks.slack.com/services/" + "/".join(SLACK_TOKENS) + "?utm=x",
        "slack://" + "/".join(SLACK_TOKENS) + "/?footer=no&image=no",
        "jsons://h.example/x?+X-Key=50%25",
        MAIL + f"&to={TO}&name=RFE%20%26%20Team&reply=a@example.com&mode=ssl",
        MAIL.replace("from=", "from=RFE %26 Team <") + f">&to={TO}",
    ],
)
def test_parameters_that_a_service_reads(url: str) -> None:
    """Whatever the plug-in makes use of is known, listed or not."""
    assert problems(url) == ()


@pytest.mark.parametrize(
    "raw", ["P@5678", "Ab1#9z", "a:b", "a/b", "12/b", "a?b", "100%", "a:b/c?d&e;f g"]
)
def test_a_raw_character_in_a_password_is_refused(raw: str, leaks: LeakWatch) -> None:
    """Apprise would cut the login there, and look the rest up as a host's name."""
    (problem,) = problems(MAIL.replace(PASSWORD, f"S3cret{raw}S3cret"), to=(TO,))
    assert "reads as its own" in problem.message
    assert "${NAME|url}" in problem.hint
    leaks.assert_none(("S3cret", raw), shown=(problem,))


@pytest.mark.parametrize(
    ("url", "user", "password", "key", "words"),
    [
        (MAIL, "u", "p", "url", "names a user as well"),
        (SLACK, "u", "p", "user", "takes none"),
        (MAIL.replace(f"casebell:{PASSWORD}@", ""), "u", "Gr\u00fc\u00df", "url", "beyond ASCII"),
    ],
)
def test_logins_that_do_not_load(url: str, user: str, password: str, key: str, words: str) -> None:
    """Two logins, one that is never used, and one that smtplib cannot send."""
    settings = ChannelSettings(
        name="team", url=SecretStr(url), to=(TO,) if "mail" in url else (), user=user,
        password=SecretStr(password),
    )  # fmt: skip
    with pytest.raises(ConfigError) as raised:
        AppriseChannel(settings, schemas=(), clock=SystemClock())
    (problem,) = raised.value.problems
    assert problem.key == f"channels.team.{key}"
    assert words in problem.message
    assert password not in problem.message


@pytest.mark.parametrize("raw", ["a/b", "12/b@x"])
def test_the_rest_of_a_password_is_no_recipient(raw: str) -> None:
    """Without a `to`, what stands after a raw slash would be shown as an address."""
    (problem,) = problems(f"mailtos://u:{raw}@smtp.example.com?from=a@example.com")
    assert "reads as its own" in problem.message


def test_services_that_reach_somebody_by_themselves_exist() -> None:
    """Each takes recipients, and may do without."""
    for schema in _REACH_WITHOUT_RECIPIENTS:
        assert takes_recipients(plugins()[schema])


def test_a_channel_shows_from_and_to() -> None:
    """Safe words: the sender that the URL names, and the recipient."""
    url = MAIL.replace("from=", "from=RFE %26 Team <") + ">"
    mail = Route(sender="RFE & Team <casebell@example.com>", to=TO)
    assert load(url, to=(TO,)).routes == {TO: mail}
    assert load(url + f"&to={TO}").routes == {"mailto": mail}
    azure = load("azure://a@b.com/ab-cd/ab-cd/123/c@d.com").routes
    assert azure == {"azure": Route(sender="a@b.com", to="c@d.com")}
    sms = load("twilio://AC1234:token@15551230000", to=("+15551234567",)).routes
    assert sms["+15551234567"].sender == "+15551230000"
    assert load(SLACK).routes == {"slack": Route(sender="", to="slack")}


def test_the_same_url_twice_is_a_problem() -> None:
    """Nobody is told twice because a URL was pasted twice."""
    (problem,) = problems(SLACK, SLACK)
    assert problem.key == "channels.team.urls[2]"
    assert "twice" in problem.message


def test_every_problem_is_told_at_once() -> None:
    """Two mistyped recipients are two problems of one error."""
    found = problems(MAIL, to=("one@", TO, "two@"))
    assert ["one@" in found[0].message, "two@" in found[1].message] == [True, True]


def test_an_operator_may_allow_few_schemas() -> None:
    """With an allow-list only its schemas load; the native form of a URL counts as its schema."""
    assert problems(SLACK, schemas=("slack", "mailtos")) == ()
    assert problems("workflow://h.example/abc/def", schemas=("workflows",)) == ()
    (problem,) = problems("jsons://h.example/x", schemas=("slack", "json"))
    assert "not among the schemas" in problem.message


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("json://h.example/x", True),
        ("JSON://h.example/x", True),
        ("jsons://h.example/x", False),
        ("json://localhost:8080/x", False),
        ("xml://127.0.0.1", False),
        ("form://127.8.9.1/x", False),
        ("json://[::1]:80/", False),
        ("json://[::2]:80/", True),
        ("json://user:pass@10.0.0.1/", True),
        # New in apprise 2.3.
        ("opsimate://token@h.example", True),
        ("opsimates://token@h.example", False),
        ("gotify://h.example/S3cretToken123x", True),
        ("ntfy://h.example/topic", True),
        # The address of a page at a service, which is reached over TLS whatever it says itself.
        ("http://ntfy.sh/topic", False),
        (SLACK.replace("https:", "http:"), False),
        # One schema without TLS in its name, and one address with it.
        ("pushme://S3cretToken", False),
        ("sfr://user:password@space/0612345678", False),
        # What calls itself secure, and is not.
        ("dapnet://user:password@DF1ABC", True),
        ("kavenegar://S3cretToken/15551234567", True),
        ("aprs://DF1ABC:12345@DF1DEF", True),
        # Mail: what takes it counts, not whose address it is.
        ("mailto://u:p@h.example?from=a@example.com&to=b@example.com", True),
        ("mailto://u:p@h.example?from=a@example.com&smtp=localhost&to=b@example.com", False),
        ("mailto://u:p@localhost?from=a@example.com&smtp=h.example&to=b@example.com", True),
        ("mailto://u:p@h.example?from=a@example.com&mode=starttls&to=b@example.com", False),
        ("mailtos://u:p@h.example?from=a@example.com&MODE=Insecure&to=b@example.com", True),
        # A provider that apprise knows, and secures by itself.
        ("mailto://someone:p@gmail.com?to=b@example.com", False),
    ],
)
def test_what_travels_in_plain_text(url: str, plain: bool) -> None:
    """The loaded plug-in says so; a message that stays on this machine needs no leave."""
    found = problems(url)
    assert ["plain text" in one.message for one in found] == [True] * plain
    assert problems(url, insecure=True) == ()


def test_the_url_that_sends_plain_text_is_named() -> None:
    """Of several URLs the problem names the one to change."""
    (problem,) = problems("json://localhost/x", "json://h.example/x")
    assert problem.key == "channels.team.urls[2]"


def test_every_plain_schema_of_apprise_asks_for_leave() -> None:
    """A service that apprise adds is asked for its schemas like any other: no list goes stale.

    Where this fails, a plug-in says in a new way how it travels: mend `_travels_in_plain_text`.
    """
    services = every_service()
    assert [one for one in services if set(schemas_of(one)[0]) & set(schemas_of(one)[1])] == []
    # Of those without an encrypted schema, these alone speak to another machine, and without TLS.
    plain = {
        schema
        for one in services
        if not schemas_of(one)[1] and not str(getattr(one, "notify_url", "")).startswith("https:")
        for schema in schemas_of(one)[0]
    }
    assert plain - set(LOCAL) == {"growl", "rsyslog"}
    # What speaks through neither HTTP nor mail of Python's own says "secure" on its own word. Each
    # of these was read: but for those of `_NEVER_ENCRYPTED` it uses TLS.
    own_word = {
        schema
        for one in services
        if not {"requests", "smtplib"} & set(vars(sys.modules[one.__module__]))
        for schema in schemas_of(one)[1]
    }
    # Built on a service that speaks HTTP or mail.
    derived = {"guilded", "jellyfins", "deltachats"}
    assert own_word - derived == {"amqps", "ircs", "mqtts", "xmpps"} | _NEVER_ENCRYPTED


def test_every_service_is_settled() -> None:
    """No throttle, redirect or picture of apprise's, and sockets that end before the channel."""
    channel = load(MAIL, to=(TO,), timeout=10.0)
    service = channel._services[TO].plug_in
    assert service.request_rate_per_sec == 0
    assert service.redirects is False
    assert (service.socket_connect_timeout, service.socket_read_timeout) == (9.0, 9.0)
    assert service.asset.app_id == "Casebell"
    assert service.image_url(NotifyType.WARNING, image_size=NotifyImageSize.XY_72) is None
    assert service.asset.storage_mode.value == "memory"


def test_a_quiet_root_logger_does_not_hide_a_bad_address() -> None:
    """A dropped recipient is found although the operator logs only errors."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        assert problems(MAIL, to=("rfe-team@",))
    finally:
        root.setLevel(level)


@pytest.mark.parametrize("name", ["apprise", "requests", "urllib3", "urllib3.connectionpool"])
def test_the_libraries_log_nothing(name: str) -> None:
    """Loggers whose records hold tokens and text are off, for handlers attached to them too."""
    load(SLACK)
    assert not logging.getLogger(name).isEnabledFor(logging.CRITICAL)
