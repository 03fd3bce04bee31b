"""Every reference to a reason, a path or a module leads to something in this repository."""

import ast
import functools
import importlib
import importlib.util
import re
from itertools import pairwise
from pathlib import Path

from docs.pages import PAGES, ROOT, code_in

SOURCE = ROOT / "src/casebell"
UPSTREAM = "docs/decisions/upstream.md"
#: The decisions of that page, by number.
HEADINGS = re.findall(r"^### ([A-E]\d{1,2}|R)\. \S", PAGES[UPSTREAM], re.MULTILINE)
_NUMBER = re.compile(r"\b(?:[A-E]\d{1,2}|R)\b")
#: One that leads nowhere where it stands alone. "R" alone may be anything.
_ALONE = re.compile(r"\b[A-E]\d{1,2}\b|\bdecisions? R\b")
#: Numbers after the page's name; what stands between two of them may be the end of a line.
_NUMBERS = re.compile(rf"{re.escape(UPSTREAM)}((?:,?\s+(?:and |to )?{_NUMBER.pattern})+)")
#: Words that once led to papers outside this repository.
_LEADS_OUT = re.compile(r"\bthe contract\b|\bboth seeds\b", re.IGNORECASE)
_PATH = re.compile(r"(?<![\w/.])(?:src|tests|docs|\.ci)/[\w./*-]*\w")
#: The rooms of the source; a comment may leave out what stands before them.
ROOMS = sorted(path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists())
_IN_ROOM = re.compile(rf"(?<![\w/.])(?:{'|'.join(ROOMS)})/[\w./*-]*\.py\b")
_MODULE = re.compile(r"\bcasebell(?!\.db\b)(?:\.[a-z_]+){2,}")


def _said(path: Path) -> str:
    """What a module tells its reader: comments and docstrings, each on one line."""
    text = path.read_text(encoding="utf-8")
    # What stands in a text behind such a sign is looked at as well; a tokenizer takes five seconds.
    said = re.findall(r"#:? *(.*)", text)
    said += [
        ast.get_docstring(node) or ""
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return "\n".join(said)


@functools.cache
def modules() -> dict[str, str]:
    """The comments and docstrings of each module, by its path; not while tests are collected."""
    return {
        str(path.relative_to(ROOT)): _said(path)
        for folder in ("src", "tests")
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


#: Files whose lines are comments for the most part.
OTHERS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (
        *sorted((ROOT / "src").rglob("*.toml")),
        *(path for path in (ROOT / ".ci").iterdir() if path.is_file()),
        ROOT / "config.example.toml",
        ROOT / "pyproject.toml",
        ROOT / "Dockerfile",
    )
}


@functools.cache
def messages() -> dict[str, str]:
    """What the program says to people: the texts in each module of the source."""
    return {
        f"{path.relative_to(ROOT)}, a text": "\n".join(
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
        for path in sorted(SOURCE.rglob("*.py"))
    }


#: All pages but the one that has the numbers as its headings.
_OTHER_PAGES = {name: text for name, text in PAGES.items() if name != UPSTREAM}


def test_decisions_have_one_heading_each() -> None:
    """In order, so that a reader finds a number by eye."""
    order = [(number[0], int(number[1:])) for number in HEADINGS if number != "R"]
    assert all(first < second for first, second in pairwise(order))
    assert HEADINGS.count("R") == 1


def test_a_number_stands_beside_its_page() -> None:
    """Neither a comment, a message nor a page has such a number without the page's name."""
    assert {
        name: found
        for name, said in (modules() | messages() | _OTHER_PAGES).items()
        if (found := _ALONE.findall(_NUMBERS.sub("", said)))
    } == {}


def test_a_number_leads_to_a_decision() -> None:
    """Each number beside the page's name is a heading of that page."""
    named = {
        name: set(_NUMBER.findall(" ".join(_NUMBERS.findall(said))))
        for name, said in (modules() | messages() | _OTHER_PAGES).items()
    }
    assert any(named.values())
    assert {name: lost for name, found in named.items() if (lost := found - set(HEADINGS))} == {}


def test_no_word_leads_out() -> None:
    """What programs may rely on is a page of this repository, which a comment or message names."""
    assert {
        name: found
        for name, said in (modules() | messages() | OTHERS).items()
        if (found := _LEADS_OUT.findall(said))
    } == {}


def test_a_path_that_a_comment_names_is_there() -> None:
    """A file or a folder of this repository, or the number that its name begins with."""
    lost = [
        f"{name} names {path}"
        for name, said in (modules() | OTHERS).items()
        for path in _PATH.findall(said)
        if not (list(ROOT.glob(path)) or list(ROOT.glob(f"{path}-*")))
    ]
    lost += [
        f"{name} names {path}"
        for name, said in modules().items()
        for path in _IN_ROOM.findall(said)
        if not (list(SOURCE.glob(path)) or list((ROOT / "tests").glob(path)))
    ]
    assert lost == []


def test_a_module_that_is_named_is_there() -> None:
    """`casebell.receive.understand` is a module, or something in one."""
    pages = {page: "\n".join(code_in(text)) for page, text in PAGES.items()}
    lost = [
        f"{name} names {module}"
        for name, said in (modules() | pages).items()
        for module in _MODULE.findall(said)
        if not _exists(module)
    ]
    assert lost == []


def _exists(dotted: str) -> bool:
    path = SOURCE.parent / Path(*dotted.split("."))
    if path.is_dir() or path.with_suffix(".py").exists():
        return True
    holder, _, name = dotted.rpartition(".")
    found = importlib.util.find_spec(holder)
    return found is not None and hasattr(importlib.import_module(holder), name)


def test_every_decision_page_can_be_found() -> None:
    """From the list of decisions, which README links to."""
    listed = re.findall(r"\]\(([\w-]+\.md)\)", PAGES["docs/decisions/README.md"])
    here = {path.name for path in (ROOT / "docs/decisions").glob("*.md")} - {"README.md"}
    assert set(listed) == here


def test_the_map_has_every_room() -> None:
    """Its first column is each folder of the source and each module beside them, and no other."""
    table = PAGES["docs/map.md"].split("\n## Rooms\n")[1].split("\n## ")[0]
    listed = {
        code for row in re.findall(r"^\|(.*?)\|", table, re.MULTILINE) for code in code_in(row)
    }
    here = {
        path.name + ("/" if path.is_dir() else "")
        for path in SOURCE.iterdir()
        if path.name not in ("__pycache__", "py.typed")
    }
    assert listed == here
