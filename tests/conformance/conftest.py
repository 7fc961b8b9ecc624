"""Counts of conformance cases per host at the end of the session. A case that did not run counts as nothing else.

A test names its case with ``record_property("conformance", (host, case id))``; a host that cannot run the case adds
``record_property("not run", reason)``, and a case judged with a correction ``record_property("corrected", reason)``.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    outcomes: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    corrected: dict[str, set[str]] = defaultdict(set)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if not isinstance(report, pytest.TestReport) or report.when != "call":
                continue
            facts: dict[str, Any] = dict(report.user_properties)
            if "conformance" not in facts:
                continue
            host, case_id = facts["conformance"]
            reason = facts.get("not run")
            outcome = "passed" if report.passed else "failed"
            outcomes[host][outcome if reason is None or report.failed else "not run"].append(
                case_id if reason is None else f"{case_id} ({reason})"
            )
            if "corrected" in facts:
                corrected[case_id].add(facts["corrected"])
    if not outcomes:
        return
    terminalreporter.section("conformance")
    for host, by_outcome in outcomes.items():
        counts = ", ".join(f"{len(by_outcome[name])} {name}" for name in ("passed", "failed", "not run"))
        terminalreporter.line(f"{host}: {counts}")
        for case in by_outcome["not run"]:
            terminalreporter.line(f"  not run: {case}")
    for case_id, reasons in sorted(corrected.items()):
        terminalreporter.line(f"  judged with a correction: {case_id}: {'; '.join(sorted(reasons))}")
