"""Files that every user of the machine may write, or read secrets from."""

from pathlib import Path

import pytest

from casebell.settings import exposed, load
from settings.loading import MINIMAL

SECRET = "0123456789abcdef"
MAIL = '[channels.a]\nurl = "mailtos://smtp.example.com?from=a@b.com"\nto = "c@d.com"\n'
REFERRING = MINIMAL.replace(SECRET, "${SECRET}")


@pytest.mark.parametrize(
    ("name", "config", "mode", "words"),
    [
        ("config.toml", REFERRING, 0o644, None),
        ("config.toml", REFERRING, 0o646, "can be written"),
        ("config.toml", MINIMAL, 0o644, "holds secrets and can be read"),
        ("config.toml", MINIMAL, 0o640, None),
        ("config.toml", MINIMAL + "[channels.a]\nurl = 'json://localhost'", 0o600, None),
        ("config.toml", REFERRING + MAIL, 0o644, None),
        ("config.toml", REFERRING + MAIL.replace("//", "//u:p@"), 0o644, "holds secrets"),
        (".env", REFERRING, 0o644, "holds secrets and can be read"),
        (".env", REFERRING, 0o666, "can be written"),
        (".env", REFERRING, 0o660, None),
    ],
)
def test_rights(tmp_path: Path, name: str, config: str, mode: int, words: str | None) -> None:
    """The file and the command that mends it; what a group may do is the operator's business."""
    file, env_file = tmp_path / "config.toml", tmp_path / ".env"
    file.write_text(config)
    env_file.write_text(f"SECRET='{SECRET}'\n")
    file.chmod(0o600)
    env_file.chmod(0o600)
    (tmp_path / name).chmod(mode)
    found = list(exposed(file))
    warned = [one for one in load(file, environ={}).warnings if "every user" in one]
    assert warned == [str(one) for one in found]
    if words is None:
        assert found == []
        return
    (one,) = found
    assert words in one.what
    assert str(tmp_path / name) in one.what
    assert one.then.startswith("chmod o-")
    assert SECRET not in str(one)


def test_what_is_not_there(tmp_path: Path) -> None:
    """No file, no finding."""
    assert list(exposed(tmp_path / "config.toml")) == []
