"""Facts as short texts: durations, ages, moments, what a run is at. Safe to draw."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Final

from engine.records import Count, OpenWait, QuotaUsage, RunRow, RunStatus, WaitKind
from engine.wording import counted
from runstudio_tui.text import safe, short_id

NOTHING = "–"


def duration(seconds: float) -> str:
    """At most two units: ``41ms``, ``1.2s``, ``42s``, ``3m 09s``, ``16h 41m``, ``2d 4h``. Below zero counts as zero."""
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:
        return f"{round(seconds * 1000)}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3600}h"


def live_duration(seconds: float) -> str:
    """Like ``duration``, in whole seconds: for what is still going on."""
    return duration(seconds) if seconds >= 10 else f"{max(int(seconds), 0)}s"


def coarse_duration(seconds: float) -> str:
    """Like ``live_duration``, without the seconds from a minute on: for what stands beside a figure that counts."""
    return f"{int(seconds) // 60}m" if 60 <= seconds < 3600 else live_duration(seconds)


def elapsed(started: datetime | None, ended: datetime | None, now: datetime) -> str:
    """How long something took, or has taken so far."""
    if started is None:
        return NOTHING
    if ended is not None:
        return duration((ended - started).total_seconds())
    return live_duration((now - started).total_seconds())


def in_zone(at: datetime, zone: tzinfo) -> datetime:
    """An aware time in the viewer's zone; as it is where the zone would move it out of the years 1 to 9999."""
    try:
        return at.astimezone(zone)
    except OverflowError:
        return at


def moment(at: datetime | None, now: datetime, zone: tzinfo) -> str:
    """A past or future time, as short as it stays clear: ``10:41:07``, ``Mon 18:02``, ``12 Nov 18:02``, ``2025-11-12``."""
    if at is None:
        return NOTHING
    local, today = in_zone(at, zone), now.astimezone(zone)
    days = abs((local.date() - today.date()).days)
    if days == 0:
        return local.strftime("%H:%M:%S")
    if days < 7:
        return local.strftime("%a %H:%M")
    if abs((local - today).days) < 300:
        return f"{local.day} {local.strftime('%b %H:%M')}"
    return local.date().isoformat()


def exact_moment(at: datetime, now: datetime, zone: tzinfo) -> str:
    """A time to the second, with its day where that is another one: ``10:41:07``, ``12 Nov 18:02:33``."""
    local = in_zone(at, zone)
    day = "" if local.date() == now.astimezone(zone).date() else f"{local.day} {local.strftime('%b')} "
    return f"{day}{local.strftime('%H:%M:%S')}"


def until(at: datetime, now: datetime, zone: tzinfo) -> str:
    """A future time for a reader: ``in 12s``, ``until 17:00``, ``until tomorrow 09:00``, ``until 12 Nov 18:02``."""
    left = at - now
    if left < timedelta(hours=1):
        return "now" if left <= timedelta(0) else f"in {live_duration(left.total_seconds())}"
    local, today = in_zone(at, zone), now.astimezone(zone)
    days = (local.date() - today.date()).days
    if days == 0:
        return f"until {local.strftime('%H:%M')}"
    if days == 1:
        return f"until tomorrow {local.strftime('%H:%M')}"
    return f"until {moment(at, now, zone)}"


def remaining(at: datetime, now: datetime) -> str:
    """How long until a future time: ``in 23h 56m``; ``now`` when it is past."""
    left = (at - now).total_seconds()
    return f"in {live_duration(left)}" if left > 0 else "now"


def full_moment(at: datetime | None, zone: tzinfo) -> str:
    """A time in full, in the viewer's zone: ``2026-01-15 10:40:12.345``."""
    if at is None:
        return NOTHING
    local = in_zone(at, zone)
    return f"{local.date().isoformat()} {local.strftime('%H:%M:%S')}.{local.microsecond // 1000:03d}"


