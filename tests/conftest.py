"""In CI every tool is there: a test that skips for want of one has failed."""

import os
from collections.abc import Generator

import pytest

#: How such a skip's reason begins: `pytest.skip("needs buildah")`.
NEEDS = "Skipped: needs "


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip of a test or of its fixtures into a failure where CI=true."""
    report = yield
    _fail_for_want_of_a_tool(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skip of a whole module into a failure where CI=true."""
    report = yield
    _fail_for_want_of_a_tool(report)
    return report


def _fail_for_want_of_a_tool(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") != "true" or not report.skipped:
        return
    # A skip is told as (file, line, reason); an expected failure has another shape.
    if isinstance(report.longrepr, tuple) and report.longrepr[2].startswith(NEEDS):
        file, line, reason = report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{file}:{line}: {reason}, and CI must have it"
