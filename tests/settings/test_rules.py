"""Rules and their conditions."""

import pytest

from casebell.events import Flag, Status, Tag
from casebell.settings import Rule, When
from settings.loading import MINIMAL, ReadConfig, ReadProblems

CHANNELS = """
[channels.slack-immigration]
url = "slack://a"
[channels.email-team]
url = "slack://b"
"""


def rules(text: str) -> str:
    return f"{MINIMAL}\n{CHANNELS}\n[[rules]]\n{text}"


def test_a_condition_takes_one_value_or_several(read: ReadConfig) -> None:
    """A scalar is a list of one, a table a list of one condition."""
    settings = read(
        rules(
            """name = "a"
            notify = "slack-immigration"
            urgent = true
            [rules.when]
            status = "rfe_issued"
            tags = ["deadline", "action"]
            receipt = "ioe*"
            text = ["fee", "/card .* mailed/"]
            flags = "late"
            source = "parley"
            [[rules]]
            name = "b"
            when = [{ owner = "jo" }, { team = ["x"] }]
            notify = []
            """
        )
    )
    first, second = settings.rules
    assert first.when == (
        When(
            status=(Status.RFE_ISSUED,),
            tags=(Tag.DEADLINE, Tag.ACTION),
            receipt=("IOE*",),
            text=("fee", "/card .* mailed/"),
            flags=(Flag.LATE,),
            source=("parley",),
        ),
    )
    assert (first.notify, first.urgent) == (("slack-immigration",), True)
    assert [when.is_empty for when in second.when] == [False, False]
    assert second.notify == ()


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ('when = { status = ["rfe_isued"] }', "when.status[1]", "`rfe_issued`"),
        ('when = { status = "RFE_Issued" }', "when.status", "`rfe_issued`"),
        ('when = { tags = ["action", "dedline"] }', "when.tags[2]", "`deadline`"),
        ('when = [{}, { flags = ["confict"] }]', "when[2].flags[1]", "`conflict`"),
        ("when = { status = 5 }", "when.status", "Known: received"),
        ('when = { source = "parly" }', "when.source", "`parley`"),
        ('when = { satus = "other" }', "when.satus", "`status`"),
        ('when = { receipt = "IOE-09*" }', "when.receipt", "IOE09*"),
        ('when = { receipt = "IOE[09" }', "when.receipt", "IOE09*"),
        ('when = { receipt = "" }', "when.receipt", "IOE09*"),
        ('when = { text = "/(/" }', "when.text", ""),
        ('when = { text = "//" }', "when.text", ""),
        ('when = { text = "" }', "when.text", ""),
        ('when = { text = "/a{99999999999999999999}/" }', "when.text", ""),
        ("when = []", "when", ""),
        ("", "when", "`when = {}`"),
        ("when = 5", "when", ""),
    ],
)
def test_what_a_condition_cannot_be(problems: ReadProblems, text: str, key: str, hint: str) -> None:
    """Each of these is one problem with the nearest known word, at the key to change."""
    found = problems(rules(f'name = "a"\nnotify = []\n{text}'))
    assert list(found) == [f"rules[1].{key}"]
    assert hint in found[f"rules[1].{key}"].hint


@pytest.mark.parametrize("text", ["/", "/a", "a/", "/[[a]/", "/(?i)x/"])
def test_texts_that_are_fine(read: ReadConfig, text: str) -> None:
    """Only a text between two slashes is a regular expression; an odd one may still be valid."""
    settings = read(rules(f'name = "a"\nnotify = []\nwhen = {{ text = "{text}" }}'))
    assert settings.rules[0].when[0].text == (text,)


def test_a_rule_names_known_channels(problems: ReadProblems) -> None:
    """A channel that does not exist would be silence."""
    found = problems(
        rules('name = "a"\nwhen = {}\nnotify = ["email-team", "slack-imigration"]')
        + '\n[ops]\nnotify = ["mail-team"]'
    )
    assert "`slack-immigration`" in found["rules[1].notify[2]"].hint
    assert "`email-team`" in found["ops.notify[1]"].hint
    assert len(found) == 2


def test_rules_need_names_of_their_own_and_a_written_notify(problems: ReadProblems) -> None:
    """Silence is written as `notify = []`, and every rule can be spoken of."""
    found = problems(
        rules(
            """name = "a"
            when = {}
            [[rules]]
            name = "a"
            when = {}
            notify = []
            [[rules]]
            when = {}
            notify = []
            """
        )
    )
    assert list(found) == ["rules[1].notify", "rules[2].name", "rules[3].name"]


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ('when = {}\nnotify = ["email-team"]', False),
        ('when = [{ tags = "card" }, {}]\nnotify = ["email-team"]', False),
        ("when = {}\nnotify = []", True),
        ('when = { tags = "card" }\nnotify = ["email-team"]', True),
    ],
)
def test_no_rule_that_catches_all_is_a_warning(read: ReadConfig, text: str, warned: bool) -> None:
    """A change that meets no rule reaches nobody."""
    settings = read(rules(f'name = "a"\n{text}'))
    assert any("`when = {}`" in warning for warning in settings.warnings) is warned


def test_nobody_in_operations_is_a_warning(read: ReadConfig) -> None:
    """Held deliveries would go unnoticed."""
    assert any("ops.notify" in warning for warning in read(rules(ALL)).warnings)
    told = rules(ALL) + '\n[ops]\nnotify = "email-team"'
    assert read(told).warnings == ()


ALL = 'name = "a"\nwhen = {}\nnotify = "email-team"'


def test_a_rule_can_be_made_by_code() -> None:
    """An empty condition asks nothing."""
    rule = Rule(name="a", when=(When(),), notify=())
    assert rule.when[0].is_empty
    assert Rule(name="a", when=When(type=("x",)), notify=()).when == (When(type=("x",)),)  # type: ignore[arg-type]
