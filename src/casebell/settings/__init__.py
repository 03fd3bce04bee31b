"""The configuration: one TOML file, `.env` beside it, the environment.

`load` reads them; the models define every key. No other room reads the configuration file or the
environment.
"""

from casebell.settings.exposure import exposed
from casebell.settings.load import fingerprint, load, load_rest, load_stored
from casebell.settings.models import (
    Alerts,
    ChannelSettings,
    Ops,
    Routing,
    Rule,
    ServerSettings,
    Settings,
    Storage,
    When,
)
from casebell.settings.sources import FieldMap, SourceSecret, SourceSettings
from casebell.settings.values import parse_duration
from casebell.settings.wordings import Wording, Wordings

__all__ = [
    "Alerts",
    "ChannelSettings",
    "FieldMap",
    "Ops",
    "Routing",
    "Rule",
    "ServerSettings",
    "Settings",
    "SourceSecret",
    "SourceSettings",
    "Storage",
    "When",
    "Wording",
    "Wordings",
    "exposed",
    "fingerprint",
    "load",
    "load_rest",
    "load_stored",
    "parse_duration",
]
