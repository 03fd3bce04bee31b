"""`.env` and overrides."""

import json
from pathlib import Path

import pytest

from casebell.errors import ConfigError
from casebell.settings.environment import Environment
from settings.loading import MINIMAL, ReadConfig, ReadProblems

CHANNEL = """
[channels.slack-immigration]
url = "slack://a"
"""


def test_an_override_sets_a_key(read: ReadConfig) -> None:
    """Scalars, lists and tables can be set, in sections that the file has or has not."""
    settings = read(
        MINIMAL + CHANNEL,
        {
            "CASEBELL_SERVER__PORT": "9000",
            "CASEBELL_SERVER__MAX_BODY": "1MiB",
            "CASEBELL_STORAGE__URL": "postgresql://u:p@h/d",
            "CASEBELL_SOURCES__PARLEY__STRICT": "true",
            "CASEBELL_SOURCES__PARLEY__SECRETS": json.dumps(["a" * 16, {"value": "b" * 16}]),
            "CASEBELL_SOURCES__PARLEY__CATEGORIES": '{"Closed": "denied"}',
            "CASEBELL_SOURCES__PARLEY__FIELDS__ID": "uid",
            "CASEBELL_OPS__NOTIFY": "slack-immigration",
        },
    )
    assert settings.server.port == 9000
    assert settings.server.max_body == 1024**2
    assert settings.storage.kind == "postgresql"
    parley = settings.sources["parley"]
    assert parley.strict
    values = [secret.value.get_secret_value() for secret in parley.secrets]
    assert values == ["a" * 16, "b" * 16]
    assert parley.categories == {"closed": "denied"}
    assert parley.fields.id == ("uid",)
    assert settings.ops.notify == ("slack-immigration",)


@pytest.mark.parametrize(
    "name",
    ["CASEBELL_CHANNELS__SLACK_IMMIGRATION__URL", "CASEBELL_channels__Slack-Immigration__url"],
)
def test_an_override_finds_names_with_dashes(read: ReadConfig, name: str) -> None:
    """`_` stands for `-`, and case does not count."""
    settings = read(MINIMAL + CHANNEL, {name: "slack://b"})
    assert settings.channels["slack-immigration"].urls[0].get_secret_value() == "slack://b"


def test_a_table_is_replaced_before_its_keys(read: ReadConfig) -> None:
    """A whole table as JSON comes first, a key of it on top."""
    settings = read(
        MINIMAL,
        {
            "CASEBELL_SOURCES__PARLEY__HEADER": "X-Torch",
            "CASEBELL_SOURCES__PARLEY": '{"kind": "torch", "secrets": ["aaaaaaaaaaaaaaaa"]}',
        },
    )
    assert settings.sources["parley"].secret_header == "X-Torch"


def test_a_whole_table_replaces_that_of_the_file(read: ReadConfig) -> None:
    """What the file says in that table does not count; the tables beside it do."""
    settings = read(
        MINIMAL + 'strict = true\ncategories = { "Closed" = "denied" }\n' + CHANNEL,
        {
            "CASEBELL_SOURCES__PARLEY__CATEGORIES": '{"Open": "other"}',
            "CASEBELL_CHANNELS__SLACK_IMMIGRATION": '{"urls": ["slack://b"]}',
        },
    )
    assert settings.sources["parley"].strict
    assert list(settings.sources["parley"].categories) == ["open"]
    assert settings.channels["slack-immigration"].url is None


def test_a_reference_that_is_overridden_need_not_lead_anywhere(read: ReadConfig) -> None:
    """What the environment replaces is not looked at."""
    text = MINIMAL + '[storage]\nurl = "${NOT_SET}"\n'
    assert read(text, {"CASEBELL_STORAGE__URL": "sqlite:///a.db"}).storage.kind == "sqlite"


