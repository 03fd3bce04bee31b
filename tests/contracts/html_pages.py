"""What a reader sees of an HTML page that we send: nothing else may be in it."""

from html.parser import HTMLParser

#: The elements of our template. None runs a script or fetches anything.
ELEMENTS = {"html", "head", "meta", "title", "style", "body", "div", "h1", "p", "hr", "table",
            "tbody", "tr", "td", "a"}  # fmt: skip
#: Their attributes; `name` and `content` are those of `meta`.
ATTRIBUTES = {"class", "style", "href", "lang", "charset", "name", "content", "role", "border",
              "cellpadding", "cellspacing"}  # fmt: skip


class Page(HTMLParser):
    """The lines and links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        #: Of each element with text of its own, in their order.
        self.lines: list[str] = []
        #: Words and address of each.
        self.links: list[tuple[str, str]] = []
        self._inside: list[str] = []
        self._address = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Only what the template has."""
        assert tag in ELEMENTS, tag
        assert {name for name, _ in attrs} <= ATTRIBUTES, attrs
        assert "url(" not in (dict(attrs).get("style") or "")
        if tag == "a":
            self._address = dict(attrs)["href"] or ""
        if tag not in ("meta", "hr"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """In order: nothing from a message closes an element."""
        assert self._inside.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text between the elements."""
        if not data.strip() or {"style", "title"} & set(self._inside):
            return
        self.lines.append(data)
        if self._inside[-1] == "a":
            self.links.append((data, self._address))

    def handle_comment(self, data: str) -> None:
        """Nothing hidden."""
        raise AssertionError(data)
