"""The command line: `casebell <noun> <verb>`."""

from casebell.cli.main import main

__all__ = ["main"]
