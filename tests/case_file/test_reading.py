"""Lists of cases as other products leave them: every line is a row or a problem."""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from casebell.case_file import CaseFile, Column, Facts, Problem, Row, read, reading
from casebell.case_file.columns import HEADINGS
from casebell.case_file.reading import MAX_BYTES
from casebell.errors import UnusableCaseFile
from casebell.uscis.receipts import canonical
from docs.pages import code_in, section

R1, R2, R3 = "IOE0912345678", "EAC2190054321", "WAC2190054322"


def parsed(content: bytes | str) -> CaseFile:
    """A list that can be read."""
    return read(content.encode() if isinstance(content, str) else content)


def rows(content: bytes | str) -> dict[str, Facts]:
    """What each receipt number has; nothing is left out."""
    lines = list(parsed(content).lines())
    assert not [one for one in lines if isinstance(one, Problem)]
    return {one.receipt: one.facts for one in lines if isinstance(one, Row)}


def problems(content: bytes | str) -> dict[int, str]:
    """What is wrong, by line."""
    return {one.line: one.reason for one in parsed(content).lines() if isinstance(one, Problem)}


def test_every_heading_of_other_products() -> None:
    """In any case, width and punctuation, each means its column."""
    for column, headings in HEADINGS.items():
        for heading in (column, *headings):
            for spelled in (
                heading,
                heading.upper(),
                f" {heading.title()}: ",
                heading.replace(" ", "_"),
                heading.replace(" ", "-"),
                heading.replace("o", "\uff4f"),
            ):
                if column is Column.RECEIPT:
                    assert set(rows(f"{spelled}\n{R1}\n")) == {R1}, spelled
                else:
                    value = "x@y.example" if column is Column.OWNER_EMAIL else "yes"
                    (facts,) = rows(f"Receipt #,{spelled}\n{R1},{value}\n").values()
                    assert list(facts) == [column], spelled


def test_the_contract_has_every_heading() -> None:
    """Whoever exports a list reads there what a column may be called."""
    table = section("docs/contract.md", "## Lists of cases")
    found = {
        code_in(column)[0]: set(headings.split(", "))
        for column, headings in re.findall(r"^\| (`\w+`) \| (.*) \|$", table, re.MULTILINE)
    }
    assert found.pop("owner_email") == {"owner email"}
    ours = {column: set(given) for column, given in HEADINGS.items() if given}
    bare = {column: {one.replace("_", " ") for one in given} for column, given in found.items()}
    assert bare == ours


def test_unknown_columns_are_named_and_nothing_else_of_them_is_kept() -> None:
    """Neither in a row nor in a problem."""
    content = f"Receipt,A-Number,,Label\n{R1},A099,secret,Gomez\nnone,A098,secret,Ruiz\n"
    file = parsed(content)
    assert file.ignored == ["A-Number", "column 3"]
    row, problem = file.lines()
    assert row == Row(line=2, receipt=R1, facts={Column.LABEL: "Gomez"})
    assert isinstance(problem, Problem)
    assert problem.cells == {Column.RECEIPT: "none", Column.LABEL: "Ruiz"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \r\n", "empty"),
        (b"PK\x03\x04rest", "Excel workbook (.xlsx)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel workbook (.xls)"),
        (b"%PDF-1.7", "PDF"),
        (b"\n<HTML><table>", "HTML"),
        (f"{R1},Gomez\n{R2},Ruiz\n".encode(), "no headings"),
        (b"Label,Owner\nGomez,ana\n", "No column of the first row is the receipt number."),
        (b"Receipt,Owner,OWNER\n", "Two columns have the heading \u201cOwner\u201d."),
        (b",\n;;\n\n", "no headings"),
        (b"Receipt" + b"," * 300, "more than 300 columns"),
        (b'"Receipt', "The first row cannot be read."),
        (b" " * (MAX_BYTES + 1), "more than 32 MiB"),
    ],
)
def test_what_is_no_list(content: bytes, said: str) -> None:
    """It is refused as a whole with a sentence, and nothing of a client stands in it."""
    with pytest.raises(UnusableCaseFile) as caught:
        read(content)
    assert said in caught.value.message
    assert "Gomez" not in f"{caught.value.message} {caught.value.hint}"


def test_a_cell_leaves_clears_or_says() -> None:
    """An empty one leaves, `-` clears, and a missing column says nothing."""
    content = f"receipt,label,owner,confidential\n{R1},,-,\n{R2},-,ana,-\n{R3},x\n"
    assert rows(content) == {
        R1: {"owner": ""},
        R2: {"label": "", "owner": "ana", "confidential": False},
        R3: {"label": "x"},
    }


