"""When each step ran, waited and backed off, on a line of cells. Stretches in which nothing runs are made short.

All pure: the time now and the width are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from engine.records import Step, Wait, WaitKind
from runstudio_tui.domain.present import coarse_duration

_IDLE_SHARE: Final = 20
"""An idle stretch longer than this part of the whole is shown short."""
_IDLE_CELLS: Final = 10
_LEAST_IDLE_CELLS: Final = 3


class Doing(StrEnum):
    """What a step does during a segment."""

    RUNNING = "running"
    WAITING = "waiting"
    BACKING_OFF = "backing off"
    HOLDING = "holding"
    """A control step, while the steps in it run."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a lane."""

    doing: Doing
    start: datetime
    end: datetime
    open: bool = False
    """True when it goes on: ``end`` is now."""


def holding(began: datetime | None, ended: datetime | None, now: datetime) -> tuple[Segment, ...]:
    """The lane of a block, or of an iteration of a loop; without an end it goes on."""
    return () if began is None else (Segment(Doing.HOLDING, began, max(ended or now, began), ended is None),)


def segments(step: Step, waits: Iterable[Wait], now: datetime) -> tuple[Segment, ...]:
    """What a step did: its waits, and running in between. ``waits`` are those of the step, in any order."""
    if step.started_at is None:
        return ()
    ended = step.completed_at or now
    is_open = step.completed_at is None
    found: list[Segment] = []
    at = step.started_at
    for wait in sorted((w for w in waits if w.created_at is not None), key=lambda w: str(w.created_at)):
        begun = wait.created_at
        if begun is None:
            continue
        over = min(wait.resolved_at or now, ended)
        begun = max(begun, at)
        if begun > at:
            found.append(Segment(Doing.RUNNING, at, begun))
        doing = Doing.BACKING_OFF if wait.kind is WaitKind.RETRY else Doing.WAITING
        found.append(Segment(doing, begun, max(over, begun), wait.resolved_at is None and is_open))
        at = max(over, begun)
    if at < ended or not found:
        found.append(Segment(Doing.RUNNING, at, max(ended, at), is_open))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of time on a stretch of cells."""

    start: datetime
    end: datetime
    first: float
    last: float
    idle: bool
    """True when it is drawn shorter than it was."""

    @property
    def seconds(self) -> float:
        """How long it was."""
        return (self.end - self.start).total_seconds()


class Scale:
    """Cells for moments. Times before the first or after the last piece are drawn at the edges."""

    def __init__(self, pieces: Sequence[Piece], cells: int) -> None:
        self.pieces = tuple(pieces)
        self.cells = cells

    def cell(self, at: datetime) -> float:
        """Where a moment is, 0 to ``cells``."""
        for piece in self.pieces:
            if at < piece.end:
                if at <= piece.start:
                    return piece.first
                share = (at - piece.start).total_seconds() / piece.seconds
                return piece.first + share * (piece.last - piece.first)
        return float(self.cells)

    def moment(self, cell: float) -> datetime:
        """The moment at a cell."""
        for piece in self.pieces:
            if cell <= piece.last and piece.last > piece.first:
                share = max(cell - piece.first, 0.0) / (piece.last - piece.first)
                return piece.start + timedelta(seconds=share * piece.seconds)
        return self.pieces[-1].end


def scale_of(known: Sequence[Segment], cells: int) -> Scale | None:
    """The scale on which all segments fit into ``cells``; None when nothing has happened yet. Idle is where nothing runs."""
    if not known or cells < 10:
        return None
    start, end = min(s.start for s in known), max(s.end for s in known)
    stretches: list[_Stretch] = []
    at = start
    for first, last in [*_merged([s for s in known if s.doing is Doing.RUNNING]), (end, end)]:
        if first > at:
            stretches.append(_Stretch(at, first, may_shrink=True))
        if last > first:
            stretches.append(_Stretch(first, last, may_shrink=False))
        at = max(at, last)
    return Scale(_placed(stretches or [_Stretch(start, end, may_shrink=False)], cells), cells)


@dataclass(frozen=True, slots=True)
class _Stretch:
    start: datetime
    end: datetime
    may_shrink: bool

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


def _merged(found: list[Segment]) -> list[tuple[datetime, datetime]]:
    made: list[tuple[datetime, datetime]] = []
    for segment in sorted(found, key=lambda s: s.start):
        if made and segment.start <= made[-1][1]:
            made[-1] = (made[-1][0], max(made[-1][1], segment.end))
        else:
            made.append((segment.start, segment.end))
    return made


def _shrunk(stretches: list[_Stretch]) -> set[_Stretch]:
    """Idle stretches that would take more than their share of the line, those already made short left out of the count."""
    shrunk: set[_Stretch] = set()
    while True:
        total = sum(stretch.seconds for stretch in stretches if stretch not in shrunk)
        more = {s for s in stretches if s.may_shrink and s not in shrunk and s.seconds > total / _IDLE_SHARE}
        if not more:
            return shrunk
        shrunk |= more


def _placed(stretches: list[_Stretch], cells: int) -> list[Piece]:
    shrunk = _shrunk(stretches)
    to_scale = sum(stretch.seconds for stretch in stretches if stretch not in shrunk)
    short = max(min(_IDLE_CELLS, cells // (2 * len(shrunk))), _LEAST_IDLE_CELLS) if shrunk else 0
    if shrunk and not to_scale:
        short = cells // len(shrunk)
    room = max(cells - len(shrunk) * short, 1)
    pieces: list[Piece] = []
    at = 0.0
    for stretch in stretches:
        idle = stretch in shrunk
        width = float(short) if idle else (stretch.seconds / to_scale * room if to_scale else float(room))
        pieces.append(Piece(stretch.start, stretch.end, at, at + width, idle))
        at += width
    return pieces


_SIGNS: Final = {Doing.RUNNING: "▇", Doing.WAITING: "╌", Doing.BACKING_OFF: "░", Doing.HOLDING: "─"}
_ORDER: Final = (Doing.HOLDING, Doing.WAITING, Doing.BACKING_OFF, Doing.RUNNING)


def bar(lane: Sequence[Segment], scale: Scale) -> str:
    """A lane as one text of ``scale.cells`` cells. Every segment takes at least one; running stands over waiting."""
    cells = [" "] * scale.cells
    for doing in _ORDER:
        for segment in lane:
            if segment.doing is doing:
                first, last = _extent(segment, scale)
                for cell in range(first, last):
                    cells[cell] = _SIGNS[doing]
                if segment.open:
                    cells[last - 1] = "▶"
    return "".join(cells)


def _extent(segment: Segment, scale: Scale) -> tuple[int, int]:
    first = min(int(scale.cell(segment.start)), scale.cells - 1)
    return first, max(min(round(scale.cell(segment.end)), scale.cells), first + 1)


def axis(scale: Scale, first: int, cells: int, text: Callable[[datetime], str]) -> str:
    """The line over the lanes, ``cells`` cells of it from ``first``: moments (as ``text`` says them) at its ends and where an
    idle stretch begins; idle stretches carry their true length."""
    made = ["─"] * scale.cells
    for piece in scale.pieces:
        begin, end = round(piece.first), round(piece.last)
        if piece.idle:
            label = coarse_duration(piece.seconds).replace(" ", "")
            room = end - begin
            made[begin:end] = label.center(room, "═") if len(label) <= room - 2 else "═" * room
    window = made[first : first + cells]
    for piece in scale.pieces:
        if piece.idle:
            _write(window, round(piece.first) - first, text(piece.start), before=True)
    _write(window, 0, text(scale.moment(first)), before=False)
    _write(window, len(window), text(scale.moment(first + cells)), before=True)
    return "".join(window)


def _write(window: list[str], at: int, text: str, *, before: bool) -> None:
    """Put ``text`` before or after a cell, where there is nothing but line."""
    padded = f" {text} " if 0 < at < len(window) else f" {text}" if before else f"{text} "
    begin = at - len(padded) if before else at
    if begin >= 0 and begin + len(padded) <= len(window) and set(window[begin : begin + len(padded)]) == {"─"}:
        window[begin : begin + len(padded)] = padded
