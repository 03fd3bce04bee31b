"""`${NAME}` and `${file:path}`."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.settings.interpolation import Interpolation
from settings.loading import MINIMAL, ReadConfig, ReadProblems


def fill(text: str, variables: dict[str, str], base_dir: Path = Path()) -> str:
    """One text, filled in without a finding."""
    interpolation = Interpolation(variables=variables, base_dir=base_dir)
    filled = interpolation.fill(text)
    assert interpolation.findings == []
    return str(filled)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("${A}", "one"),
        ("x${A}y${B}z", "xoneytwoz"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A $ {A} $", "$A $ {A} $"),
        ("${EMPTY}", ""),
        ("${NESTED}", "${A}"),
    ],
)
def test_references_in_a_text(text: str, filled: str) -> None:
    """References are filled in once, wherever they stand; `$${` writes `${`."""
    variables = {"A": "one", "B": "two", "EMPTY": "", "NESTED": "${A}"}
    assert fill(text, variables) == filled


@given(st.text())
def test_an_escaped_text_comes_back(text: str) -> None:
    """Any text without a dollar sign before `${` can be written by escaping `${`."""
    if "$${" not in text:
        assert fill(text.replace("${", "$${"), {}) == text


@given(st.text(alphabet="${}:afileA\n.x"))
def test_any_text_is_filled_in_or_found(text: str) -> None:
    """No text breaks the filling in: what is no reference is a finding."""
    interpolation = Interpolation(variables={"A": "one"}, base_dir=Path("/nowhere"))
    filled = interpolation.fill(text)
    assert isinstance(filled, str)
    if "${" not in text:
        assert filled == text
        assert not interpolation.findings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("mailtos://u:${A}@host", "P@5678"),
        ("mailtos://u:${A}@host", "Ab1#9z"),
        ("mailtos://u:${A}@host", "Ab1%49z"),
        ("mailtos://u:${A}@host", "a:b/c?d&e;f g"),
        ("mailtos://${A}:${B}@host", "u:v"),
        ("postgresql://u:${A}@host/db", "a/b"),
        ("jsons://${A}/x", "u:p@host"),
        ("jsons://host/${A}", "a/b"),
        ("jsons://host/x?-v=${A}&-w=1", "1&-w=2"),
        ("jsons://host/x?-v=${A}", " 1"),
        ("mailtos://u:${A}@host", ""),
        ("mailtos://u:${A|url}@host", ""),
    ],
)
def test_a_value_that_would_cut_a_url_is_refused(text: str, value: str) -> None:
    """The cure is named, the value never."""
    interpolation = Interpolation(variables={"A": value, "B": "pw"}, base_dir=Path())
    interpolation.fill(text)
    (finding,) = interpolation.findings
    assert "The value of A " in finding.message
    assert value == "" or "${A|url}" in finding.hint
    assert value == "" or value not in finding.message + finding.hint


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "mailtos://u:p@host/?to=a#b"),
        ("${A}?from=x", "mailtos://u:p@host"),
        ("mailtos://${A}", "smtp.example.com:587"),
        ("mailtos://host?from=${A}", "RFE Team <casebell@example.com>"),
        ("mailtos://u:${A}@host", "Ab1!$&'()*+,;=-._~9z"),
        ("a secret: ${A}", "P@5 #678"),
    ],
)
def test_a_value_that_a_url_takes_as_it_is(text: str, value: str) -> None:
    """What means nothing in its place needs no encoding; nor does a whole URL or another text."""
    assert fill(text, {"A": value}) == text.replace("${A}", value)


@given(st.text(min_size=1))
def test_an_encoded_value_comes_back(value: str) -> None:
    """From a URL's login, whatever the characters."""
    filled = fill("mailtos://${A|url}:${A|url}@host.example/x", {"A": value})
    login = urlsplit(filled)
    assert (login.hostname, unquote(login.password or "")) == ("host.example", value)


def test_a_file_may_be_encoded_too(tmp_path: Path) -> None:
    """The one line end at its end is gone before that."""
    (tmp_path / "secret").write_text("P@5 #9\n")
    assert fill("${file:secret|url}", {}, tmp_path) == "P%405%20%239"
    interpolation = Interpolation(variables={}, base_dir=tmp_path)
    interpolation.fill("mailtos://u:${file:secret}@host")
    (finding,) = interpolation.findings
    assert finding.message.startswith("The file secret holds a character")
    assert "${file:secret|url}" in finding.hint


def test_there_is_one_encoding() -> None:
    """Another word after the bar is no reference."""
    interpolation = Interpolation(variables={"A": "one"}, base_dir=Path())
    interpolation.fill("${A|html}")
    assert len(interpolation.findings) == 1


def test_nested_texts_are_filled_in(read: ReadConfig) -> None:
    """Lists, tables in lists and tables of tables are reached."""
    settings = read(
        MINIMAL
        + """
        [channels.mail]
        url = "mailtos://u:${PASSWORD}@host.example"
        to = ["${WHO}@host.example"]
        [[rules]]
        name = "a"
        when = [{ owner = "${WHO}" }]
        notify = []
        """,
        {"PASSWORD": "pw", "WHO": "jo"},
    )
    mail = settings.channels["mail"]
    assert mail.urls[0].get_secret_value() == "mailtos://u:pw@host.example"
    assert mail.to == ("jo@host.example",)
    assert settings.rules[0].when[0].owner == ("jo",)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"0123456789abcdef", "0123456789abcdef"),
        (b"0123456789abcdef\n", "0123456789abcdef"),
        (b"0123456789abcdef\r\n", "0123456789abcdef"),
        (b"0123456789abcdef\n\n", "0123456789abcdef\n"),
    ],
)
def test_a_files_content_loses_one_newline(tmp_path: Path, content: bytes, value: str) -> None:
    """Editors end a file with a newline; what else stands there belongs to the secret."""
    (tmp_path / "secret").write_bytes(content)
    assert fill("${file:secret}", {}, tmp_path) == value
    assert fill(f"${{file:{tmp_path / 'secret'}}}", {}, Path("/elsewhere")) == value


def test_what_is_missing_names_key_and_variable(problems: ReadProblems) -> None:
    """A variable that is not set and a file that is not there are told of where they are used."""
    found = problems(
        """
        [sources.parley]
        kind = "parley"
        secrets = ["${PARLEY_SECRET}", { value = "${file:secrets/parley}" }]
        [channels.a]
        url = "${not a name}"
        """
    )
    assert "PARLEY_SECRET" in found["sources.parley.secrets[1]"].message
    assert "secrets/parley" in found["sources.parley.secrets[2].value"].message
    assert "No such file" in found["sources.parley.secrets[2].value"].message
    assert "`$${`" in found["channels.a.url"].hint
    assert len(found) == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\xff\xfe", "not UTF-8"), (b"x" * (64 * 1024 + 1), "larger than 64 KiB")],
)
def test_a_file_that_cannot_be_a_secret(tmp_path: Path, content: bytes, reason: str) -> None:
    """Binary and very large files are found, not taken in."""
    (tmp_path / "file").write_bytes(content)
    interpolation = Interpolation(variables={}, base_dir=tmp_path)
    interpolation.fill({"key": ["${file:file}"]})
    (finding,) = interpolation.findings
    assert finding.loc == ("key", 0)
    assert reason in finding.message


def test_a_directory_is_no_secret(tmp_path: Path) -> None:
    """Only regular files are read: anything else could block for ever."""
    interpolation = Interpolation(variables={}, base_dir=tmp_path)
    interpolation.fill("${file:.}")
    assert "no regular file" in interpolation.findings[0].message