@pytest.mark.parametrize(
    ("cell", "meant"),
    [
        *((cell, False) for cell in ("no", "No", " N ", "FALSE", "0", "-", "\uff10")),
        *((cell, True) for cell in ("yes", "x", "1", "true", "1367", "unknown", "VAWA", "none")),
    ],
)
def test_what_is_confidential(cell: str, meant: bool) -> None:
    """Whatever is not plainly a no is a yes."""
    assert rows(f"receipt,1367\n{R1},{cell}\n") == {R1: {"confidential": meant}}


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        (" ioe-091-234-5678 ", [R1]),
        (f"'{R1}", [R1]),
        (f'="{R1}"', [R1]),
        (f"{R1}; {R2}", [R1, R2]),
        (f"{R1} {R2}", [R1, R2]),
        (f"{R1}\n{R2}, {R1}", [R1, R2]),
        (f"{R1} and '{R2} / {R3}", [R1, R2, R3]),
        ("IOE 0912 345 678", [R1]),
    ],
)
def test_receipts_of_a_cell(cell: str, found: Sequence[str]) -> None:
    """In any spelling, one or several; each is a case with the same facts."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["receipt", "label"], [cell, "Gomez"]])
    assert rows(file.getvalue()) == {receipt: {"label": "Gomez"} for receipt in found}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("3.09E+12,x", "Format the column as text"),
        ("3,x", "no letters"),
        ('"3,09E+12",x', "Format the column as text"),
        (",x", "There is no receipt number."),
        ("A123456789,x", "not three letters and ten digits"),
        (f"{R1};IOE1,x", "not three letters and ten digits"),
        (f"{R1},x,y", "more cells than there are headings"),
        (f'{R1},"x" y', "cannot be read: a quotation mark"),
        (f'{R1},"x\n{R2},y\n{R3},"', "a quotation mark may be missing its pair"),
        (f'{R1},"x', "missing its pair"),
        (f"{R1},{'x' * 20_000}", "more than 10,000 characters"),
        (" ".join([R1] * 51) + ",x", "more than 50 receipt numbers"),
    ],
)
def test_a_line_that_is_left_out(line: str, said: str) -> None:
    """It is named with what is wrong; the others are read."""
    (reason,) = problems(f"receipt,label\n{line}\n").values()
    assert said in reason
    assert len(problems(f"receipt,label\nLIN0912345678,a\n{line}\n")) == 1


def test_an_address_that_is_none_and_an_owner_that_is_too_long() -> None:
    """A row that could reach somebody else is left out whole."""
    content = f"receipt,owner,owner email\n{R1},ana,ana at firm\n{R2},{'a' * 255},\n"
    assert problems(content) == {
        2: "The owner_email is no e-mail address.",
        3: "The owner has more than 254 characters.",
    }
    several = ("a@f.com;b@f.com", "RFE<rfe@f.com>", "<rfe@f.com>", "a@b@f.com", "rfe@f.com\u202e,")
    content = "".join(f'{R1},"{one}"\n' for one in several)
    found = problems("receipt,owner email\n" + content).values()
    assert set(found) == {"The owner_email is no e-mail address."}
    assert len(found) == len(several)


def test_a_confidential_case_whose_line_is_left_out() -> None:
    """That it is confidential is taken, last of all; of a line that may be shifted nothing is."""
    file = parsed(
        "receipt,owner,owner email,confidential\n"
        f"{R1};{R2},ana,ana at firm,yes\n"
        f"{R2},ana,,no\n"
        f"{R3},ana,,\n{R3},ben,,x\n"
        f"LIN0912345678,ana,,,yes\nLIN0912345679,ana,at,no\n"
    )
    found = [one for one in file.lines() if isinstance(one, Row)]
    assert [(one.receipt, one.facts) for one in found] == [
        (R2, {Column.OWNER: "ana", Column.CONFIDENTIAL: False}),
        (R3, {Column.OWNER: "ana"}),
        *((receipt, {Column.CONFIDENTIAL: True}) for receipt in (R1, R2, R3)),
    ]


def test_what_is_cut_or_cannot_be_seen() -> None:
    """A label is cut and loses what cannot be seen; how many lines did is counted."""
    file = parsed(f'receipt,label\n{R1},{"x" * 300}\n{R2},"Ana\u202e\x00 \nRuiz"\n{R3},plain\n')
    labels = [one.facts[Column.LABEL] for one in file.lines() if isinstance(one, Row)]
    assert labels == ["x" * 199 + "\u2026", "Ana Ruiz", "plain"]
    assert file.altered == 2


def test_two_headings_of_one_meaning() -> None:
    """The first of them by our order counts, wherever they stand; the others are named."""
    head = "Number,Paralegal,Receipt No,Responsible Attorney,Display Number,Matter"
    content = f"{head}\n17,Kim,{R1},Ana,D-1,M-1\n"
    assert rows(content) == {R1: {Column.OWNER: "Ana", Column.MATTER: "M-1"}}
    assert sorted(read(content.encode()).ignored) == [
        "Display Number (the matter is in Matter)",
        "Number (the receipt is in Receipt No)",
        "Paralegal (the owner is in Responsible Attorney)",
    ]


def test_one_receipt_twice() -> None:
    """The same facts are no problem; other ones are left out, and the first line is named."""
    content = f"receipt,label\n{R1},a\n\n{R1},a\n{R2},c\n{R1},b\n"
    assert problems(content) == {
        6: "Line 2 says something else of the same receipt number already."
    }


def test_empty_rows() -> None:
    """However many a spreadsheet has written, they are nothing; before the headings, a few."""
    lines = list(parsed(f"\n,,\nreceipt,label\n{R1},a\n" + ",\n" * 300_000).lines())
    assert [one for one in lines if one is not None] == [
        Row(line=4, receipt=R1, facts={Column.LABEL: "a"})
    ]
    with pytest.raises(UnusableCaseFile):
        parsed("\n" * 1_001 + "receipt\n")


def test_a_line_without_an_end() -> None:
    """A record is bounded, whether it is one line or many; what follows is read."""
    for line in ("," * 300_000, '"\n",' * 100_000):
        reasons = problems(f"receipt,label\n{R1},a\n{line}\n{R2},b\n")
        assert any("far too long" in reason for reason in reasons.values())
    found = list(parsed(f"receipt\n{R1}\n{',' * 300_000}\n{R2}\n").lines())
    assert isinstance(found[-1], Row)


def test_more_lines_than_a_list_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is one problem."""
    monkeypatch.setattr(reading, "MAX_ROWS", 2)
    *_, last = parsed(f"receipt\n{R1}\n\n{R2}\n{R3}\nWAC2190054323\n").lines()
    assert last == Problem(line=5, reason="The file goes on after 2 lines: divide it.")


