"""`casebell classify`: what Casebell makes of official texts."""

import sys

from casebell.cli.options import UnusedConfig
from casebell.cli.terminal import print_json
from casebell.uscis.classify import classify_text as read_status


def classify(_config: UnusedConfig = None) -> None:
    """Read texts, one a line, from standard input; print what they mean, one JSON object a line."""
    for number, raw in enumerate(sys.stdin.buffer):
        # Editors on Windows begin a file with a byte order mark.
        text = raw.decode("utf-8-sig" if number == 0 else "utf-8", "replace").rstrip("\r\n")
        reading = read_status(text)
        print_json({"text": text, "status": reading.status, "tags": sorted(reading.tags)})
