"""The preview of a replay as lines: what differs, what is done again, where it stops and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from engine.records import Difference, Json, ReplayPreview
from runstudio_tui.domain.done_before import Done, done_again
from runstudio_tui.domain.json_diff import Edited, difference
from runstudio_tui.domain.jsonview import LOCK
from runstudio_tui.domain.present import step_place
from runstudio_tui.text import safe
from runstudio_tui.widgets.cells import pad, wrap
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.line_list import Row

_NAME: Final = 22
_VALUE: Final = 200
"""Characters of one value."""
_PATHS: Final = 20


def preview_rows(found: ReplayPreview, done: Sequence[Done], cells: int) -> list[Row]:
    """All lines, top down."""
    rows: list[Row] = []
    for title, lines in (
        ("The schema refuses this input", list(_issues(found, cells))),
        ("The input differs at", list(_inputs(found, cells))),
        ("Goes another way", list(_ways(found, cells))),
        ("Done again, with the same input", list(_done(done_again(done, found).same, cells))),
        (_end_title(found), list(_end(found, cells))),
        ("Done then, from there on; whether again is not known", list(_done(done_again(done, found).unknown, cells))),
        ("Not done again", list(_done(done_again(done, found).left_out, cells))),
    ):
        if lines:
            if rows:
                rows.append(Row(()))
            rows.append(Row(line(" ", Span(title, "strong"))))
            rows += [Row(entry) for entry in lines]
    return rows


def _issues(found: ReplayPreview, cells: int) -> Iterator[Line]:
    for issue in found.issues:
        yield from _wrapped("✖", "failed", f"{safe(issue.pointer) or 'the input'}: {safe(issue.message)}", cells)


def _inputs(found: ReplayPreview, cells: int) -> Iterator[Line]:
    for path in found.changed_paths[:_PATHS]:
        yield from _wrapped("~", "attention", safe(path) or "everywhere", cells)
    if len(found.changed_paths) > _PATHS:
        yield line(Span(f"   and {len(found.changed_paths) - _PATHS} more", "dim"))


def _ways(found: ReplayPreview, cells: int) -> Iterator[Line]:
    if not found.differences:
        known = (
            "Up to there every step goes the same way." if found.stop is not None else "Every step goes the same way."
        )
        yield line(Span(f"   {known}", "dim"))
    for change in found.differences:
        mark, tone, said = _difference(change)
        name = pad(step_place(change.step_id, change.iteration), _NAME)
        yield line(Span(f" {mark} ", tone), f"{name} ", Span(said, tone))


def _difference(change: Difference) -> tuple[str, str, str]:
    recorded, now = safe(str(change.recorded).lower()), safe(str(change.now).lower())
    match change.kind:
        case "added":
            return "+", "ok", f"would be executed: {now}"
        case "dropped":
            return "-", "attention", f"would not be executed (was {recorded})"
        case "branch":
            return "~", "attention", f"branch {recorded} → {now}"
        case "items":
            return "~", "attention", f"items {recorded} → {now}"
        case _:
            return "~", "attention", f"{recorded} → {now}"


def _done(done: Sequence[Done], cells: int) -> Iterator[Line]:
    for entry in done:
        yield from _wrapped("↻", "text", entry.text, cells)


def _end_title(found: ReplayPreview) -> str:
    if found.stop is None:
        return "It would end, if everything answers as it did then"
    where = step_place(found.stop.step_id, found.stop.iteration)
    return f"The preview stops at {where}" if where else "The preview stops here"


def _end(found: ReplayPreview, cells: int) -> Iterator[Line]:
    stop = found.stop
    if stop is None:
        error = found.error
        why = f": {safe(error.code or error.category)}: {safe(error.message)}" if error is not None else ""
        mark, tone = ("✖", "failed") if error is not None else ("✔", "ok")
        yield from _wrapped(mark, tone, f"{safe(found.status or '').lower()}{why}", cells)
        return
    yield from _wrapped(
        "‖", "attention", f"{safe(stop.message)} What comes then, nobody knows before it is done.", cells
    )
    if stop.recorded is not None and stop.now is not None:
        changes = difference(stop.recorded.value, stop.now.value).changes
        for edited in changes[:_PATHS]:
            yield from _wrapped("~", "attention", _change(edited), cells)
        if not changes:
            yield line(Span(f"   {LOCK} what differs is hidden", "dim"))
    elif stop.now is not None:
        yield from _wrapped(" ", "text", f"it would be given {_short(stop.now.value)}", cells)


def _change(edited: Edited) -> str:
    path = safe(edited.change.path) or "all of it"
    match edited.change.op:
        case "add":
            return f"{path}: now {_short(edited.change.value)}"
        case "remove":
            return f"{path}: was {_short(edited.was)}"
        case _:
            return f"{path}: was {_short(edited.was)}, now {_short(edited.change.value)}"


def _short(value: Json) -> str:
    text = safe(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _VALUE else f"{text[: _VALUE - 1]}…"


def _wrapped(mark: str, tone: str, text: str, cells: int) -> Iterator[Line]:
    for place, part in enumerate(wrap(text, max(cells - 4, 20))):
        yield line(Span(f" {mark if place == 0 else ' '} ", tone), Span(part, "text" if place else tone))
