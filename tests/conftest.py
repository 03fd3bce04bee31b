"""What holds for every test: in CI a missing tool is a failure, and generated tests repeat.

Generated examples are the same in every run, so that a red run is red again; to look for new ones,
`HYPOTHESIS_PROFILE=explore pytest`.
"""

import gc
import itertools
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=1_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

#: `store` and its databases.
pytest_plugins = ["contracts.databases"]

#: How such a skip's reason begins: `pytest.skip("needs buildah")`.
NEEDS = "Skipped: needs "

#: A number for each test's folder.
_NUMBERS = itertools.count()


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the test's own, with a short name.

    Servers put their socket there, and its path may have no more than 107 bytes.
    """
    return tmp_path_factory.mktemp(f"t{next(_NUMBERS)}", numbered=False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three workers for two cores: a third of the time a test waits, for a limit or a process."""
    return max(len(os.sched_getaffinity(0)) * 3 // 2, 1)


def pytest_collection() -> None:
    """Look for no garbage while thousands of tests are collected: there is none."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: no later look for garbage walks it."""
    gc.freeze()
    gc.enable()


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
