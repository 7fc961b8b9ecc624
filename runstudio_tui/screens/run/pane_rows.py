"""What the panes of a run say of a step, as rows: outcome, tries, waits. Pure, so that they can be read in tests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from engine.records import Attempt, AttemptStatus, Diagnosis, Json, Step, Wait, WaitKind, WaitStatus
from runstudio_tui.domain.effective import LATER_GLYPH
from runstudio_tui.domain.failure import Failure, step_failure
from runstudio_tui.domain.present import coarse_duration, elapsed, full_moment, moment, remaining, size_text, step_place
from runstudio_tui.domain.tree_lines import TreeLine
from runstudio_tui.text import safe, safe_block
from runstudio_tui.widgets.cells import pad, wrap
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.line_list import Row

_LABEL: Final = 13
_LATER: Final = (LATER_GLYPH, "text")
_WAIT_STATES: Final = {
    WaitStatus.WAITING: ("◔", "waiting"),
    WaitStatus.RESOLVED: ("✔", "ok"),
    WaitStatus.TIMED_OUT: ("✖", "failed"),
    WaitStatus.CANCELED: ("⊘", "canceled"),
}
_TRY_STATES: Final = {
    AttemptStatus.STARTED: ("●", "running"),
    AttemptStatus.SUCCEEDED: ("✔", "ok"),
    AttemptStatus.FAILED: ("✖", "failed"),
    AttemptStatus.ABANDONED: ("⊘", "canceled"),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """What every pane needs to draw: the time, the zone, the width in cells."""

    now: datetime
    zone: tzinfo
    cells: int


def fact(
    label: str, value: str, frame: Frame, *, tone: str = "text", copy: str | None = None, link: str = ""
) -> list[Row]:
    """A labelled value, wrapped; copied whole."""
    parts = wrap(value, max(frame.cells - _LABEL - 2, 16))
    return [
        Row(
            line(" ", Span(pad(label if place == 0 else "", _LABEL), "dim"), Span(part, tone)),
            copy if copy is not None else value,
            link=link,
        )
        for place, part in enumerate(parts)
    ]


def outcome_rows(
    entry: TreeLine | None,
    step: Step | None,
    wait: Wait | None,
    tries: Sequence[Attempt],
    why: Diagnosis | None,
    *,
    frame: Frame,
) -> list[Row]:
    """What came of the step under the cursor, or what it waits for; ``why`` is what is known of a run that
    waits, or does not move, at this step."""
    if entry is None:
        return [Row(line(Span(" nothing chosen", "dim")))]
    title = step.step_id if step is not None else entry.label
    kind = step.step_type if step is not None else entry.detail
    head = f"{safe(title)} · {safe(kind)} · {safe(entry.path)}" + (
        f" [{safe(entry.iteration)}]" if entry.iteration else ""
    )
    rows = [Row(made) for made in _wrapped(head, "strong", frame)]
    rows.append(Row(()))
    if step is None:
        return [*rows, *fact("state", _state_without_step(entry), frame)]
    rows += fact("status", f"{entry.state.glyph} {entry.state.word}", frame, tone=entry.state.tone)
    rows += list(_times(entry, step, frame, waits=wait is not None))
    if wait is not None:
        rows += [Row(()), *wait_facts(wait, frame)]
    for finding in why.causes[:1] if why is not None else ():
        rows += fact("why", safe(finding.sentence), frame)
        for evidence in finding.evidence:
            rows += fact("", safe(evidence), frame, tone="dim")
    failure = step_failure(step, tries)
    if failure is not None:
        rows += [Row(()), *failure_rows(failure, step.handled_by, frame)]
    if step.outcome not in (None, {}, []):
        rows += [Row(()), Row(line(Span(" outcome", "dim"))), *json_rows(step.outcome, frame)]
    return rows


def _state_without_step(entry: TreeLine) -> str:
    if entry.label.startswith("["):
        return entry.state.word
    if entry.detail == "taken":
        return f"This branch was taken: {entry.state.word}."
    return "This branch was not taken." if entry.detail == "not taken" else "Not reached yet, or not taken."


def _times(entry: TreeLine, step: Step, frame: Frame, *, waits: bool) -> Iterator[Row]:
    yield from fact("started", full_moment(entry.began, frame.zone), frame)
    if entry.ended is not None:
        yield from fact("ended", full_moment(entry.ended, frame.zone), frame)
    if not waits:  # the wait below says since when
        yield from fact("took", elapsed(entry.began, entry.ended, frame.now), frame)
    if step.attempt > 1 or step.attempts > 1:
        yield from fact("tries", f"{max(step.attempt, step.attempts)} (i shows them)", frame)


def failure_rows(failure: Failure, handled_by: str | None, frame: Frame) -> list[Row]:
    """An error: code, message, source, details."""
    rows = fact("error", safe(failure.code or failure.source), frame, tone="failed")
    rows += fact("", safe_block(failure.message), frame, tone="failed", copy=failure.message)
    if handled_by is not None:
        rows += fact("handled by", safe(handled_by), frame)
    if failure.code:
        rows += fact("from", safe(failure.source), frame)
    if failure.at is not None:
        rows += fact("at", full_moment(failure.at, frame.zone), frame)
    if failure.technical:
        rows += fact("above it", safe_block(failure.technical), frame, tone="dim")
    if failure.details not in (None, {}, []):
        rows += [Row(()), Row(line(Span(" details", "dim"))), *json_rows(failure.details, frame)]
    return rows


def json_rows(value: Json, frame: Frame) -> list[Row]:
    """A small JSON value in full."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return [Row(line("   ", Span(safe(part))), text) for part in text.split("\n")]


