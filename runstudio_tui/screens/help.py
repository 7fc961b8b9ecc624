"""The help, made from the action table: what every key does here, what the signs mean, how to filter."""

from __future__ import annotations

from runstudio_tui.actions import Scope, Situation, console_refusal, key_text, of_scope, refusal
from runstudio_tui.domain.effective import READ_ONLY_GLYPH, RUN_STATES, STUCK_GLYPH, Tone
from runstudio_tui.domain.filter_text import KEYS
from runstudio_tui.widgets.cells import pad, wrap
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.line_list import Row

_HEADINGS = {
    Scope.RUNS: "Runs",
    Scope.RUN: "Run",
    Scope.EVENTS: "Events",
    Scope.DEAD: "Dead letters",
    Scope.TASKS: "Tasks",
    Scope.WORKFLOWS: "Workflows",
    Scope.VERSION: "Version",
    Scope.ATTENTION: "Attention",
    Scope.SYSTEM: "System",
    Scope.LIST: "In every list",
    Scope.JSON: "In a JSON value",
    Scope.FIELD: "In the filter line and in a search",
    Scope.EVERYWHERE: "Everywhere",
    Scope.DIALOG: "In dialogs",
}


def help_rows(scope: Scope, situation: Situation, cells: int) -> list[Row]:
    """All lines of the help for a screen."""
    rows: list[Row] = []
    for shown in dict.fromkeys((scope, Scope.LIST, Scope.JSON, Scope.FIELD, Scope.EVERYWHERE, Scope.DIALOG)):
        rows += _section(_HEADINGS[shown])
        for action in of_scope(shown):
            asked = refusal if shown is scope else console_refusal
            reason = asked(action, situation)
            keys = " ".join(key_text(key) for key in action.keys)
            rows += _entry(keys, action.help, cells, tone="dim" if reason else "text")
            if reason:
                rows += _entry("", f"not now: {reason}", cells, tone="dim")
    if scope is Scope.RUNS:
        rows += _section("Filter line: words joined with blanks, for example  status:failed wf:billing since:2h")
        for key in KEYS:
            values = f" ({', '.join(key.values)})" if key.values else ""
            rows += _entry(f"{key.key}:", f"{key.meaning}{values}", cells)
        rows += _entry("text", "searched in the workflow name", cells)
    rows += _section("Signs")
    for state in RUN_STATES.values():
        rows.append(Row(line("   ", Span(pad(state.glyph, 12), state.tone), state.word)))
    rows.append(
        Row(line("   ", Span(pad(STUCK_GLYPH, 12), Tone.ATTENTION), "stuck: running for over a minute without a step"))
    )
    rows.append(Row(line("   ", Span(pad(READ_ONLY_GLYPH, 12), Tone.CANCELED), "from before the cutover, read-only")))
    return rows


def _section(title: str) -> list[Row]:
    return [Row(()), Row(line(" ", Span(title, "strong")))]


def _entry(keys: str, text: str, cells: int, tone: str = "text") -> list[Row]:
    parts = wrap(text, max(cells - 16, 20))
    made: list[Line] = []
    for place, part in enumerate(parts):
        made.append(line("   ", Span(pad(keys if place == 0 else "", 12), "key"), Span(part, tone)))
    return [Row(entry) for entry in made]