def test_an_override_is_filled_in(read: ReadConfig) -> None:
    """References work in overrides as they do in the file."""
    settings = read(MINIMAL, {"CASEBELL_SERVER__HOST": "${HOST_IP}", "HOST_IP": "10.0.0.1"})
    assert settings.server.host == "10.0.0.1"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("CASEBELL_SERVER__PROT", "`PORT`"),
        ("CASEBELL_SEVRER__PORT", "`SERVER`"),
        ("CASEBELL_CHANNELS__SLACK_IMIGRATION__URL", "`SLACK_IMMIGRATION`"),
        ("CASEBELL_SOURCES__PARLEY__FIELDS__IDD", "`ID`"),
        ("CASEBELL_SERVER__PORT__X", "docs/configuration.md"),
        ("CASEBELL_RULES__0__NAME", "docs/configuration.md"),
        ("CASEBELL_SERVER__", "Known: HOST"),
        ("CASEBELL_SOURCES__PARLEY__NAME", "Known: KIND"),
        ("CASEBELL_sources__parley__field", "`FIELDS`"),
    ],
)
def test_an_override_of_an_unknown_key_is_an_error(
    problems: ReadProblems, name: str, hint: str
) -> None:
    """A mistyped variable is told of with the nearest known part, never ignored."""
    found = problems(MINIMAL + CHANNEL, {name: "value"})
    assert list(found) == [name]
    assert found[name].where == "environment"
    assert hint in found[name].hint


def test_other_variables_are_left_alone(read: ReadConfig) -> None:
    """What Kubernetes sets for a service named casebell, and CASEBELL_CONFIG, are no overrides."""
    environ = {"CASEBELL_PORT_8080_TCP": "tcp://10.0.0.1:8080", "CASEBELL_CONFIG": "x", "X__Y": "z"}
    assert read(MINIMAL, environ).server.port == 8080


def test_a_variable_that_means_two_names_is_an_error(problems: ReadProblems) -> None:
    """Where `a-b` and `a_b` both exist, neither is chosen."""
    text = MINIMAL + '[channels.a-b]\nurl = "slack://a"\n[channels.a_b]\nurl = "slack://a"\n'
    found = problems(text, {"CASEBELL_CHANNELS__A_B__PACE": "2s"})
    assert "channels.a-b.pace, channels.a_b.pace" in found["CASEBELL_CHANNELS__A_B__PACE"].hint


def test_json_that_is_not_json_is_an_error(problems: ReadProblems) -> None:
    """A list that was cut off is not taken for a text."""
    name = "CASEBELL_SOURCES__PARLEY__SECRETS"
    assert "JSON" in problems(MINIMAL, {name: '["aaaaaaaaaaaaaaaa",'})[name].message


def test_json_that_is_no_unicode_is_an_error(problems: ReadProblems) -> None:
    """Half a character can be spelled in JSON, and written nowhere else."""
    name = "CASEBELL_SOURCES__PARLEY__CATEGORIES"
    assert list(problems(MINIMAL, {name: '{"\\ud800": "other"}'})) == [name]


@pytest.mark.parametrize("depth", [100, 600, 900, 5000])
@pytest.mark.parametrize(("begin", "end"), [('{"a":', "}"), ("[", "]")])
def test_json_that_is_nested_too_deeply_is_an_error(
    problems: ReadProblems, begin: str, end: str, depth: int
) -> None:
    """However deep it is, it is told of as a problem of that source."""
    value = begin * depth + "1" + end * depth
    found = problems(MINIMAL, {"CASEBELL_SOURCES__PARLEY__CATEGORIES": value})
    assert found
    assert all("parley" in key.lower() for key in found)


def test_a_text_may_look_like_json(read: ReadConfig) -> None:
    """Where only text can stand, brackets are part of it."""
    assert (
        read(MINIMAL, {"CASEBELL_SOURCES__PARLEY__PREFIX": "[x"}).sources["parley"].prefix == "[x"
    )


def test_a_wrong_override_names_its_variable(problems: ReadProblems) -> None:
    """The reader is sent to the variable, not to the file."""
    problem = problems(MINIMAL, {"CASEBELL_SERVER__PORT": "many"})["server.port"]
    assert problem.where == "environment"
    assert "CASEBELL_SERVER__PORT" in problem.hint


