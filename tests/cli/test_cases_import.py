"""`casebell cases import`, `set` and `export`: the firm's list in, mended, and out again."""

from pathlib import Path

from cli.installation import Installation, serving
from cli.test_json_keys import KEYS
from contracts.stores import store_in

R1, R2, R3 = "IOE0912345678", "EAC2190054321", "EAC2190054322"
LIST = f"""\ufeffReceipt #;Assigned To;Title;Phone
{R1};Jia Chan;Gomez;555
{R2};ana@example-firm.com;=Müller;556
3.09E+12;Jia Chan;Kim;557
"""
REASON = "The receipt number is a rounded number such as 3.09E+12"


def write(installation: Installation, text: str = LIST, *, encoding: str = "cp1252") -> Path:
    """The list as a file."""
    path = installation.directory / "cases.csv"
    path.write_bytes(text.encode(encoding, "ignore"))
    return path


def test_a_list_with_a_server(installation: Installation) -> None:
    """The command reads it, and the server puts the rows; its journal names who did."""
    path = write(installation)
    with serving(installation):
        dry = installation("cases", "import", str(path), "--dry-run")
        assert dry.out.endswith("2 cases in the list: 2 new, 0 changed, 0 unchanged.\n")
        done = installation("cases", "import", str(path), "--by", "Jo")
        assert (done.code, REASON in done.err) == (1, True)
    ((count,),) = installation.rows("SELECT count(*) FROM cases WHERE listed_at IS NOT NULL")
    assert count == 2
    ((data,),) = installation.rows("SELECT data FROM journal WHERE kind = 'cases.imported'")
    assert '"by":"Jo"' in data


def test_a_list(installation: Installation) -> None:
    """A dry run, the import, the rest of it mended, and the same once more."""
    path = write(installation)
    problems = path.with_name("cases.csv.problems.csv")
    dry = installation("cases", "import", str(path), "--dry-run")
    assert (dry.code, problems.exists()) == (1, True)
    assert dry.out == (
        "Columns that mean nothing here, of which nothing is kept: Phone.\n"
        "The file was read as Windows-1252.\n"
        "Nothing was imported. 2 cases in the list: 2 new, 0 changed, 0 unchanged.\n"
    )
    assert "1 line would be left out." in dry.err
    assert f"line 4: {REASON}" in dry.err
    assert installation.rows("SELECT count(*) FROM cases WHERE listed_at IS NOT NULL") == [(0,)]
    problems.chmod(0o644)
    done = installation("cases", "import", str(path), "--by", "Jo")
    assert done.code == 1
    assert done.out.splitlines()[-1] == "2 cases in the list: 2 new, 0 changed, 0 unchanged."
    assert problems.stat().st_mode & 0o777 == 0o600
    text = problems.read_text("utf-8")
    assert text.startswith("reason,line,receipt,label,owner,apostrophes_in\n")
    assert "555" not in text
    assert "557" not in text
    problems.write_text(text.replace("3.09E+12", R3), encoding="utf-8")
    mended = path.with_name("mended.csv")
    problems.rename(mended)
    assert installation("cases", "import", str(mended)).code == 0
    assert not mended.with_name("mended.csv.problems.csv").exists()
    (answer,) = installation("cases", "import", str(mended), "--json").lines()
    assert (answer["unchanged"], answer["ignored"]) == (1, ["reason", "line"])
    assert list(answer) == KEYS["cases import"]
    shown = installation("cases", "show", R2).out
    assert "label: =Müller" in shown
    assert "owner: ana@example-firm.com" in shown
    ((actor, data),) = installation.rows(
        "SELECT actor, data FROM journal WHERE kind = 'cases.imported' ORDER BY seq LIMIT 1"
    )
    assert actor.startswith("cli:")
    assert '"by":"Jo"' in data


def test_lists_of_cases(installation: Installation) -> None:
    """What deliveries alone tell of, and what they have told nothing of."""
    installation("cases", "import", str(write(installation)))

    def listed(option: str) -> list[str]:
        return [one["receipt"] for one in installation("cases", "list", "--json", option).lines()]

    assert listed("--unlisted") == ["LIN2290054321", "WAC2190054321"]
    assert listed("--silent") == [R2]


def test_an_export_is_a_list(installation: Installation, bare: Installation) -> None:
    """Another installation takes it, and then gives the same."""
    installation("cases", "import", str(write(installation)))
    installation("cases", "set", R2, "confidential=yes", "team='x; =y")
    out = installation.directory / "out.csv"
    assert installation("cases", "export", "--out", str(out)).code == 0
    assert "'=Müller" in out.read_text("utf-8")
    # With its tables, which only a server makes.
    store_in(bare.directory)
    assert bare("cases", "import", str(out)).code == 0
    *rows, _ = bare("cases", "export").out.splitlines()
    assert rows == out.read_text("utf-8").splitlines()[:-1]


def test_one_case(installation: Installation) -> None:
    """Only what is named is changed; an empty value clears."""
    said = installation("cases", "set", R1, "owner=Jia Chan", "label=a=b", "--by", "Jo")
    assert said.out == f"Case {R1} is as you said.\n"
    (case,) = installation("cases", "set", R1, "owner=", "--json").lines()
    assert (case["owner"], case["label"]) == (None, "a=b")
    assert list(case) == KEYS["cases set"]
    for wrong in (["owner"], ["owner=a", "owner=b"], ["status=denied"], ["owner_email=x"]):
        assert installation("cases", "set", R1, *wrong).code == 2
    assert installation("cases", "set", R2, "label=x").code == 1


def test_what_cannot_be_read(installation: Installation) -> None:
    """A sentence and exit code 1; a file of problems that is none of ours is left alone."""
    path = write(installation)
    missing = installation("cases", "import", str(path.with_name("none.csv")))
    assert (missing.code, missing.out) == (1, "")
    assert "cannot be read: No such file or directory." in missing.err
    book = path.with_name("book.csv")
    book.write_bytes(b"PK\x03\x04")
    ran = installation("cases", "import", str(book))
    assert ran.code == 1
    assert "save or export it as CSV" in ran.err
    problems = path.with_name("cases.csv.problems.csv")
    problems.symlink_to(installation.config)
    ran = installation("cases", "import", str(path))
    assert ran.code == 1
    assert "The lines that were left out are in no file" in ran.err
    assert "[sources.parley]" in installation.config.read_text()
    problems.unlink()
    problems.write_text("mine")
    write(installation, f"receipt\n{R1}\n")
    assert installation("cases", "import", str(path)).code == 0
    assert problems.read_text() == "mine"
