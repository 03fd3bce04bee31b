"""What others wrote and this repository has a copy of: as it was published, with its licence."""

import hashlib
import re
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
CONSOLE = ROOT / "src/casebell/console"
FOLDERS = sorted(
    path for part in ("src", "tests") for path in ROOT.glob(f"{part}/**/vendor") if path.is_dir()
)
TEMPLATES = {path.name: path.read_text() for path in (CONSOLE / "templates").glob("*.html")}
#: What the policy of pages stops, and what htmx makes a function of, which it stops as well.
STOPPED = re.compile(
    r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=|\s(?:data-)?hx-on|js:|javascript:"
    r"|hx-trigger=\"[^\"]*\[",
    re.IGNORECASE,
)
#: What a browser loads, without what is given by a link that a person follows.
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|embed)\b[^>]*\ssrc=["']([^"']*)|<link\b[^>]*\shref=["']([^"']*)"""
)


def test_where_they_are() -> None:
    """The console's are found, so that the next tests are about something."""
    assert CONSOLE / "static/vendor" in FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_as_they_were_published(folder: Path) -> None:
    """SHA256SUMS names each file with its digest; each has its licence beside it."""
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    recorded = {name: digest for digest, name in (line.split("  ") for line in sums)}
    licences = {path.name for path in folder.glob("*.LICENSE")}
    files = {path.name for path in folder.iterdir()} - licences - {"SHA256SUMS"}
    actual = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sorted(files)
    }
    assert actual == recorded
    # `htmx-4.0.1.min.js`: the version is in the name, so that another is another address.
    named = {name: re.fullmatch(r"(\w+)-\d+\.\d+\.\d+\.min\.\w+", name) for name in files}
    assert {f"{found[1]}.LICENSE" for found in named.values() if found} == licences
    assert all(named.values())


def test_they_are_installed(tmp_path: Path) -> None:
    """A wheel has every file of the console, byte for byte."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with ZipFile(wheel) as archive:
        for path in (*CONSOLE.glob("static/**/*"), *CONSOLE.glob("templates/*")):
            if path.is_file():
                name = path.relative_to(ROOT / "src").as_posix()
                assert archive.read(name) == path.read_bytes(), name


def test_a_page_needs_nothing_that_its_policy_stops() -> None:
    """No style or script inside a page, and nothing that htmx would have to evaluate."""
    assert {
        name: found for name, text in TEMPLATES.items() if (found := STOPPED.findall(text))
    } == {}
    (settings,) = re.findall(
        r"<meta name=\"htmx-config\" content='([^']*)'>", TEMPLATES["base.html"]
    )
    assert '"includeIndicatorCSS": false' in settings


def test_a_page_loads_nothing_from_elsewhere() -> None:
    """No address of a file is written out: `static` makes it, which knows ours alone."""
    loaded = [
        (name, address)
        for name, text in TEMPLATES.items()
        for found in LOADED.findall(text)
        if (address := "".join(found))
    ]
    assert ("base.html", "{{ static(") in {(name, address[:10]) for name, address in loaded}
    assert [one for one in loaded if not one[1].startswith("{{ ")] == []
    for sheet in (CONSOLE / "static").glob("**/*.css"):
        addresses = re.findall(r"url\(\s*[\"']?([^)\"']+)|@import", sheet.read_text())
        assert [one for one in addresses if not one.startswith("data:")] == [], sheet.name
