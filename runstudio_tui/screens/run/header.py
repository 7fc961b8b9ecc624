"""The two lines over a run, and the panel that says why nobody has picked it up."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Final

from engine.records import RunStatus, RunSummary, Step, StepStatus, WaitKind
from engine.wording import counted
from runstudio_tui.domain.effective import mark_of, run_state
from runstudio_tui.domain.failure import run_failure
from runstudio_tui.domain.present import elapsed, live_duration, moment, remaining, step_place, trigger_text, waits_for
from runstudio_tui.store.run import RunStore
from runstudio_tui.text import safe, short_id
from runstudio_tui.widgets.cells import cut
from runstudio_tui.widgets.line import Line, Span, justify, line, line_width

_BESIDE_NAME: Final = 58
"""Cells of status, version, start and the word for live, which must not give way to a long name."""
_LEAST_NAME: Final = 16


def header_lines(
    store: RunStore, live: Line, now: datetime, zone: tzinfo, cells: int, *, instead: str = "loading…"
) -> list[Line]:
    """Status, workflow, times, origin; below, the one thing that matters most now. ``instead`` of a run that was not read."""
    summary = store.summary
    if summary is None:
        return [justify(line(Span(f" {safe(store.run_id)}", "strong"), Span(f"  {instead}", "dim")), live, cells), ()]
    row = summary.row
    state, mark = run_state(row), mark_of(row, now)
    head: list[str | Span] = [" "]
    if mark is not None:
        head.append(Span(f"{mark.glyph} ", mark.tone))
    head.append(Span(f"{state.glyph} {state.word} {elapsed(row.started_at, row.completed_at, now)}", state.tone))
    head.append(Span(f"   {cut(safe(row.workflow_name), max(cells - _BESIDE_NAME, _LEAST_NAME))}", "strong"))
    head.append(Span(f" v{row.version}", "dim"))
    room = cells - line_width(line(*head)) - line_width(live)
    told = _told(summary, moment(row.started_at, now, zone), room)
    return [justify(line(*head, *told), live, cells), line(" ", *_second(store, now, zone))]


def _told(summary: RunSummary, started: str, room: int) -> Line:
    """When the run started, how it came to be, and its latest replay; what is a run has a link to it. Where not all of that has
    room, the time goes first, then how it came to be; the run it replays stays."""
    row = summary.row
    at = Span(f" · started {started}", "dim")
    origin = Span(f" · {trigger_text(row)}", "accent", f"run:{row.replay_of}") if row.replay_of else None
    trigger = origin or Span(f" · {trigger_text(row)}", "dim")
    if not summary.replayed_by:
        choices = [line(at, trigger), line(trigger)] if origin else [line(at, trigger)]
    else:
        newest = summary.replayed_by[0]
        replay = Span(f" · replayed by {short_id(newest)}", "accent", f"run:{newest}")
        last = line(origin) if origin else line(replay)
        choices = [line(at, trigger, replay), line(trigger, replay), line(at, last[0]), last]
    return next((choice for choice in choices if line_width(choice) <= room), choices[-1])


def failed_step(store: RunStore) -> Step | None:
    """The unhandled failed step the run's error is about."""
    step = store.executions.focus()
    return step if step is not None and step.status is StepStatus.FAILED else None


def _second(store: RunStore, now: datetime, zone: tzinfo) -> Line:
    summary = store.summary
    if summary is None:
        return ()
    row = summary.row
    failure = run_failure(summary, failed_step(store), ())
    if failure is not None:
        code = f"{safe(failure.code or failure.source)}: " if failure.code or failure.source else ""
        tone = "failed" if row.status is RunStatus.FAILED else "text"
        return line(
            Span(code, tone), Span(safe(failure.message), tone), Span(_where_failed(failure.path, store), "dim")
        )
    if row.stalled_at(now):
        told = f"no progress for {live_duration((now - row.updated_at).total_seconds())}"
        place = step_place(row.step, row.iteration)
        return line(
            Span(f"{told}{f' at {place}' if place else ''}", "attention"), Span("  w", "key"), Span(" says why", "dim")
        )
    wait = row.wait
    if row.status is RunStatus.WAITING and wait is not None:
        texts = [waits_for(wait, now, zone, step_place(row.step, row.iteration))]
        if wait.kind is WaitKind.EVENT:
            texts.append(f"key {safe(wait.key)}" if wait.key else "any key")
            if wait.until is not None:
                texts.append(f"gives up {remaining(wait.until, now)}")
        if row.attempt and row.attempt > 1:
            texts.append(f"try {row.attempt}")
        return line(Span(", ".join(texts)))
    if row.cancel_requested_at is not None and not row.status.ended:
        asked = live_duration((now - row.cancel_requested_at).total_seconds())
        return line(Span(f"cancel was asked for {asked} ago, the run is cleaning up", "canceled"))
    if row.status is RunStatus.RUNNING:
        place = step_place(row.step, row.iteration)
        return line(Span(f"at {place}" if place else "no step yet", "text" if place else "dim"))
    return line(Span(counted(row.step_count, "step"), "dim"))


def _where_failed(path: str, store: RunStore) -> str:
    step = failed_step(store)
    if step is not None and step.path == path:
        return f"  in {step_place(step.step_id, step.iteration)}"
    return f"  at {safe(path)}" if path else ""
