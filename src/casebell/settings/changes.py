"""What differs between two configurations, by name: read from the models, never a value.

A new key, section or kind of table is told of without a line here. A key that a running server
cannot change carries the mark `NeedsRestart` in its model.
"""

from collections.abc import Mapping
from typing import Any

from casebell.settings.models import Document, Settings
from casebell.settings.values import NeedsRestart, Part

#: Kind of thing → `added`, `removed` or `changed` → names; what is empty is left out.
Changes = Mapping[str, Mapping[str, list[str]]]


def changes(old: Settings, new: Settings) -> Changes:
    """What a server that turns from `old` to `new` does differently; without what needs a restart.

    Tables with names, such as sources, are told by name; the keys of the sections one by one.
    """
    found = {
        kind: _differing(_named(old, kind), _named(new, kind)) for kind in Document.model_fields
    }
    found["settings"] = _differing(_keys(old), _keys(new))
    return {kind: names for kind, names in found.items() if names}


def waiting_for_restart(started_with: Settings, new: Settings) -> list[str]:
    """The keys that need a restart and say something else than when the server started."""
    before, after = _keys(started_with, need_restart=True), _keys(new, need_restart=True)
    return [key for key in after if before[key] != after[key]]


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, list[str]]:
    found = {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "changed": [name for name in new if name in old and new[name] != old[name]],
    }
    return {what: names for what, names in found.items() if names}


def _named(settings: Settings, kind: str) -> Mapping[str, Any]:
    """The tables of one kind by their names; none where the kind is a section."""
    tables = getattr(settings, kind)
    if isinstance(tables, tuple):
        return {table.name: table for table in tables}
    return tables if isinstance(tables, dict) else {}


def _keys(settings: Settings, *, need_restart: bool = False) -> Mapping[str, object]:
    """Every key of the sections and its value.

    A section is compared field by field: secrets by their value, which is never written out.
    """
    return {
        f"{section}.{key}": value
        for section in Document.model_fields
        if isinstance(part := getattr(settings, section), Part)
        for key, value in part
        if (NeedsRestart in type(part).model_fields[key].metadata) is need_restart
    }
