"""The configuration: one TOML file, `.env` beside it, the environment.

`load` is the way in; the models say what every key means. Nothing else in Casebell reads a
configuration file or the environment.
"""

from casebell.settings.channels import Channel
from casebell.settings.durations import parse_duration, parse_size
from casebell.settings.load import fingerprint, load, load_rest
from casebell.settings.models import Alerts, Ops, Routing, Server, Settings, Storage
from casebell.settings.rules import Rule, When
from casebell.settings.sources import FieldMap, Secret, Source

__all__ = [
    "Alerts",
    "Channel",
    "FieldMap",
    "Ops",
    "Routing",
    "Rule",
    "Secret",
    "Server",
    "Settings",
    "Source",
    "Storage",
    "When",
    "fingerprint",
    "load",
    "load_rest",
    "parse_duration",
    "parse_size",
]
