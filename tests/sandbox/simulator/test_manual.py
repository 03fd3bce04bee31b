"""docs/sandbox.md has everything that the sandbox takes."""

import re
from typing import get_args

from casebell.cli import sandbox
from casebell.sandbox.simulator import control, parley, torch
from casebell.sandbox.simulator.faults import Answering, ApiFault, Faults
from docs.pages import ROOT, code_in

PAGE = (ROOT / "docs/sandbox.md").read_text(encoding="utf-8")
WORDS = set(re.findall(r"[\w/{}-]+", " ".join(code_in(PAGE))))


def test_every_switch_is_in_the_manual() -> None:
    """With those of the APIs, and every way in which they answer badly."""
    assert set(Faults.model_fields) <= WORDS
    assert set(ApiFault.model_fields) - {"status"} <= WORDS
    assert set(get_args(Answering)) <= WORDS


def test_every_control_endpoint_is_in_the_manual() -> None:
    """With its methods."""
    for one in control.OPERATIONS:
        assert re.search(rf"`[^|\n]*{one.method}\b[^|\n]*{re.escape(one.path)}[` ;]", PAGE), (
            one.path
        )


def test_every_limit_of_a_request_is_in_the_manual() -> None:
    """What the pages of the upstream leave open."""
    assert f"at most {torch.MAX_BATCH} receipts" in PAGE
    assert f"`limit` is at most {parley.MAX_LIMIT}" in PAGE


def test_every_option_is_in_the_manual() -> None:
    """And every variable."""
    options = re.findall(
        r"^    (\w+): Annotated", (ROOT / "src/casebell/cli/sandbox.py").read_text(), re.MULTILINE
    )
    named = {f"--{name.replace('_', '-')}" for name in options}
    assert len(named) >= 9
    assert named <= WORDS
    variables = {sandbox.TOKEN_VARIABLE, sandbox.PARLEY_VARIABLE, sandbox.TORCH_VARIABLE}
    assert variables <= WORDS
