"""The differences between two configurations, by name and never by value.

They are derived from the models, so a new key, section or kind of table needs no line here. A key
that a running server cannot change is marked `NeedsRestart` in its model.
"""

from collections.abc import Mapping
from typing import Any

from casebell.settings.models import Document, Settings
from casebell.settings.values import NeedsRestart, Part

#: Kind → `added`, `removed` or `changed` → names, without empty ones.
Changes = Mapping[str, Mapping[str, list[str]]]


def changes(old: Settings, new: Settings) -> Changes:
    """The differences that take effect with a reload.

    Named tables, such as sources, are listed by name, others by their places from 1; sections by
    their keys.
    """
    found = {
        kind: _differing(_named(old, kind), _named(new, kind)) for kind in Document.model_fields
    }
    found["settings"] = _differing(_keys(old), _keys(new))
    return {kind: names for kind, names in found.items() if names}


def waiting_for_restart(started_with: Settings, new: Settings) -> list[str]:
    """The keys that need a restart and differ from those with which the server started."""
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
    """The tables of one kind by their names; none if the kind is a section."""
    tables = getattr(settings, kind)
    if isinstance(tables, tuple):
        # What has no name goes by its place.
        return {getattr(table, "name", str(place)): table for place, table in enumerate(tables, 1)}
    return tables if isinstance(tables, dict) else {}


def _keys(settings: Settings, *, need_restart: bool = False) -> Mapping[str, object]:
    """Every key of the sections with its value; the values of secrets are only compared."""
    return {
        f"{section}.{key}": value
        for section in Document.model_fields
        if isinstance(part := getattr(settings, section), Part)
        for key, value in part
        if (NeedsRestart in type(part).model_fields[key].metadata) is need_restart
    }
