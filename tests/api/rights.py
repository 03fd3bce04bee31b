"""The table of rights in docs/contract.md, and what a route of the API or the console is about."""

import re
from typing import Any

from casebell.actors import Role
from docs.pages import section

#: The row of docs/contract.md's table of rights of each route, by the words that it begins with.
ROWS = {
    "cases, events, alerts": (
        *("cases", "events", "alerts", "queue", "reports", "openapi.json", "people"),
    ),
    "acknowledge, enter and confirm dates": (
        "POST cases/{receipt}/acknowledge",
        "POST cases/{receipt}/due",
        "POST cases/{receipt}/answered",
    ),
    "exact bodies, journal, exports": (
        "journal",
        "events/{id}/body",
        "events/export",
        "alerts/export",
    ),
    "rules, servers, held": (
        "held",
        "refused",
        "reload",
        "channels",
        "servers",
        "alerts/retry",
        "alerts/dismiss",
        "alerts/{id}/retry",
        "alerts/{id}/dismiss",
        "people/{name}",
        "upstream",
    ),
    "accounts, tokens": ("accounts", "tokens"),
    # Nobody here owns a case: what a viewer may do with one's own is tried with the verb.
    "import; edit any case": ("cases/import", "PUT cases/{receipt}", "POST cases/{receipt}"),
}


def _row(method: str, path: str) -> str:
    """The row of a route; the one that names more of it."""
    found = [
        (len(start), words)
        for words, starts in ROWS.items()
        for start in starts
        for asked in (path, f"{method} {path}")
        if asked == start or asked.startswith(f"{start}/")
    ]
    assert found, f"{path} is in no row"
    return max(found)[1]


def _rights() -> dict[str, dict[Role, str]]:
    """The table of rights: by the beginning of a row, the word under each role."""
    table = re.findall(
        r"^\|(.+)\|$", section("docs/contract.md", "## API: `/api/v1`"), re.MULTILINE
    )
    rows = [[cell.strip() for cell in row.split("|")] for row in table]
    (head,) = [row for row in rows if row[0] == "right"]
    roles = [Role(name) for name in head[1:]]
    return {row[0]: dict(zip(roles, row[1:], strict=True)) for row in rows if len(row) == len(head)}


def allowed(method: str, path: str, role: Role) -> bool:
    """Whether docs/contract.md lets a role do this."""
    (word,) = {
        words[role] for row, words in _rights().items() if row.startswith(_row(method, path))
    }
    if word == "look only":
        return method == "GET"
    return not word.startswith("no")


#: What each route is asked, where it is more than its path.
BODIES: dict[str, Any] = {
    "alerts/retry": {"ids": ["alerts"]},
    "alerts/dismiss": {"ids": ["alerts"]},
    "held/release": {"ids": ["held"]},
    "refused/readmit": {"ids": ["refused"]},
}
#: The body of a list of cases; what is changed of one, and of a person.
LIST = b"receipt,label\nIOE0912345677,Gomez\n"
FACTS: dict[str, dict[str, Any]] = {
    "cases/{receipt}": {"label": "Gomez"},
    "cases/{receipt}/due": {"date": "2026-12-24"},
    # One of several may be open; and that it is answered can be said again.
    "cases/{receipt}/answered": {"change": 1},
    "people/{name}/away": {"until": "2999-12-31", "to": "Kim Roe"},
    # Somebody may have subscribed before.
    "upstream/{name}/subscribe": {"again": True},
}


class Subjects:
    """Rows that a request can be about; each is given once."""

    def __init__(self, each: int, receipt: str) -> None:
        self._receipt = receipt
        self._numbers = {noun: iter(range(1, each + 1)) for noun in ("alerts", "held", "refused")}

    def path(self, method: str, path: str) -> str:
        """A path that leads to something."""
        noun = path.partition("/")[0]
        name = {"people": "jchan", "upstream": "parley"}.get(noun, "slack")
        path = path.replace("{name}", name).replace("{receipt}", self._receipt)
        if "{id}" in path:
            # An event stays as it is.
            number = 1 if method == "GET" else next(self._numbers[noun])
            path = path.replace("{id}", str(number))
        return path

    def body(self, path: str) -> Any:
        """A body that means something."""
        if path in FACTS:
            return FACTS[path]
        body = BODIES.get(path)
        return body and {name: [next(self._numbers[noun])] for name, (noun,) in body.items()}
