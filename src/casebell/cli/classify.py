"""`casebell classify`: what Casebell makes of official texts."""

import json
import sys

import typer

from casebell.uscis.classify import classify as read_status


def classify() -> None:
    """Read texts, one a line, from standard input; print what they mean, one JSON object a line."""
    for raw in sys.stdin.buffer:
        text = raw.decode("utf-8", "replace").rstrip("\r\n")
        reading = read_status(text)
        typer.echo(
            json.dumps(
                {"text": text, "status": reading.status, "tags": sorted(reading.tags)},
                ensure_ascii=False,
            )
        )
        sys.stdout.flush()
