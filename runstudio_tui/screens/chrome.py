"""The lines around every screen's body: who and where, what can be done now, and how old the data is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from runstudio_tui.actions import PLACE_NAMES, Action, footer_keys
from runstudio_tui.domain.present import live_duration
from runstudio_tui.store.feed import Freshness
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe
from runstudio_tui.widgets.line import Line, Span, line, line_width

HIDDEN = "hidden"
PAUSED = "paused by hand"
UNFOCUSED = "paused while the terminal is not looked at"


def place_spans(studio: Studio, as_of: datetime | None) -> list[Line]:
    """Right end of the title, from all there is to say to what matters most of it: what is away, whether nothing can be changed,
    how many work, which deployment, as whom, the zone of all times, and when what is shown last changed."""
    if studio.who is None:
        return [line(Span("connecting ", "dim"))]
    away = Span(f"✖ {studio.away}  ", "failed") if studio.away else Span("")
    lock = Span("⚿ read-only  ", "attention") if studio.read_only else Span("")
    working = Span(f"{studio.working}  " if studio.working else "", "dim")
    actor, deployment = safe(studio.who.actor), safe(studio.who.place)
    zone = studio.time.now().astimezone(studio.zone).tzname() or ""
    changed = f"changed {as_of.astimezone(studio.zone).strftime('%H:%M:%S')} " if as_of is not None else ""
    whole = f"{deployment} ▸ {actor}   "
    return [
        line(away, lock, working, Span(f"{whole}{changed}{zone} ", "dim")),
        line(away, lock, working, Span(f"{whole}{zone} ", "dim")),
        line(away, lock, working, Span(f"{deployment} ▸ {actor} ", "dim")),
        line(away, lock, working, Span(f"{actor} ", "dim")),
        line(away, lock, Span(f"{actor} ", "dim")),
        line(away, lock),
    ]


def places_line(current: str, counts: Mapping[str, str]) -> Line:
    """The main screens by name, the current one in colour, with how much waits in each."""
    spans: list[Span] = []
    for name in PLACE_NAMES:
        spans.append(Span(name.capitalize(), "accent" if name == current else "dim", link=name))
        if counts.get(name):
            spans.append(Span(f" {counts[name]}", "attention" if name == "attention" else "text"))
        spans.append(Span("  "))
    return tuple(spans)


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
    if fresh.refused:
        return line(Span(safe(fresh.error), "attention"))
    if not fresh.stale(poll_seconds) or (fresh.age is not None and fresh.age <= 2 * poll_seconds):
        return ()
    age = "no data yet" if fresh.age is None else f"data {live_duration(fresh.age)} old"
    again = f", retrying in {live_duration(fresh.retry_in)}" if fresh.retry_in is not None else ""
    why = safe(fresh.error) if fresh.error else "waiting for an answer"
    return line(Span(f"{age}{again}: {why}", "attention"))


def live_mark(fresh: Freshness, poll_seconds: float) -> Span:
    """Whether what is shown is current, in a word."""
    if fresh.stale(poll_seconds):
        return Span("○ not current ", "attention")
    if fresh.paused:
        return Span("‖ paused ", "attention")
    if fresh.refused:
        return Span("○ refused ", "attention")
    return Span("○ loading ", "dim") if fresh.unread else Span("● live ", "running")
