"""Makes the page of a mail with its styles in each element, as mail programs want it.

`PYTHONPATH=tests python -m notify.inlining` writes `templates/page.html` anew, after a change of
`templates/page.source.html`.
"""

from pathlib import Path

from css_inline import CSSInliner

FOLDER = Path(__file__).parents[2] / "src/casebell/notify/templates"
SOURCE = FOLDER / "page.source.html"
PAGE = FOLDER / "page.html"


def inlined(source: str) -> str:
    """The page; only what depends on the reader's device stays in a style sheet."""
    return (
        CSSInliner(keep_at_rules=True, load_remote_stylesheets=False).inline(source).rstrip() + "\n"
    )


if __name__ == "__main__":
    PAGE.write_text(inlined(SOURCE.read_text()))