def count_text(count: Count) -> str:
    """``214``, ``10,000+``."""
    return f"{count.value:,}{'+' if count.capped else ''}"


def quota_text(usage: QuotaUsage) -> str:
    """What was used of the quota: ``1,697, no limit``, ``1,697 of 2,000, 303 left``."""
    if usage.effective_limit is None:
        return f"{usage.used_count:,}, no limit"
    return f"{usage.used_count:,} of {usage.effective_limit:,}, {usage.remaining:,} left"


def size_text(size: int | None) -> str:
    """``412 B``, ``1.2 KB``, ``3.4 MB``; a dash when not known."""
    if size is None:
        return NOTHING
    if size < 1024:
        return f"{size} B"
    if size < 1024 * 1024:
        return f"{size / 1024:.1f} KB"
    return f"{size / 1024 / 1024:.1f} MB"


def step_place(step: str | None, iteration: str) -> str:
    """A step with its loop indexes: ``push-line [0][17]``."""
    if not step:
        return ""
    indexes = "".join(f"[{index}]" for index in iteration.split(".")) if iteration else ""
    return f"{safe(step)} {safe(indexes)}".rstrip()


def waits_for(wait: OpenWait, now: datetime, zone: tzinfo, place: str = "") -> str:
    """What an open wait waits for and until when; ``place`` is the step it belongs to."""
    due = f" {until(wait.until, now, zone)}" if wait.until is not None else ""
    match wait.kind:
        case WaitKind.EVENT:
            return f"event {safe(wait.event_name or '')}".rstrip()
        case WaitKind.TIME:
            return due.strip() or "a time"
        case WaitKind.HUMAN:
            return safe(wait.who) if wait.who else "a human task"
        case WaitKind.QUOTA:
            return f"quota{due}"
        case WaitKind.CHILD:
            return f"child {short_id(wait.who)}" if wait.who else "child run"
        case WaitKind.RETRY:
            return f"{place or 'retry'}{due}"
        case WaitKind.TIMEOUT:
            return f"timeout{due}"
    return f"{safe(wait.kind.value)}{due}"


_QUEUED: Final = {"pending": "queued: launch pending", "queued": "queued: waits for its turn"}
"""By launch state: what a run without a step waits for."""


def where(row: RunRow, now: datetime, zone: tzinfo) -> str:
    """The most useful thing to know of a run in one short text: where it is, what it waits for, or what broke it."""
    place = step_place(row.step, row.iteration)
    if row.stalled_at(now):
        since = live_duration((now - row.updated_at).total_seconds())
        return f"{place}: no progress for {since}" if place else f"no progress for {since}"
    match row.status:
        case RunStatus.RUNNING:
            if row.stuck_at(now) and row.started_at is not None:
                return f"not picked up for {live_duration((now - row.started_at).total_seconds())}"
            if row.step_count == 0:
                return _QUEUED.get(row.launch_state, "queued for a worker")
            return place or "between steps"
        case RunStatus.WAITING:
            return waits_for(row.wait, now, zone, place) if row.wait is not None else place
        case RunStatus.FAILED:
            what = safe(row.error_code or row.error_message or "no reason recorded")
            return f"{place}: {what}" if place else what
        case RunStatus.CANCELED:
            return f"at {place}" if place else ""
        case RunStatus.SUCCEEDED:
            return counted(row.step_count, "step") if row.step_count else ""
    return place


def trigger_text(row: RunRow) -> str:
    """How the run came to be: ``event order.placed``, ``manual``, ``schedule``, ``child``."""
    if row.replay_of is not None:
        return f"replay of {short_id(row.replay_of)}"
    if row.trigger is None:
        return "manual"
    if row.trigger == "event" and row.trigger_event:
        return f"event {safe(row.trigger_event)}"
    return safe(row.trigger)


def operation_text(operation: str) -> str:
    """What was audited: ``run cancel``."""
    return safe(operation).removeprefix("workflow_").replace("_", " ")