def wait_facts(wait: Wait, frame: Frame) -> list[Row]:
    """One wait: what for, since when, until when, what came."""
    glyph, tone = _WAIT_STATES.get(wait.status, _LATER)
    rows = fact("waits for", _waits_for(wait), frame, tone="strong")
    if wait.kind is WaitKind.EVENT:
        rows += fact("key", safe(wait.key) if wait.key else "any", frame, copy=wait.key)
    if wait.status is WaitStatus.WAITING and wait.created_at is not None:
        waited = coarse_duration((frame.now - wait.created_at).total_seconds())
        rows += fact("since", f"{moment(wait.created_at, frame.now, frame.zone)} ({waited})", frame)
        if wait.until is not None:
            label = "gives up" if wait.kind is WaitKind.EVENT else "due"
            at, left = moment(wait.until, frame.now, frame.zone), remaining(wait.until, frame.now)
            rows += fact(label, f"{at} ({left})", frame)
        return rows
    rows += fact("came to", f"{glyph} {wait.status.value.lower().replace('_', ' ')}", frame, tone=tone)
    rows += fact("waited", elapsed(wait.created_at, wait.resolved_at, frame.now), frame)
    if wait.matched_event_id:
        rows += fact("event id", safe(wait.matched_event_id), frame, copy=wait.matched_event_id)
    return rows


def _waits_for(wait: Wait) -> str:
    match wait.kind:
        case WaitKind.EVENT:
            return f"event {safe(wait.event_name or '?')}"
        case WaitKind.TIME:
            return "a time"
        case WaitKind.HUMAN:
            return "a human task"
        case WaitKind.RETRY:
            return "the next try"
        case WaitKind.CHILD:
            return "a child run"
        case WaitKind.QUOTA:
            return "quota"
        case WaitKind.TIMEOUT:
            return "a timeout"
    return safe(wait.kind.value)


def tries_rows(step: Step | None, tries: Sequence[Attempt], loading: bool, frame: Frame) -> list[Row]:
    """Every try of the chosen step's action; ``enter`` on input or output opens it."""
    if step is None:
        return [Row(line(Span(" Choose a step that calls an action.", "dim")))]
    if not tries:
        said = "loading…" if loading else "This step calls no action." if not _calls(step) else "No try yet."
        return [Row(line(Span(f" {said}", "dim")))]
    rows: list[Row] = []
    for item in reversed(tries):
        if rows:
            rows.append(Row(()))
        rows += _try_rows(item, frame)
    return rows


def _try_rows(item: Attempt, frame: Frame) -> list[Row]:
    glyph, tone = _TRY_STATES.get(item.status, _LATER)
    head = line(
        Span(f" {glyph} try {item.attempt}", tone),
        Span(f"  {safe(item.action)}", "strong"),
        Span(f"  {elapsed(item.started_at, item.completed_at, frame.now)}", "dim"),
    )
    rows = [Row(head, item.attempt_id)]
    rows += fact("started", full_moment(item.started_at, frame.zone), frame)
    if item.worker:
        rows += fact("worker", safe(item.worker), frame)
    if item.error is not None:
        rows += fact("error", safe(item.error.code or item.error.category), frame, tone="failed")
        rows += fact("", safe_block(item.error.message), frame, tone="failed", copy=item.error.message)
    rows += fact("input", f"{size_text(item.input_bytes)}  (enter)", frame, link=f"input:{item.attempt_id}")
    if item.status is AttemptStatus.SUCCEEDED:
        rows += fact("output", f"{size_text(item.output_bytes)}  (enter)", frame, link=f"output:{item.attempt_id}")
    if item.idempotency_key:
        rows += fact("idempotency", safe(item.idempotency_key), frame, tone="dim", copy=item.idempotency_key)
    return rows


def _calls(step: Step) -> bool:
    return not step.step_type.startswith("control.")


def waits_rows(waits: Sequence[Wait], frame: Frame) -> list[Row]:
    """All waits of the run, open ones first."""
    if not waits:
        return [Row(line(Span(" This run has not waited for anything.", "dim")))]
    rows: list[Row] = []
    for wait in waits:
        if rows:
            rows.append(Row(()))
        glyph, tone = _WAIT_STATES.get(wait.status, _LATER)
        place = step_place(wait.path, wait.iteration)
        rows.append(
            Row(line(Span(f" {glyph} {wait.status.value.lower().replace('_', ' ')}", tone), Span(f"  {place}", "dim")))
        )
        rows += wait_facts(wait, frame)
    return rows


def _wrapped(text: str, tone: str, frame: Frame) -> list[Line]:
    return [line(" ", Span(part, tone)) for part in wrap(text, max(frame.cells - 2, 16))]
