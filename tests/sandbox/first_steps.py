"""The demo with the first steps of its scenario only, perhaps with another configuration."""

import sys
from pathlib import Path

from casebell.cli.demo import run_demo
from casebell.sandbox.scenario import SCENARIO


def main() -> None:
    """Play them. Arguments: once or stay, the number of steps, perhaps a configuration's file."""
    once, steps, *configuration = sys.argv[1:]
    text = Path(configuration[0]).read_text() if configuration else None
    sys.exit(run_demo(once=once == "once", configuration=text, scenario=SCENARIO[: int(steps)]))