def test_formulas_and_apostrophes_of_names() -> None:
    """A formula is a text like any other; an apostrophe that hid one goes, a name's own stays."""
    content = f'receipt,label,matter\n{R1},=1+1,\'=2\n{R2},\'t Hooft,"=""A-7"""\n'
    assert rows(content) == {
        R1: {"label": "=1+1", "matter": "=2"},
        R2: {"label": "'t Hooft", "matter": "A-7"},
    }


#: A text that a cell keeps as it is.
TEXTS = (
    st.text(st.sampled_from("abÉéñ中 '\u2019=+@;,\"\t-1"), min_size=1, max_size=12)
    .map(lambda text: " ".join(text.split()))
    .filter(lambda text: text not in ("", "-") and not text.startswith(("'", "=")))
)
ENCODINGS: Mapping[str, str] = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
}


@given(
    st.lists(st.tuples(TEXTS, TEXTS, st.booleans()), min_size=1, max_size=8),
    st.sampled_from(list(ENCODINGS)),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_a_good_row_survives_every_way_to_save_it(
    written: list[tuple[str, str, bool]], encoding: str, separator: str, end: str
) -> None:
    """Whatever the encoding, the separator and the ends of lines."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=separator, lineterminator=end)
    writer.writerow(["Receipt #", "Title", "Responsible Attorney", "VAWA"])
    for number, (label, owner, confidential) in enumerate(written):
        writer.writerow([f"IOE{number:010d}", label, owner, "Y" if confidential else "No"])
    content = file.getvalue().encode(encoding, "replace")
    # What is UTF-8 by chance is read as that: nothing tells both apart.
    by_chance = "\ufffd" not in content.decode("utf-8", "replace")
    assume(encoding != "cp1252" or content.isascii() or not by_chance)
    found = parsed(content)
    expected = {
        f"IOE{number:010d}": {
            "label": label.encode(encoding, "replace").decode(encoding).removeprefix("\ufeff"),
            "owner": owner.encode(encoding, "replace").decode(encoding).removeprefix("\ufeff"),
            "confidential": confidential,
        }
        for number, (label, owner, confidential) in enumerate(written)
    }
    lines = list(found.lines())
    assert {one.receipt: dict(one.facts) for one in lines if isinstance(one, Row)} == expected
    plain = encoding == "cp1252" and content.isascii()
    assert found.encoding == ENCODINGS["utf-8" if plain else encoding]


@given(st.binary(max_size=200), st.booleans())
@example(b"\xff\xfe\x00\xd8", False)
@example(b'"\r\n"', True)
@example(b"'\xe2\x80\x8b,-", True)
def test_no_bytes_raise_anything_else(content: bytes, headed: bool) -> None:
    """A file is a list, or is refused; a line is a row, or a problem."""
    try:
        file = read(b"receipt,label,owner email,form\n" + content if headed else content)
    except UnusableCaseFile:
        return
    for one in file.lines():
        if isinstance(one, Problem):
            assert one.reason.endswith((".", ".)"))
        elif one is not None:
            assert canonical(one.receipt) == one.receipt
            json.dumps(one.facts).encode()
