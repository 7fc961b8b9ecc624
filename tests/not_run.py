"""A test that did not run is never taken for one that passed: told at the end, and a failure where every test must run."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator
from typing import Any

import pytest

from tests.programs import PROGRAMS, find

EVERY_TEST = "RUN_EVERY_TEST"
"""Variable with which a test that cannot run fails; set by ``.ci/run``."""


def needed(*names: str) -> tuple[str, ...]:
    """Paths of programs a test needs; without them the test does not run."""
    paths = {name: find(name) for name in names}
    for name, path in paths.items():
        if path is None:
            pytest.skip(f"{name} is not installed (Debian: {PROGRAMS[name][1]})")
    return tuple(path for path in paths.values() if path is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """See pytest."""
    report = yield
    expected = hasattr(report, "wasxfail")
    if report.skipped and not expected and os.environ.get(EVERY_TEST):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} did not run, and {EVERY_TEST} is set: {_reason(report)}"
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """See pytest."""
    missed: dict[tuple[str, str], int] = defaultdict(int)
    for report in terminalreporter.stats.get("skipped", ()):
        missed[report.nodeid.partition("::")[0], _reason(report)] += 1
    if missed:
        terminalreporter.section("did not run", yellow=True)
        for (path, reason), number in missed.items():
            terminalreporter.line(f"{number} of {path}: {reason}")


def _reason(report: pytest.TestReport) -> str:
    told = report.longrepr
    return str(told[2] if isinstance(told, tuple) else told).removeprefix("Skipped: ")
