"""No value of the configuration or the environment shows in what is said about it."""

import json
import logging
import tomllib
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casebell.errors import ConfigError
from casebell.settings import Settings, load
from settings.loading import MINIMAL

CANARY = "c4nary"
EXAMPLE = Path(__file__).parents[2] / "config.example.toml"

#: A configuration that is accepted, with a canary in every text that may be any text.
ACCEPTED = f"""
[server]
host = "{CANARY}"
public_url = "https://{CANARY}.example"
[storage]
url = "postgresql://{CANARY}:{CANARY}@{CANARY}/{CANARY}"
[sources.parley]
kind = "parley"
auth = ["hmac", "shared-secret"]
signature_header = "{CANARY}"
secret_header = "X-{CANARY}"
prefix = "{CANARY}"
secrets = ["{CANARY}{CANARY}{CANARY}", {{ label = "{CANARY}", value = "${{FROM_ENVIRONMENT}}" }}]
categories = {{ "Closed" = "other" }}
volatile = ["{CANARY}"]
fields = {{ id = "{CANARY}" }}
[channels.mail]
url = "mailtos://u:{CANARY}@{CANARY}.example"
to = ["{CANARY}@example.com"]
[channels.slack]
urls = ["slack://{CANARY}", "${{FROM_ENV_FILE}}"]
[channels.practice]
webhook = "https://{CANARY}.example/{CANARY}"
secret = "whsec_{CANARY * 6}"
[[rules]]
name = "{CANARY}"
notify = ["mail"]
[rules.when]
type = "{CANARY}"
text = ["{CANARY}", "/{CANARY}/"]
owner = "{CANARY}"
team = "{CANARY}"
matter = "{CANARY}"
label = "{CANARY}"
[ops]
notify = "mail"
[alerts]
schemas = ["{CANARY}", "https"]
"""
ENVIRON = {"FROM_ENVIRONMENT": CANARY * 3}
ENV_FILE = f"FROM_ENV_FILE=slack://{CANARY}\nCASEBELL_SOURCES__PARLEY__STRICT=true\n"


def to_toml(value: Any) -> str:
    """Any data as TOML in one line; JSON's texts are TOML's."""
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {to_toml(entry)}" for key, entry in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(to_toml(entry) for entry in value) + "]"
    return json.dumps(value)


def spoiled(node: Any) -> Iterator[Any]:
    """Copies of the data with a canary in one wrong place each."""
    yield from (CANARY, [CANARY], {"key": CANARY}, [[CANARY]], [{"key": CANARY}])
    if isinstance(node, dict):
        for key, value in node.items():
            yield from ({**node, key: copy} for copy in spoiled(value))
        yield {**node, "unknown": CANARY}
        yield {**node, "unknown": {"key": [CANARY]}}
    if isinstance(node, list):
        for place, value in enumerate(node):
            yield from ([*node[:place], copy, *node[place + 1 :]] for copy in spoiled(value))
        yield [*node, CANARY]


def everything_said(error: ConfigError) -> str:
    """All that a log, a terminal or a traceback could show of it."""
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = [str(error), repr(error), repr(error.problems), repr(error.args), error.hint]
    return "\n".join([*shown, *traceback.format_exception(error)])


def outcome(folder: Path, text: str, environ: dict[str, str]) -> Settings | ConfigError:
    (folder / "config.toml").write_text(text)
    try:
        return load(folder / "config.toml", environ=environ)
    except ConfigError as error:
        return error


def assert_silent(result: Settings | ConfigError) -> None:
    said = (
        everything_said(result) if isinstance(result, ConfigError) else repr(result) + str(result)
    )
    assert CANARY not in said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".env").write_text(ENV_FILE)
    return tmp_path


def test_settings_hide_their_texts(folder: Path) -> None:
    """Secrets, URLs, recipients and labels are there, and no repr or str shows them."""
    result = outcome(folder, ACCEPTED, ENVIRON)
    assert isinstance(result, Settings)
    assert CANARY in result.sources["parley"].secrets[0].value.get_secret_value()
    assert CANARY in result.channels["slack"].urls[1].get_secret_value()
    assert_silent(result)
    for part in (result.sources["parley"], result.channels["mail"], *result.rules, result.storage):
        assert CANARY not in f"{part!r} {part}"
    assert CANARY not in " ".join(result.warnings)


