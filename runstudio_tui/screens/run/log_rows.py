"""The panes Logs and Audit as rows: what the run said, and what was done to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from engine.records import AuditRecord, LogLevel, LogLine
from runstudio_tui.domain.present import full_moment, moment, operation_text
from runstudio_tui.screens.run.pane_rows import Frame, fact
from runstudio_tui.text import safe, safe_block
from runstudio_tui.widgets.cells import pad, wrap
from runstudio_tui.widgets.line import Span, line
from runstudio_tui.widgets.line_list import Row

_LEVEL_TONES: Final = {
    LogLevel.DEBUG: "dim",
    LogLevel.INFO: "text",
    LogLevel.WARN: "attention",
    LogLevel.ERROR: "failed",
}


def log_rows(entries: tuple[LogLine, ...], has_older: bool, frame: Frame) -> list[Row]:
    """Log lines, oldest first; the message is wrapped, the context stands below it."""
    rows: list[Row] = [Row(line(Span(" older lines: enter", "dim")), link="older", key="older")] if has_older else []
    for entry in entries:
        head = f" {pad(moment(entry.at, frame.now, frame.zone), 9)} "
        level = Span(f"{pad(safe(entry.level.value.lower()), 6)}", _LEVEL_TONES.get(entry.level, "text"))
        copied = f"{entry.at.isoformat()} {entry.level.value} {entry.message}"
        for place, part in enumerate(wrap(safe(entry.message), max(frame.cells - 18, 16))):
            begin = (Span(head, "dim"), level) if place == 0 else (Span(" " * 17),)
            rows.append(Row(line(*begin, part), copied, key=f"{entry.log_id}/{place}"))
        if entry.context not in (None, {}, []):
            text = safe(json.dumps(entry.context, ensure_ascii=False))
            for place, part in enumerate(wrap(text, max(frame.cells - 18, 16))[:4]):
                rows.append(Row(line(" " * 17, Span(part, "dim")), text, key=f"{entry.log_id}/c{place}"))
    return rows


def audit_rows(entries: Sequence[AuditRecord], has_older: bool, frame: Frame) -> list[Row]:
    """Audited operations, newest first: what, by whom, when, why."""
    rows: list[Row] = []
    for entry in entries:
        if rows:
            rows.append(Row(()))
        what = operation_text(entry.operation)
        who = f"{safe(entry.actor)}{f' ({safe(entry.level)})' if entry.level else ''}"
        rows.append(Row(line(Span(f" {what}", "strong"), Span(f"  {who}", "text")), entry.audit_id))
        rows += fact("at", full_moment(entry.at, frame.zone), frame)
        if entry.known_by:
            rows += fact("known by", safe(entry.known_by), frame)
        if entry.remark:
            rows += fact("remark", safe(entry.remark), frame)
        if entry.source:
            rows += fact("from", safe(entry.source), frame)
        if entry.reason:
            rows += fact("reason", safe_block(entry.reason), frame, copy=entry.reason)
        if entry.details not in (None, {}, []):
            text = json.dumps(entry.details, ensure_ascii=False)
            rows += fact("details", safe(text), frame, tone="dim", copy=text)
    if has_older:
        rows += [Row(()), Row(line(Span(" older entries: enter", "dim")), link="older", key="older")]
    return rows
