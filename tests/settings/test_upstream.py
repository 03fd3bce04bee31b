"""The keys of the provider's API: what may be written, and what its own variables fill in."""

from pathlib import Path

import pytest

from casebell.errors import ConfigError
from casebell.settings import load
from casebell.settings.models import Settings

SOURCE = '[sources.parley]\nkind = "parley"\n'
SECRETS = 'secrets = ["a secret that is long enough"]\n'
API = '[upstream.parley]\nkind = "parley"\nsource = "parley"\n'
REACHED = 'base = "https://api.example.com"\ntoken = "tok_1"\n'


def loaded(directory: Path, text: str, **environ: str) -> Settings:
    file = directory / "config.toml"
    file.write_text(text)
    file.chmod(0o600)
    return load(file, environ=environ)


def problems(directory: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(directory, text, **environ)
    return [f"{one.key}: {one.message}" for one in caught.value.problems]


def test_the_defaults_are_those_of_the_page(tmp_path: Path) -> None:
    torch = '[upstream.torch]\nkind = "torch"\nsource = "parley"\n' + REACHED
    found = loaded(tmp_path, SOURCE + SECRETS + API + REACHED + torch).upstream
    assert found["parley"].name == "parley"
    assert (found["parley"].prefix, found["torch"].prefix) == ("/v1", "")
    assert found["torch"].paths.batch == "/case-status/batch"
    assert found["parley"].reconcile is None
    assert "tok_1" not in repr(found)


def test_the_names_of_the_page_fill_in_what_is_absent(tmp_path: Path) -> None:
    parley = {"PARLEY_API_BASE": "https://a.example.com", "PARLEY_API_TOKEN": "tok_a"}
    torch = {"BASE_URL": "https://b.example.com/", "PARLEY_API_KEY": "tok_b"}
    secret = {"PARLEY_WEBHOOK_SECRET": "the secret of the onboarding pack"}
    text = SOURCE + API + '[upstream.torch]\nkind = "torch"\nsource = "parley"\n'
    settings = loaded(tmp_path, text, **parley, **torch, **secret)
    given = {
        name: (one.base, one.token.get_secret_value()) for name, one in settings.upstream.items()
    }
    assert given == {
        "parley": ("https://a.example.com", "tok_a"),
        "torch": ("https://b.example.com", "tok_b"),
    }
    (known,) = settings.sources["parley"].secrets
    assert known.value.get_secret_value() == secret["PARLEY_WEBHOOK_SECRET"]
    written = loaded(tmp_path, SOURCE + SECRETS + API + REACHED, **parley, **torch, **secret)
    assert written.upstream["parley"].base == "https://api.example.com"
    assert [one.label for one in written.sources["parley"].secrets] == ["secret-1"]


def test_variables_alone_make_no_api(tmp_path: Path) -> None:
    found = loaded(tmp_path, SOURCE + SECRETS, PARLEY_API_BASE="https://a", PARLEY_API_TOKEN="t")
    assert found.upstream == {}


def test_the_secret_of_a_subscription_is_one_more(tmp_path: Path) -> None:
    text = SOURCE + SECRETS + API + REACHED + 'secret_file = "parley.secret"\n'
    before = loaded(tmp_path, text)
    assert [one.label for one in before.sources["parley"].secrets] == ["secret-1"]
    assert before.upstream["parley"].secret_file == tmp_path / "parley.secret"
    (tmp_path / "parley.secret").write_text("the secret of our own subscription\n")
    after = loaded(tmp_path, text).sources["parley"].secrets
    assert [one.label for one in after] == ["secret-1", "subscription"]
    assert after[1].value.get_secret_value() == "the secret of our own subscription"


def test_several_secrets_are_told_apart(tmp_path: Path) -> None:
    """One a line, the oldest first; two APIs of one source may have a file each, or share one."""
    again = API.replace("[upstream.parley]", "[upstream.again]") + REACHED
    first, second = "the secret of the first one", "the secret of the second one"
    (tmp_path / "a.secret").write_text(f"{first}\n\n{second}\n")
    for other, labels in (
        ("a.secret", ["secret-1", "subscription", "subscription-2"]),
        ("b.secret", ["secret-1", "subscription", "subscription-2", "subscription-3"]),
    ):
        (tmp_path / "b.secret").write_text("the secret of another tenant")
        text = SOURCE + SECRETS + API + REACHED + 'secret_file = "a.secret"\n'
        found = loaded(tmp_path, text + again + f'secret_file = "{other}"\n')
        secrets = found.sources["parley"].secrets
        assert [one.label for one in secrets] == labels
        assert [one.value.get_secret_value() for one in secrets[1:3]] == [first, second]


def test_a_secret_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    text = SOURCE + SECRETS + API + REACHED + 'secret_file = "parley.secret"\n'
    (tmp_path / "parley.secret").mkdir()
    assert problems(tmp_path, text) == [
        "upstream.parley.secret_file: This file cannot be read: Is a directory."
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('base = "http://api.example.com"', "base: The token would travel unencrypted."),
        ('base = "api.example.com"', "base: This is no address of an API."),
        ('base = "https://u:p@api.example.com"', "base: This is no address of an API."),
        ('base = "https://api.example.com?x=1"', "base: This is no address of an API."),
        (
            'base = "https://api.example.com/v1"',
            "base: This ends with the version, which `prefix` adds once more.",
        ),
        ('token = "Bearer tok_1"', "token: This is no token."),
        ('token = ""', "token: This is no token."),
        ('kind = "uscis"', "kind: This must be 'parley' or 'torch'."),
        ('source = "parly"', "source: There is no such source."),
        ('prefix = "v1"', "prefix: This is no path."),
        ("per_minute = 0", "per_minute: This must be at least 1."),
        ('reconcile = "10s"', "reconcile: This must be at least 1 minute."),
        ('paths = { evnts = "/events" }', "paths.evnts: There is no such key."),
    ],
)
def test_wrong_values(tmp_path: Path, line: str, problem: str) -> None:
    key = line.split(" ", maxsplit=1)[0]
    lines = (API + REACHED).splitlines()
    kept = "\n".join(one for one in lines if not one.startswith(f"{key} "))
    found = problems(tmp_path, f"{SOURCE}{SECRETS}{kept}\n{line}\n")
    assert found == [f"upstream.parley.{problem}"]


def test_a_source_that_verifies_no_signatures_takes_no_secret(tmp_path: Path) -> None:
    """The key that is wrong is named, and not the secret that was read."""
    (tmp_path / "parley.secret").write_text("the secret of our own subscription\n")
    torch = SOURCE.replace('"parley"', '"torch"') + 'header = "X-Secret"\n' + SECRETS
    (told,) = problems(tmp_path, torch + API + REACHED + 'secret_file = "parley.secret"\n')
    assert told.startswith("upstream.parley.secret_file: The secret of a subscription signs, and")


def test_this_machine_alone_needs_no_encryption(tmp_path: Path) -> None:
    text = SOURCE + SECRETS + API + 'base = "http://127.0.0.1:8090"\ntoken = "t"\n'
    assert loaded(tmp_path, text).upstream["parley"].base == "http://127.0.0.1:8090"
