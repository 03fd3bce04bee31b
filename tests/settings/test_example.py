"""`config.example.toml` and `docs/configuration.md` say what the models say."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casebell.events import Flag, Status, Tag
from casebell.route.coverage import gaps_of
from casebell.settings import (
    Alerts,
    ChannelSettings,
    FieldMap,
    Ops,
    Routing,
    Rule,
    ServerSettings,
    Settings,
    SourceSecret,
    SourceSettings,
    Storage,
    When,
    Wording,
    load,
)
from casebell.settings.calendars import CalendarSettings, Digest, Step
from casebell.settings.models import (
    Cases,
    Console,
    Document,
    Escalation,
    Oidc,
    PersonSettings,
)
from casebell.settings.places import inside, is_list, keys_of
from casebell.settings.upstream import ApiPaths, UpstreamSettings
from casebell.settings.values import Part

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "config.example.toml").read_text(encoding="utf-8")
DOCUMENT = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")

ENVIRON = {
    "PARLEY_WEBHOOK_SECRET": "0123456789abcdef",
    "TORCH_WEBHOOK_SECRET": "fedcba9876543210",
    "SLACK_URL": "slack://a/b/c",
    "SMTP_PASSWORD": "pw",
    "OIDC_SECRET": "of-the-provider",
    "HEARTBEAT_URL": "https://watch.example.com/ping/1",
}

#: A heading of the reference, and the model whose keys stand under it.
SECTIONS: dict[str, type[Part]] = {
    "## `[server]`": ServerSettings,
    "## `[console]`": Console,
    "### `[console.oidc]`": Oidc,
    "## `[storage]`": Storage,
    "## `[sources.<name>]`": SourceSettings,
    "### Entries of `secrets`": SourceSecret,
    "### `[sources.<name>.fields]`": FieldMap,
    "## `[channels.<name>]`": ChannelSettings,
    "### The table `digest`": Digest,
    "## `[people.<id>]`": PersonSettings,
    "## `[cases]`": Cases,
    "## `[calendars.<name>]`": CalendarSettings,
    "## `[[escalations]]`": Escalation,
    "### Entries of `steps`": Step,
    "## `[[rules]]`": Rule,
    "### Conditions: `when`": When,
    "## `[[wordings]]`": Wording,
    "## `[ops]`": Ops,
    "## `[upstream.<name>]`": UpstreamSettings,
    "### The table `paths`": ApiPaths,
    "## `[routing]`": Routing,
    "## `[alerts]`": Alerts,
}


def with_defaults() -> str:
    """The example with every `# key = value` and `# [table]` in force."""
    return re.sub(r"^# (\w+ = .*|\[.*\])$", r"\1", EXAMPLE, flags=re.MULTILINE)


def with_examples() -> str:
    """The example with every `#e.g.` line in force instead of a key that it replaces."""
    shown = set(re.findall(r"^#e\.g\. (\w+) = ", EXAMPLE, flags=re.MULTILINE))
    secrets = 'secrets = ["${PARLEY_WEBHOOK_SECRET}"]\n'
    assert "secrets" in shown
    return re.sub(r"^#e\.g\. ", "", EXAMPLE.replace(secrets, "", 1), flags=re.MULTILINE)


def loaded(folder: Path, text: str) -> Settings:
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return load(file, environ=ENVIRON)


def keys_used(node: Any, annotation: object) -> Iterator[tuple[object, str]]:
    """Every (model, key) in the data; a key that no model has fails."""
    if isinstance(node, list):
        for entry in node:
            yield from keys_used(entry, inside(annotation, 0))
    if isinstance(node, dict):
        if is_list(annotation):  # the only one of a list of tables
            annotation = inside(annotation, 0)
        for key, value in node.items():
            if keys_of(annotation):
                assert key in keys_of(annotation)
                yield annotation, key
            yield from keys_used(value, inside(annotation, key))


def test_the_example_works_as_it_stands(tmp_path: Path) -> None:
    """With the variables it names set it is accepted without a warning."""
    settings = loaded(tmp_path, EXAMPLE)
    assert settings.warnings == ()
    assert list(gaps_of(settings)) == []
    assert set(re.findall(r"^[^#\n]*\$\{(\w+)\}", EXAMPLE, flags=re.MULTILINE)) < set(ENVIRON)
    assert settings.storage.sqlite_path == tmp_path / "casebell.db"


def test_rfes_and_notices_of_intent_are_urgent(tmp_path: Path) -> None:
    """The first rule takes the status and the tag, so that a notice under `other` alerts too."""
    first = loaded(tmp_path, EXAMPLE).rules[0]
    assert first.urgent
    assert first.notify
    assert (first.when[0].status, first.when[1].tags) == ((Status.RFE_ISSUED,), (Tag.DEADLINE,))


def test_every_commented_value_is_the_default(tmp_path: Path) -> None:
    """Taking all the comment marks away changes nothing."""
    plain, complete = loaded(tmp_path, EXAMPLE), loaded(tmp_path, with_defaults())
    assert plain.model_dump(exclude={"sha256"}) == complete.model_dump(exclude={"sha256"})
    assert len(with_defaults()) < len(EXAMPLE) - 80


def test_every_key_is_in_the_example() -> None:
    """A key that a model gains must be shown, as a default or as an example."""
    shown = {
        (model, key)
        for text in (with_defaults(), with_examples())
        for model, key in keys_used(tomllib.loads(text), Document)
    }
    known = {(model, key) for model in SECTIONS.values() for key in keys_of(model)}
    parts = {(Document, key) for key in keys_of(Document)}
    assert shown == known | parts | {(SourceSettings, "fields"), (Rule, "when")}


def rows(heading: str) -> dict[str, str]:
    """Keys in the table under a heading, and what their default column holds."""
    section = DOCUMENT.split(f"\n{heading}\n", 1)[1].split("\n##", 1)[0]
    cells = re.findall(r"^\| `(\w+)` \|([^|]*)\| \S", section, flags=re.MULTILINE)
    assert len(cells) == len(dict(cells)), "a key is documented twice"
    return {key: default.strip() for key, default in cells}


@pytest.mark.parametrize(("heading", "model"), SECTIONS.items())
def test_every_key_is_documented(heading: str, model: type[Part]) -> None:
    """The reference has a row for each key of a section, and no other."""
    assert set(rows(heading)) == set(keys_of(model))


def test_every_section_is_documented() -> None:
    """A section that the file gains needs a heading."""
    for section in keys_of(Document):
        assert re.search(rf"^## `\[+{section}\b", DOCUMENT, flags=re.MULTILINE), section


@pytest.mark.parametrize(("heading", "model"), SECTIONS.items())
def test_documented_defaults_are_the_models(heading: str, model: type[Part]) -> None:
    """A default in the reference, read as TOML, makes the model's own default."""
    required = {
        "id": "i",
        "name": "n",
        "kind": "parley",
        "when": {},
        "notify": ["chat"],
        "open": ["mon-fri 08:00-18:00"],
        "steps": [{"after": "2h", "notify": ["chat"]}],
        "after": "2h",
        "at": "08:00",
        "calendar": "office",
        "value": "v",
        "label": "l",
        "says": "s",
        "status": "other",
        "issuer": "https://id.example-firm.com",
        "client_id": "c",
        "client_secret": "s",
        "source": "parley",
        "base": "https://api.example.com",
        "token": "t",
    }
    fields = model.model_fields
    given = {key: required[key] for key in fields if fields[key].is_required()}
    plain = model.model_validate(given)
    for key, cell in rows(heading).items():
        if cell == "required":
            # `secrets` is required by a check of the whole: an empty list protects nothing.
            assert model.model_fields[key].is_required() or key == "secrets"
        elif cell.startswith("`"):
            default = tomllib.loads(f"{key} = {cell.strip('`')}")
            assert getattr(model.model_validate(given | default), key) == getattr(plain, key), key
        else:
            value = getattr(plain, key)
            assert value in (None, (), "l", FieldMap(), ("hmac",)), f"{key} has a default"


def test_every_word_for_conditions_is_documented() -> None:
    """Statuses, tags and flags are listed where conditions are explained."""
    section = DOCUMENT.split("### Conditions: `when`", 1)[1]
    for word in (*Status, *Tag, *Flag):
        assert f"`{word}`" in section
