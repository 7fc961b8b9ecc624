"""The lines around every screen's body: who and where, what can be done now, and how old the data is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from runstudio_tui.actions import Action, footer_keys
from runstudio_tui.domain.present import live_duration
from runstudio_tui.store.feed import Freshness
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe
from runstudio_tui.widgets.line import Line, Span, line, line_width

WIDE_TITLE: Final = 100
"""Columns from which the title has room for a time."""
HIDDEN = "hidden"
PAUSED = "paused by hand"
UNFOCUSED = "paused while the terminal is not looked at"


def place_span(studio: Studio, as_of: datetime | None) -> Line:
    """Right end of the title: which deployment, as whom, whether nothing can be changed, and the zone of all times, with the
    time at which what is shown last changed where there is room for it."""
    if studio.who is None:
        return line(Span("connecting ", "dim"))
    lock = Span("⚿ read-only  ", "attention") if studio.read_only else Span("")
    now = studio.time.now().astimezone(studio.zone)
    at = f"{as_of.astimezone(studio.zone).strftime('%H:%M:%S')} " if as_of is not None else ""
    return line(lock, Span(f"{safe(studio.who.place)} ▸ {safe(studio.who.actor)}   {at}{now.tzname() or ''} ", "dim"))


def keys_line(actions: Sequence[Action], cells: int) -> Line:
    """The line of keys. Where not all fit, those before the last two give way, from the right."""
    shown = list(actions)
    while len(shown) > 2:
        made = _keys(shown)
        if line_width(made) <= cells:
            return made
        shown.pop(-3)
    return _keys(shown)


def _keys(actions: Sequence[Action]) -> Line:
    spans: list[Span] = []
    for action in actions:
        spans.append(Span(" " if not spans else "  "))
        spans.append(Span(footer_keys(action), "key"))
        spans.append(Span(f" {action.label}", "dim"))
    return tuple(spans)


def freshness_note(fresh: Freshness | None, poll_seconds: float) -> Line:
    """How old the data is; nothing while it is current. Older than two polls, failing, or paused by hand: says so."""
    if fresh is None:
        return ()
    paused = fresh.paused - {HIDDEN}
    if paused:
        age = f", data {live_duration(fresh.age)} old" if fresh.age is not None and fresh.age >= 1 else ""
        return line(Span(f"{', '.join(sorted(paused))}{age}", "attention"))
    if not fresh.failures or (fresh.age is not None and fresh.age <= 2 * poll_seconds):
        return ()
    age = "no data yet" if fresh.age is None else f"data {live_duration(fresh.age)} old"
    again = f", retrying in {live_duration(fresh.retry_in)}" if fresh.retry_in is not None else ""
    return line(Span(f"{age}{again}: {safe(fresh.error)}", "attention"))