def test_the_log_of_sources_shows_no_value(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PYDANTIC_SETTINGS_DEBUG asks for a log of all that the sources say."""
    monkeypatch.setenv("PYDANTIC_SETTINGS_DEBUG", "1")
    caplog.set_level(logging.DEBUG)
    assert isinstance(outcome(folder, ACCEPTED, ENVIRON), Settings)
    assert CANARY not in caplog.text


def test_no_wrong_value_is_shown(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A canary of each wrong type in each place of the configuration, one at a time."""
    caplog.set_level(logging.DEBUG)
    data = tomllib.loads(ACCEPTED)
    failures = 0
    for copy in spoiled(data):
        if isinstance(copy, dict):
            text = "\n".join(f"{key} = {to_toml(value)}" for key, value in copy.items())
            result = outcome(folder, text, ENVIRON)
            failures += isinstance(result, ConfigError)
            assert_silent(result)
    assert failures > 200
    assert CANARY not in caplog.text


def test_nothing_is_shown_of_many_problems_at_once(folder: Path) -> None:
    """Every text of the example is a canary; every problem is told and none shows it."""

    def replaced(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: replaced(value) for key, value in node.items()}
        return [replaced(entry) for entry in node] if isinstance(node, list) else CANARY

    data = replaced(tomllib.loads(EXAMPLE.read_text()))
    text = "\n".join(f"{key} = {to_toml(value)}" for key, value in data.items())
    result = outcome(folder, text, ENVIRON)
    assert isinstance(result, ConfigError)
    assert len(result.problems) > 20
    assert_silent(result)


@pytest.mark.parametrize(
    "environ",
    [
        {"CASEBELL_SERVER__PORT": CANARY},
        {"CASEBELL_SERVER__PROT": CANARY},
        {"CASEBELL_STORAGE__URL": f"mysql://{CANARY}"},
        {"CASEBELL_SOURCES__PARLEY__SECRETS": f'["{CANARY}"'},
        {"CASEBELL_SOURCES__PARLEY__SECRETS": f'["{CANARY}"]'},
        {"CASEBELL_SOURCES__PARLEY": CANARY},
        {"CASEBELL_CHANNELS__SLACK__URLS": "${file:nowhere}" + CANARY},
    ],
)
def test_no_variable_is_shown(folder: Path, environ: dict[str, str]) -> None:
    """Overrides that are wrong keep their values to themselves."""
    result = outcome(folder, ACCEPTED, ENVIRON | environ)
    assert isinstance(result, ConfigError)
    assert_silent(result)


@pytest.mark.parametrize("line", [f"'{CANARY}", f"A='{CANARY}", f"CASEBELL_X__Y={CANARY}"])
def test_no_line_of_the_env_file_is_shown(
    folder: Path, caplog: pytest.LogCaptureFixture, line: str
) -> None:
    """Neither by us nor in the log of the library that reads it."""
    caplog.set_level(logging.DEBUG)
    (folder / ".env").write_text(f"{ENV_FILE}{line}\n")
    result = outcome(folder, ACCEPTED, ENVIRON)
    assert isinstance(result, ConfigError)
    assert_silent(result)
    assert CANARY not in caplog.text


def test_no_byte_of_an_unreadable_file_is_shown(folder: Path) -> None:
    """Files that are not UTF-8: the configuration, `.env` and one that a reference names."""
    spoiled_text = f"# {CANARY} ".encode() + b"\xff"
    for name in ("config.toml", ".env", "secret"):
        (folder / "config.toml").write_text(MINIMAL + 'prefix = "${file:secret}"')
        (folder / ".env").write_text("A=1")
        (folder / "secret").write_text("x")
        (folder / name).write_bytes(spoiled_text)
        with pytest.raises(ConfigError) as caught:
            load(folder / "config.toml", environ={})
        assert_silent(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.integers(0, len(ACCEPTED)),
    st.integers(0, 12),
    st.text(alphabet="\"'[]{}=,.#\n\\ x1\x00é", max_size=3),
)
def test_no_syntax_error_shows_the_file(folder: Path, start: int, length: int, new: str) -> None:
    """However the file is damaged, it is read or refused in silence, and nothing else is raised."""
    assert_silent(outcome(folder, ACCEPTED[:start] + new + ACCEPTED[start + length :], ENVIRON))
