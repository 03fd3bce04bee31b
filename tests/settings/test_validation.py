"""Everything that is wrong is told in one go, once, in the order of the file."""

import pytest

from casebell.kinds import KINDS
from casebell.settings.models import ServerSettings
from settings.loading import MINIMAL, ReadProblems


def test_all_problems_at_once(problems: ReadProblems) -> None:
    """Mistakes of every kind, in wrong tables and in tables that lack something, come together."""
    found = problems(
        """
        colour = 1
        [server]
        prot = 3
        port = 99999
        tls_cert = "nope"
        [sources.torch]
        kind = "torch"
        secrets = ["short", { label = 5, value = "x" }, { value = "${NOPE}" }, "short too"]
        [sources.parley]
        kind = "parlay"
        [channels.slack]
        url = "slack://x"
        fallback = "slak"
        timeout = 30
        [channels.two]
        url = 5
        fallback = "two"
        [[rules]]
        when = { status = ["rfe_issued", "rfe_isued", "other"] }
        notify = ["slack", "slak"]
        [[rules]]
        name = "b"
        notify = ["slak"]
        [[rules]]
        name = "b"
        when = [{ text = "/(/" }, { source = ["torch", "toch"] }]
        notify = 5
        [ops]
        notify = ["slak", "two"]
        """
    )
    assert list(found) == [
        "colour",
        "server.prot",
        "server.port",
        "server.tls_cert",
        "sources.torch.secrets[1]",
        "sources.torch.secrets[2].label",
        "sources.torch.secrets[2].value",
        "sources.torch.secrets[3].value",
        "sources.torch.secrets[4]",
        "sources.torch.header",
        "sources.parley.kind",
        "channels.slack.fallback",
        "channels.slack.timeout",
        "channels.two.url",
        "channels.two.fallback",
        "rules[1].when.status[2]",
        "rules[1].notify[2]",
        "rules[1].name",
        "rules[2].notify[1]",
        "rules[2].when",
        "rules[3].name",
        "rules[3].when[1].text",
        "rules[3].when[2].source[2]",
        "rules[3].notify",
        "ops.notify[1]",
    ]


def test_unknown_keys_are_told_everywhere(problems: ReadProblems) -> None:
    """At every depth, with the nearest known key or the list of them."""
    found = problems(
        """
        [sevrer]
        [server]
        zzz = 1
        [sources.parley]
        kind = "parley"
        secrets = [{ valu = "x", value = "0123456789abcdef" }]
        name = "other"
        [sources.parley.fields]
        reciept = "x"
        [channels.a]
        url = "slack://x"
        tos = "x"
        [alerts]
        schema = "x"
        """
    )
    assert {key: problem.hint for key, problem in found.items()} == {
        "sevrer": "Did you mean `server`?",
        "server.zzz": f"Known: {', '.join(ServerSettings.model_fields)}.",
        "sources.parley.secrets[1].valu": "Did you mean `value`?",
        "sources.parley.name": "Known: kind, auth, require, min_secret_bytes, secrets, header, "
        "signature_header, secret_header, prefix, signed_body, tolerance, max_age, strict, "
        "allow_from, timezone, expect_every, fields, categories, volatile.",
        "sources.parley.fields.reciept": "Did you mean `receipt`?",
        "channels.a.tos": "Did you mean `to`?",
        "alerts.schema": "Did you mean `schemas`?",
    }


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("port", "65536", "This must be at most 65535."),
        ("port", "-1", "This must be at least 0."),
        ("port", "'many'", "This must be a whole number."),
        ("body_timeout", "'0s'", "This must be more than 0."),
        ("refusals_per_minute", "0", "This must be at least 1."),
        ("host", "5", "This must be text, in quotes."),
        ("tls_key", "5", "This must be a path, in quotes."),
    ],
)
def test_a_problem_says_what_must_be(
    problems: ReadProblems, key: str, value: str, message: str
) -> None:
    """In a sentence, with the bounds that the models name."""
    found = problems(f"{MINIMAL}[server]\n{key} = {value}\n")
    assert found[f"server.{key}"].message == message


def test_a_bound_of_a_duration_is_a_duration(problems: ReadProblems) -> None:
    """What is refused as too short or too long is written with units, and so is the bound."""
    found = problems(f"{MINIMAL}[console]\nsession = '30s'\n[ops]\nheartbeat_every = '2d'\n")
    assert found["console.session"].message == "This must be at least 1 minute."
    assert found["ops.heartbeat_every"].message == "This must be at most 1 day."


def test_a_list_of_wrong_entries_is_not_called_empty(problems: ReadProblems) -> None:
    """Each wrong entry is a problem; that nothing is left without them is none of its own."""
    found = problems(f"{MINIMAL}[calendars.office]\nopen = ['8-18', '9-17']\n")
    assert list(found) == ["calendars.office.open[1]", "calendars.office.open[2]"]
    assert list(problems(f"{MINIMAL}[calendars.office]\nopen = []\n")) == ["calendars.office.open"]


@pytest.mark.parametrize(
    ("text", "key", "heading"),
    [
        ('[rules]\nname = "x"\n', "rules", "`[[rules]]`"),
        ("[[server]]\nport = 1\n", "server", "`[server]`"),
        ('[[channels]]\nurl = "x"\n', "channels", "`[channels.NAME]`"),
        ("[[channels.a]]\nurl = 'x'\n", "channels.a", "`[channels.a]`"),
    ],
)
def test_a_wrong_heading_says_the_right_one(
    problems: ReadProblems, text: str, key: str, heading: str
) -> None:
    """Whether a table has single or double brackets is TOML's most common mistake."""
    assert heading in problems(f"{MINIMAL}\n{text}")[key].hint


def test_a_choice_says_what_may_stand(problems: ReadProblems) -> None:
    """The words that the models know, and how many entries there may be."""
    found = problems(
        """
        [sources.parley]
        kind = "parlay"
        require = "some"
        auth = ["hmac", "hmac", "hmac"]
        strict = "maybe"
        fields = { receipt = [] }
        """
    )
    assert {key: problem.message for key, problem in found.items()} == {
        "sources.parley.kind": f"This must be {' or '.join(map(repr, KINDS))}.",
        "sources.parley.require": "This must be 'any' or 'all'.",
        "sources.parley.auth": "This may have 2 entries at most.",
        "sources.parley.strict": "This must be true or false.",
        "sources.parley.fields.receipt": "This must not be empty.",
    }


def test_no_source_is_a_problem(problems: ReadProblems) -> None:
    """Nobody could deliver anything; a source with mistakes is one all the same."""
    assert list(problems("")) == ["sources"]
    assert list(problems("[sources.parley]\n")) == ["sources.parley.kind"]


def test_a_wrong_section_hides_nothing_else(problems: ReadProblems) -> None:
    """A section that is no table at all is one problem; the others are still read."""
    found = problems(
        """
        server = 1
        sources = "x"
        channels = []
        rules = { name = "x" }
        [ops]
        notify = ["a"]
        """
    )
    assert list(found) == ["server", "sources", "channels", "rules", "ops.notify[1]"]


def test_a_wrong_channel_is_still_a_channel(problems: ReadProblems) -> None:
    """Rules that name a channel with a mistake in it are not wrong."""
    found = problems(
        MINIMAL
        + """
        [channels.a]
        url = 5
        [[rules]]
        name = "x"
        when = { source = "parley" }
        notify = "a"
        """
    )
    assert list(found) == ["channels.a.url"]
