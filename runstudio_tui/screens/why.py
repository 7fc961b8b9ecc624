"""A diagnosis in words: what is the case, the evidence, what helps."""

from __future__ import annotations

from engine.records import Diagnosis, Finding
from runstudio_tui.domain.present import live_duration
from runstudio_tui.text import safe
from runstudio_tui.widgets.cells import wrap
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.line_list import Row


def why_rows(diagnosis: Diagnosis, cells: int) -> list[Row]:
    """All findings, the most important first."""
    rows: list[Row] = []
    for finding in diagnosis.findings:
        if rows:
            rows.append(Row(()))
        rows += [Row(made) for made in _finding_lines(finding, cells)]
    if diagnosis.temporal_reachable is False:
        rows += [
            Row(()),
            Row(line(Span(" Temporal cannot be reached: this is what is known without it.", "attention"))),
        ]
    return rows


def stuck_lines(seconds: float, started: str, diagnosis: Diagnosis | None, cells: int) -> list[Line]:
    """The panel over a run nobody has picked up: what, since when, evidence, what helps."""
    lines = [
        line(Span(f" ▲ Nobody has picked this run up for {live_duration(seconds)}", "attention")),
        line(f"   It was started at {started} and has executed no step."),
    ]
    if diagnosis is None:
        return [*lines, line(Span("   Looking for the reason…", "dim"))]
    for finding in diagnosis.causes[:2]:
        lines += _indented(
            f"{safe(finding.sentence)} {' '.join(safe(part) for part in finding.evidence)}", "text", cells
        )
        lines += _indented(f"What helps: {safe(finding.advice)}" if finding.advice else "", "text", cells)
    return lines


def _finding_lines(finding: Finding, cells: int) -> list[Line]:
    lines = [line(Span(f" {part}", "strong")) for part in wrap(safe(finding.sentence), max(cells - 2, 20))]
    for evidence in finding.evidence:
        lines += _indented(safe(evidence), "text", cells)
    lines += _indented(safe(finding.advice), "dim", cells)
    lines.append(line(Span(f"   {safe(finding.code)}", "dim")))
    return lines


def _indented(text: str, tone: str, cells: int) -> list[Line]:
    return [line("   ", Span(part, tone)) for part in wrap(text, max(cells - 4, 20))] if text.strip() else []
