"""The pictures of the documentation: there, small, said in words, and all made by the script."""

import re

from browser.pictures import FOLDER, MAX_SIZE, PICTURES
from docs.pages import PAGES

#: `![what is seen](path)`, and `<img alt="what is seen" src="path">` where it has a width.
_SHOWN = re.compile(r'!\[([^]]*)\]\((\S+?)\)|<img alt="(.*?)" src="(\S+?)"')
SHOWN = [
    (page, found[0] or found[2], found[1] or found[3])
    for page, text in PAGES.items()
    for found in _SHOWN.findall(text)
]


def test_each_is_shown() -> None:
    """Whatever the script makes is on a page, and no page shows another picture."""
    names = {path.rpartition("docs/pictures/")[2].removeprefix("pictures/") for _, _, path in SHOWN}
    assert names == {picture.file for picture in PICTURES}
    assert {path.name for path in FOLDER.iterdir()} == names


def test_each_is_said_in_words() -> None:
    """Whoever does not see it reads what is on it."""
    assert [one for one in SHOWN if len(one[1].split()) < 5] == []


def test_each_is_small() -> None:
    """A checkout does not grow by what a page shows once."""
    assert {path.name: path.stat().st_size for path in FOLDER.iterdir()} == {
        path.name: size for path in FOLDER.iterdir() if (size := path.stat().st_size) < MAX_SIZE
    }
