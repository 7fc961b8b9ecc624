"""What the publish dialog lists: what a file would change, everything the checks found, and the same as text for a ticket."""

from __future__ import annotations

from collections.abc import Sequence

from engine.records import Issue, Published
from runstudio_tui.domain.definition_diff import Change, counted, hidden_values
from runstudio_tui.screens.detail_rows import told
from runstudio_tui.store.publishing import Draft
from runstudio_tui.text import safe
from runstudio_tui.widgets.line import Span, line
from runstudio_tui.widgets.line_list import Row

HOW = (
    "Type the path of a definition, a JSON file on this machine; a schema of its payload may stand in a second one.",
    "ctrl+s reads it and shows what it would change. Nothing is written before ctrl+s is pressed again.",
)


def how_rows(cells: int) -> list[Row]:
    """Before anything was read."""
    return [row for text in HOW for row in told(text, cells, "dim", indent=1)]


def draft_rows(draft: Draft, cells: int) -> list[Row]:
    """What was read, and what it would change."""
    name = safe(draft.workflow_id) or "a definition without an id"
    rows: list[Row] = []
    if draft.newest is None:
        rows += told(f"{name} is not published yet: this becomes v{draft.becomes}.", cells, "strong", indent=1)
    elif differs := counted(draft.lines):
        text = f"{name} becomes v{draft.becomes}: {differs}, compared with v{draft.newest}, which is in force."
        rows += told(text, cells, "strong", indent=1)
    else:
        text = f"{name}: nothing differs from v{draft.newest}, which is in force."
        rows += told(text, cells, "strong", indent=1)
        rows += told("Publishing it again would write nothing.", cells, "dim", indent=1)
    for found in draft.lines:
        if found.change is Change.SAME or found.part is None:
            continue
        fields = ", ".join(edit.change.path for edit in found.edits[:4])
        more = f" and {len(found.edits) - 4} more" if len(found.edits) > 4 else ""
        text = f"{found.change.value} {found.change.word} {found.part.label}"
        rows += told(f"{text}: {fields}{more}" if fields else text, cells, indent=3)
    hidden = hidden_values(draft.lines)
    if hidden:
        what = "One hidden value is" if hidden == 1 else f"{hidden} hidden values are"
        rows += told(f"{what} not compared.", cells, "dim", indent=1)
    for pointer in draft.replaced:
        text = f"NUL or half a character at {pointer or '/'} was replaced, no database can hold it."
        rows += told(text, cells, "attention", indent=1)
    return rows


def finding_rows(findings: Sequence[Issue], cells: int) -> list[Row]:
    """Everything the checks found, each with its place."""
    rows: list[Row] = []
    for finding in findings:
        glyph, tone = ("✖", "failed") if finding.severity == "error" else ("▲", "attention")
        head = line(f" {glyph} ", Span(safe(finding.code), tone), Span(f"  {_place(finding)}", "key"))
        rows.append(Row(head, copy=finding_text(finding)))
        rows += told(finding.message, cells, indent=4)
        if finding.suggestion:
            rows += told(finding.suggestion, cells, "dim", indent=4)
    return rows


def finding_text(finding: Issue) -> str:
    """One finding on one line, as ``runstudio publish`` says it."""
    return f"{finding.severity} {finding.code} at {finding.step_path}: {finding.message} {finding.suggestion or ''}".rstrip()


def counted_findings(findings: Sequence[Issue]) -> str:
    """``3 errors, 1 warning``."""
    errors = sum(1 for finding in findings if finding.severity == "error")
    counts = ((errors, "error"), (len(findings) - errors, "warning"))
    return ", ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in counts if number)


def done_rows(published: Published, cells: int) -> list[Row]:
    """What was published, and what was worth a look."""
    text = f"{safe(published.workflow_id)} v{published.version} is published."
    return [*told(text, cells, "ok", indent=1), *finding_rows(published.warnings, cells)]


def _place(finding: Issue) -> str:
    named = f" ({safe(finding.step_id)})" if finding.step_id is not None else ""
    return f"{safe(finding.step_path)}{named}"
