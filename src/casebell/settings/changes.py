"""What differs between two configurations, by name. Pure; never a value."""

from collections.abc import Mapping

from casebell.settings import Settings

#: Keys that a running server cannot change: it has bound the address and holds the database.
FIXED = ("server.host", "server.port", "server.tls_cert", "server.tls_key", "storage.url")
#: Tables whose keys are told one by one.
SECTIONS = ("server", "storage", "ops", "routing", "alerts")

#: Kind of thing → `added`, `removed` or `changed` → names; what is empty is left out.
Changes = Mapping[str, Mapping[str, list[str]]]


def changes(old: Settings, new: Settings) -> Changes:
    """What a server that turns from `old` to `new` does differently; without `FIXED`."""
    found = {
        "sources": _named(old.sources, new.sources),
        "channels": _named(old.channels, new.channels),
        "rules": _named(_rules(old), _rules(new)),
        "settings": _named(_keys(old), _keys(new)),
    }
    return {kind: names for kind, names in found.items() if names}


def waiting_for_restart(started_with: Settings, new: Settings) -> list[str]:
    """The keys of `FIXED` that say something else than when the server started."""
    before, after = _keys(started_with, fixed=True), _keys(new, fixed=True)
    return [key for key in FIXED if before[key] != after[key]]


def _named(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, list[str]]:
    found = {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "changed": [name for name in new if name in old and new[name] != old[name]],
    }
    return {what: names for what, names in found.items() if names}


def _rules(settings: Settings) -> Mapping[str, object]:
    return {rule.name: rule for rule in settings.rules}


def _keys(settings: Settings, *, fixed: bool = False) -> Mapping[str, object]:
    """Every key of the sections and its value."""
    values = {
        f"{section}.{key}": value
        for section in SECTIONS
        # Field by field: a secret is compared by its value and never written out.
        for key, value in getattr(settings, section)
    }
    return {key: value for key, value in values.items() if (key in FIXED) is fixed}
