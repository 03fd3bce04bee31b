"""`casebell classify`: what Casebell makes of official texts."""

import os
import sys
from pathlib import Path

from casebell.cli.options import Config
from casebell.cli.terminal import print_json
from casebell.config_file import VARIABLE, find
from casebell.errors import ConfigNotFound


def classify(config: Config = None) -> None:
    """Read texts, one a line, from standard input; print what they mean, one JSON object a line.

    The configuration's `[[wordings]]` count as well, if there is one.
    """
    from casebell.route.classification import classify_fields
    from casebell.settings import Wordings, load_rest

    try:
        file = find(config, os.environ, Path.cwd())
    except ConfigNotFound:
        if config is not None or os.environ.get(VARIABLE):
            raise
        wordings = Wordings()
    else:
        # Nothing else of it need be right: secrets may be set for the server alone.
        wordings = Wordings(load_rest(file, needed="wordings").wordings)
    for number, raw in enumerate(sys.stdin.buffer):
        # Editors on Windows begin a file with a byte order mark.
        text = raw.decode("utf-8-sig" if number == 0 else "utf-8", "replace").rstrip("\r\n")
        reading = wordings.read(text)
        found = classify_fields(
            event_type="", words=(), text=text, categories={}, wordings=wordings
        )
        print_json(
            {
                "text": text,
                "status": reading.status,
                "tags": sorted(reading.tags),
                "flags": sorted(found.flags),
            }
        )
