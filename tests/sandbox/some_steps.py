"""The demo with some steps of its scenario only, perhaps with another configuration."""

import sys
from collections.abc import Sequence
from pathlib import Path

from casebell.cli.demo import run_demo
from casebell.sandbox.scenario import SCENARIO
from casebell.sandbox.scenario_step import Step


def words_for(steps: Sequence[Step]) -> str:
    """The argument that names these steps."""
    return ",".join(step.play.__name__ for step in steps)


def main() -> None:
    """Play them. Arguments: once or stay, the steps, perhaps a configuration's file."""
    once, steps, *configuration = sys.argv[1:]
    text = Path(configuration[0]).read_text() if configuration else None
    by_name = {step.play.__name__: step for step in SCENARIO}
    scenario = [by_name[name] for name in steps.split(",")]
    sys.exit(run_demo(once=once == "once", configuration=text, scenario=scenario))
