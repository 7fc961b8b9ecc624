"""The pane Snapshots, of runs from before the cutover: the list, and below it what is in the one under the cursor."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from engine.records import Document, Snapshot, Step
from runstudio_tui.domain.json_compare import count_changes
from runstudio_tui.domain.present import exact_moment, size_text
from runstudio_tui.screens.run.pane_rows import Frame
from runstudio_tui.screens.run.panes import Panes
from runstudio_tui.screens.run.state_pane import part_spans
from runstudio_tui.store.session import Studio
from runstudio_tui.store.snapshots import Envelope, SnapshotsStore, size_and_limit
from runstudio_tui.text import safe
from runstudio_tui.widgets.cells import cut, pad, width, wrap
from runstudio_tui.widgets.line import Line, Span, justify, line
from runstudio_tui.widgets.line_list import Row

_OPEN: Final = frozenset({"/vars", "/error"})
_AT: Final = 17
_WHOLE_DEPTH: Final = 3
"""Containers above this depth are open where a part of an envelope is shown by itself."""


class Part(StrEnum):
    """What of an envelope is shown."""

    CHANGES = "changes"
    PAYLOAD = "payload"
    VARS = "vars"
    META = "meta"
    ERROR = "error"


class SnapshotsPane:
    """Fetches snapshots as they are looked at, and fills the pane."""

    def __init__(self, studio: Studio, run_id: str, changed: Callable[[], None]) -> None:
        self.store = SnapshotsStore(studio, run_id, changed)
        self.part = Part.CHANGES
        self._drawn: tuple[Snapshot, ...] = ()
        self._cut: tuple[Envelope, Part, Document | None] | None = None
        """The part of an envelope that was cut out last."""

    def choose_part(self, part: str) -> None:
        """Show a part; without a name the next one, after the last the first again."""
        parts = tuple(Part)
        self.part = Part(part) if part else parts[(parts.index(self.part) + 1) % len(parts)]

    def move(self, panes: Panes, by: int) -> bool:
        """Go to the snapshot before or after; False at the ends."""
        key = panes.snapshots.cursor
        found = panes.snapshots.neighbour(key, by) if key is not None else None
        return found is not None and panes.snapshots.move_to(found)

    def go_to(self, panes: Panes, step: Step | None) -> None:
        """Go to the latest snapshot of a step, where there is one."""
        found = [snapshot for snapshot in self.store.all if step is not None and snapshot.path == step.path]
        if found:
            panes.snapshots.move_to(found[-1].snapshot_id)

    # --- filling ------------------------------------------------------------------------------------------------------

    def fill(self, panes: Panes, frame: Frame, name_of: Callable[[str], str]) -> None:
        """Draw the list, and the snapshot under its cursor; ``name_of`` gives the id of a step by its path."""
        listing = self.store.listing
        if listing is None or listing.value is None:
            error = listing.error if listing is not None else None
            told = "loading…" if error is None else safe(error.sentences)
            panes.show_rows(lambda cells: _said(told, cells))
            return
        if not listing.value:
            told = "No snapshot of this run was kept."
            panes.show_rows(lambda cells: _said(told, cells))
            return
        if self._drawn is not listing.value:
            self._drawn = listing.value
            panes.snapshots.show_rows(lambda cells: _list_rows(self._drawn, name_of, frame, cells))
        self.store.look_at(panes.snapshots.cursor)
        self._fill_body(panes, frame)

    def _fill_body(self, panes: Panes, frame: Frame) -> None:
        body = self.store.envelope
        if body is None or body.key != panes.snapshots.cursor:
            return
        if body.error is not None:
            told = safe(body.error.sentences)
            panes.say_about()
            panes.show_rows(lambda cells: _said(told, cells))
        elif body.value is not None:
            self._show(panes, body.value, frame)
        else:
            panes.say_about(lambda _: [line(Span(" loading… below is still the one before", "attention"))])

    def _show(self, panes: Panes, shown: Envelope, frame: Frame) -> None:
        sizes = size_and_limit(shown.body)
        place = self.store.all.index(shown.snapshot) + 1
        at = exact_moment(shown.snapshot.created_at, frame.now, frame.zone)
        left = line(Span(f" {place:,} of {len(self.store.all):,}", "strong"), Span(f"  {at}", "dim"))
        parts = part_spans(self.part, tuple(Part))

        def about(*more: Line) -> None:
            panes.say_about(lambda cells: [justify(left, parts, cells), *more])

        if sizes is not None:
            about()
            told = (
                f"This snapshot was too large to be kept: {size_text(sizes[0])}; at most {size_text(sizes[1])} were. "
                "What was in it is not stored anywhere."
            )
            panes.show_rows(lambda cells: _said(told, cells, tone="attention"))
            return
        if self.part is Part.CHANGES:
            self._show_changes(panes, shown, about)
            return
        about()
        document = self._part_of(shown)
        if document is None:
            told = f"–  This snapshot has no {self.part.value}."
            panes.show_rows(lambda cells: _said(told, cells))
        else:
            panes.show_compared(document, document, open_depth=_WHOLE_DEPTH)

    def _show_changes(self, panes: Panes, shown: Envelope, about: Callable[[Line], None]) -> None:
        earlier = shown.earlier
        if earlier is None:
            about(line(Span(" the first one: there is none before it to compare with", "dim")))
        elif size_and_limit(earlier) is not None:
            about(line(Span(" the one before was too large to be kept, so nothing is compared", "attention")))
        else:
            changes = count_changes(earlier, shown.body).text
            about(line(f" {changes}" if changes else Span(" nothing changed since the one before", "dim")))
            panes.show_compared(earlier, shown.body, opened=_OPEN)
            return
        panes.show_compared(shown.body, shown.body, opened=_OPEN)

    def _part_of(self, shown: Envelope) -> Document | None:
        """The document of a part: the same object as long as the same is shown."""
        if self._cut is None or self._cut[0] is not shown or self._cut[1] is not self.part:
            envelope, begin = shown.body.value, f"/{self.part.value}"
            known = isinstance(envelope, dict) and envelope.get(self.part.value) is not None
            masked = {pointer.removeprefix(begin) for pointer in shown.body.masked if _within(pointer, begin)}
            document = Document(envelope[self.part.value], frozenset(masked)) if known else None
            self._cut = (shown, self.part, document)
        return self._cut[2]


def _within(pointer: str, begin: str) -> bool:
    return pointer == begin or pointer.startswith(f"{begin}/")


def _said(text: str, cells: int, *, tone: str = "dim") -> list[Row]:
    return [Row(line(Span(f" {part}", tone))) for part in wrap(text, max(cells - 2, 16))]


def _list_rows(snapshots: tuple[Snapshot, ...], name_of: Callable[[str], str], frame: Frame, cells: int) -> list[Row]:
    number = len(f"{len(snapshots):,}")
    rows = []
    for place, snapshot in enumerate(snapshots, 1):
        size = f"{size_text(snapshot.size_bytes)}"
        right = line(Span("▲ too large  ", "attention") if snapshot.truncated else "", Span(f"{size} ", "dim"))
        at = pad(exact_moment(snapshot.created_at, frame.now, frame.zone), _AT)
        name = name_of(snapshot.path)
        left = line(
            Span(f" {pad(f'{place:,}', number, right=True)}  ", "dim"),
            Span(at, "dim"),
            safe(name) if name else safe(snapshot.path),
            Span(f"  {safe(snapshot.path)}" if name else "", "dim"),
        )
        room = max(cells - sum(width(span.text) for span in right), 0)
        rows.append(Row(justify(_within_cells(left, room), right, cells), snapshot.snapshot_id, snapshot.snapshot_id))
    return rows


def _within_cells(spans: Line, cells: int) -> Line:
    *first, last = spans
    taken = sum(width(span.text) for span in first)
    return (*first, last._replace(text=cut(last.text, max(cells - taken - 1, 0)) if taken < cells else ""))
