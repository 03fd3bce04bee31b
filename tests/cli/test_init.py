"""`casebell init`: a first configuration that is valid, private and nobody else's."""

import os
import re
import stat
from pathlib import Path

import pytest

from casebell.events import Flag
from casebell.settings import load
from cli.installation import Installation
from docs.pages import PAGES


def secrets_in(directory: Path) -> dict[str, str]:
    """Names and values of the generated secrets."""
    return dict(re.findall(r"^(\w+_SECRET)=(.*)$", (directory / ".env").read_text(), re.MULTILINE))


def test_what_it_writes_is_good_at_once(bare: Installation, tmp_path: Path) -> None:
    """`casebell check` accepts it, and it says what to do next with its own path."""
    directory = tmp_path / "new firm" / "casebell"
    ran = bare.run("init", str(directory))
    assert (ran.code, ran.err) == (0, "")
    assert sorted(path.name for path in directory.iterdir()) == [".env", "config.toml"]
    assert f"Wrote {directory / 'config.toml'}" in ran.out
    assert f"casebell serve --config '{directory / 'config.toml'}'" in ran.out
    checked = bare.run("check", "--config", str(directory / "config.toml"))
    assert (checked.code, checked.err) == (0, "")
    assert "nobody is alerted" in checked.out
    assert "sure to hear" not in checked.out
    settings = load(directory / "config.toml", environ={})
    assert set(settings.sources) == {"parley", "torch"}


def test_a_new_wording_is_urgent(bare: Installation, tmp_path: Path) -> None:
    """Of the rules that it writes one asks for the flag, and its alerts go first."""
    bare.run("init", str(tmp_path / "new"))
    rules = load(tmp_path / "new" / "config.toml", environ={}).rules
    (rule,) = [rule for rule in rules if any(when.flags for when in rule.when)]
    assert rule.when[0].flags == (Flag.UNKNOWN_WORDING,)
    assert rule.urgent


def without_marks(text: str, *, first: str, last: str = "") -> str:
    """The file once somebody has taken the marks away, from one line to another."""
    before, step, rest = text.partition(first)
    of_step, end, after = rest.partition(last) if last else (rest, "", "")
    taken = re.sub(r"^# (?=\w+ = |\[|\]|  \{)", "", of_step, flags=re.MULTILINE)
    return f"{before}{step}{taken}{end}{after}"


def test_step_by_step(bare: Installation, tmp_path: Path) -> None:
    """Taking marks away is enough, and `check` says after each step what is left to do."""
    bare.run("init", str(tmp_path))
    file, env = tmp_path / "config.toml", tmp_path / ".env"
    env.write_text(
        re.sub(r"^#(?=\w+=)", "", env.read_text(), flags=re.MULTILINE)
        .replace("services/…", f"services/T00000000/B00000000/{'x' * 24}")
        .replace("'…'", "'a password'")
    )

    def check() -> str:
        ran = bare.run("check", "--config", str(file))
        assert (ran.code, ran.err) == (0, ""), ran.err
        return ran.out

    text = without_marks(file.read_text(), first="# STEP 1", last="# Rules:")
    file.write_text(text.replace("notify = []", 'notify = ["slack-immigration", "email-team"]'))
    first = check()
    assert "ops.notify is empty" in first
    assert "No escalation covers what rule “Answer owed to USCIS” tells of" in first
    file.write_text(without_marks(file.read_text(), first="# STEP 2"))
    second = check()
    assert "ops.notify" not in second
    assert "escalation covers" not in second
    settings = load(file, environ={})
    assert settings.ops.notify == ("email-team",)
    assert list(settings.calendars) == ["office"]
    (escalation,) = settings.escalations
    assert [step.of for step in escalation.steps] == ["office", "office"]


def test_what_comes_next(bare: Installation) -> None:
    """The steps that it prints are those of the file, and of docs/quickstart.md."""
    printed = bare.run("init").out
    file = Path("config.toml").read_text()
    page = PAGES["docs/quickstart.md"]
    for step in ("STEP 1", "STEP 2"):
        assert step in printed
        assert f"# {step}: " in file
        assert step in page
    assert printed.index("STEP 2") < printed.index("casebell check") < printed.index("casebell s")


def test_here(bare: Installation) -> None:
    """Without a directory it writes into this one, and the next commands need no option."""
    ran = bare.run("init")
    assert Path("config.toml").exists()
    assert "--config" not in ran.out
    assert bare.run("check").code == 0


def test_only_the_owner_may_read(bare: Installation, tmp_path: Path) -> None:
    """Both files have mode 0600, whatever the umask is."""
    before = os.umask(0)
    try:
        bare.run("init", str(tmp_path / "new"))
    finally:
        os.umask(before)
    for name in ("config.toml", ".env"):
        assert stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) == 0o600


def test_secrets_are_long_and_never_the_same(bare: Installation, tmp_path: Path) -> None:
    """Each is 32 random bytes, none is used twice, and none is printed or in config.toml."""
    seen: set[str] = set()
    for name in ("one", "two", "three"):
        ran = bare.run("init", str(tmp_path / name))
        secrets = secrets_in(tmp_path / name)
        assert set(secrets) == {"PARLEY_WEBHOOK_SECRET", "TORCH_WEBHOOK_SECRET"}
        for secret in secrets.values():
            assert re.fullmatch(r"[\w-]{43}", secret)
            assert secret not in ran.out + (tmp_path / name / "config.toml").read_text()
        seen |= set(secrets.values())
    assert len(seen) == 6


@pytest.mark.parametrize("name", ["config.toml", ".env"])
@pytest.mark.parametrize("kind", ["file", "dangling link", "directory"])
def test_it_never_overwrites(bare: Installation, tmp_path: Path, name: str, kind: str) -> None:
    """One of the two is enough to write neither: nothing in the directory changes."""
    there, elsewhere = tmp_path / "there" / name, tmp_path / "elsewhere"
    there.parent.mkdir()
    if kind == "file":
        there.write_text("mine")
    elif kind == "directory":
        there.mkdir()
    else:
        there.symlink_to(elsewhere)
    ran = bare.run("init", str(there.parent))
    assert (ran.code, ran.out) == (1, "")
    assert f"{there} exists already; nothing was written." in ran.err
    assert [path.name for path in there.parent.iterdir()] == [name]
    assert not elsewhere.exists()
    assert kind != "file" or there.read_text() == "mine"


def test_where_nothing_can_be_written(bare: Installation, tmp_path: Path) -> None:
    """A directory that is a file, or lies below one, is told in a sentence."""
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        ran = bare.run("init", str(place))
        assert (ran.code, ran.out) == (1, "")
        assert "cannot be written" in ran.err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_configuration_option_changes_nothing(bare: Installation, tmp_path: Path) -> None:
    """`--config` is taken as by every command; it names no place to write to."""
    ran = bare.run("init", str(tmp_path / "new"), "--config", str(tmp_path / "other.toml"))
    assert ran.code == 0
    assert not (tmp_path / "other.toml").exists()