def test_an_override_into_what_is_no_table(problems: ReadProblems) -> None:
    """The wrong section is told of once, whatever keys variables name in it."""
    environ = {"CASEBELL_SERVER__PORT": "1", "CASEBELL_CHANNELS__A__URL": "slack://a"}
    found = problems("server = 5\nchannels = 4\n" + MINIMAL, environ)
    assert list(found) == ["server", "channels"]


def test_env_file_gives_way_to_the_environment(tmp_path: Path, read: ReadConfig) -> None:
    """`.env` is read without expansion; the process's own variables win."""
    (tmp_path / ".env").write_text(
        '\ufeffA=from-file\nexport B="with ${A} in it"\nC=from-file\nD\n', encoding="utf-8"
    )
    environment = Environment(environ={"C": "real"}, env_file=tmp_path / ".env", data={})
    assert environment.variables == {"A": "from-file", "B": "with ${A} in it", "C": "real"}
    assert environment.where("A") == str(tmp_path / ".env")
    assert environment.where("C") == "environment"
    settings = read(MINIMAL + '[server]\nhost = "${A}"\n')
    assert settings.server.host == "from-file"


def test_overrides_may_stand_in_the_env_file(tmp_path: Path, read: ReadConfig) -> None:
    """An override in `.env` counts, and is told of as standing there."""
    (tmp_path / ".env").write_text("CASEBELL_SERVER__PORT=9000\n")
    assert read(MINIMAL).server.port == 9000
    (tmp_path / ".env").write_text("CASEBELL_SERVER__PORT=x\nCASEBELL_SERVER__PROT=1\n")
    with pytest.raises(ConfigError) as caught:
        read(MINIMAL)
    assert [problem.where for problem in caught.value.problems] == [str(tmp_path / ".env")] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"A=1\nB='unclosed\n", "Line 2 cannot be read."), (b"A=\xff\n", "not UTF-8")],
)
def test_an_env_file_that_cannot_be_read(
    tmp_path: Path, problems: ReadProblems, content: bytes, message: str
) -> None:
    """A line that would silently be lost is an error that gives its number."""
    (tmp_path / ".env").write_bytes(content)
    (problem,) = problems(MINIMAL).values()
    assert message in problem.message
    assert problem.where == str(tmp_path / ".env")


def test_an_env_file_that_is_a_directory(tmp_path: Path, problems: ReadProblems) -> None:
    """What is there but cannot be read is an error, not an absence."""
    (tmp_path / ".env").mkdir()
    assert "cannot be read" in problems(MINIMAL)[""].message


@pytest.mark.parametrize(
    ("line", "value", "words"),
    [
        ("A=Ab1#9z", "Ab1#9z", ""),
        ("A='P@5 #9\"z'", 'P@5 #9"z', ""),
        (r"A='it\'s \n \\'", r"it's \n" + " \\", ""),
        ('A="two words"', "two words", ""),
        ("A='x' # why", "x", ""),
        ("A=pass word", "pass word", ""),
        ("A=pass #word", "pass", "comment"),
        ("A=pass # why", "pass", "comment"),
        ('A="a\\tb"', "a\tb", "backslash"),
        ('A="a\\\\tb"', r"a\tb", ""),
        ("A=$B ${B}", "$B ${B}", ""),
        ("A=1\n\nA=2", "2", "set above already"),
    ],
)
def test_how_a_line_is_read(tmp_path: Path, line: str, value: str, words: str) -> None:
    """What may be meant otherwise is told with its line and name, never with the value."""
    env_file = tmp_path / ".env"
    env_file.write_text(f"B=other\n\n{line}\n")
    environment = Environment(environ={}, env_file=env_file, data={})
    assert environment.problems == []
    assert environment.variables["A"] == value
    assert len(environment.remarks) == bool(words)
    for remark in environment.remarks:
        last = 2 + line.count("\n") + 1
        assert remark.startswith(f"{env_file}, line {last}: ")
        assert words in remark
        assert "pass" not in remark
