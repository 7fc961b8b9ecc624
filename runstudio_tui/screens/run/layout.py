"""How a run's steps and its panes share the screen: side by side, one under the other, or one in the other's place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from textual import events, on

from runstudio_tui.screens.run.panes import Panes
from runstudio_tui.screens.run.searching import Searching
from runstudio_tui.screens.run.timeline import TimelineList
from runstudio_tui.screens.run.tree import StepList
from runstudio_tui.store.session import Studio
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.split import Split
from runstudio_tui.widgets.virtual_list import VirtualList

WIDE: Final = 100
"""Columns from which the panes stand beside the steps."""


class RunLayout(Searching):
    """The parts of the screen, and where the keyboard is. Where it is narrow, the panes stand below the
    steps, and alone while they have the keyboard (``-panes``). The timeline takes the place of the steps; the panes come below it
    when they are asked for (``-below``)."""

    DEFAULT_CSS = """
    RunLayout #header { height: 2; }
    RunLayout #stuck { height: 0; }
    RunLayout #rule { height: 1; }
    RunLayout Split > .-left { width: 1fr; }
    RunLayout Split > .-right { width: 1fr; }
    RunLayout.-narrow Split { layout: vertical; }
    RunLayout.-narrow Split > .-left, RunLayout.-narrow Split > .-right { width: 100%; border-left: none; }
    RunLayout.-narrow.-panes Split > StepList { display: none; }
    RunLayout > TimelineList { display: none; }
    RunLayout.-timeline > TimelineList { display: block; }
    RunLayout.-timeline Split { display: none; }
    RunLayout.-timeline.-below Split { display: block; }
    RunLayout.-timeline.-below Split > StepList { display: none; }
    RunLayout.-timeline.-below Split > Panes { border-left: none; }
    RunLayout.-narrow.-timeline.-panes > TimelineList { display: none; }
    """

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self.step_list = StepList(studio.time)
        self.timeline = TimelineList(studio)
        self.panes = Panes()

    def body(self) -> Iterable[Any]:
        """See StudioScreen."""
        yield Bar(id="header")
        yield Bar(id="stuck")
        yield Bar(id="rule")
        yield self.timeline
        yield Split(self.step_list, self.panes)
        yield LineInput(id="find", placeholder="find", select_on_focus=False)

    def badge(self) -> str:
        """What the line under the header says of the run; empty for nothing."""
        raise NotImplementedError

    def found_one(self) -> None:
        """See Searching."""
        self.follow_run(on=False)

    def follow_run(self, *, on: bool) -> None:
        """Let the cursor go where the run is, or stay where the operator puts it."""
        for steps in (self.step_list, self.timeline):
            if steps.follows_run != on:
                steps.follows_run = on
                steps.redraw()

    def share_height(self) -> None:
        """Where the panes stand below the steps: the steps take what they need, at most half."""
        if not self.has_class("-narrow"):
            self.step_list.styles.height = "1fr"
            return
        room = self.query_one(Split).size.height
        self.step_list.styles.height = max(min(self.step_list.length + 1, room // 2), 4)

    def show_all(self) -> None:
        """Draw everything again where it differs."""
        raise NotImplementedError

    @property
    def steps(self) -> StepList:
        """The steps in the form that is shown: tree or timeline."""
        return self.timeline if self.has_class("-timeline") else self.step_list

    @property
    def has_timeline(self) -> bool:
        """Whether the steps are shown as lanes of time."""
        return self.has_class("-timeline")

    @property
    def panes_beside(self) -> bool:
        """Whether the panes stand beside the steps, always in sight."""
        return not self.has_class("-narrow") and not self.has_timeline

    def searched(self) -> VirtualList:
        """See Searching."""
        return self.panes.shown if self.panes.focused or self.has_class("-panes") else self.steps

    def searchable(self) -> tuple[VirtualList, ...]:
        """See Searching."""
        panes = self.panes
        return (self.step_list, self.timeline, panes.snapshots, panes.rows, panes.document, panes.compared)

    def on_mount(self) -> None:
        """See StudioScreen."""
        self.steps.focus()
        self.panes.show_tabs()
        self._fit()

    def on_resize(self, _: events.Resize) -> None:
        """Side by side where there is room, else one over the other."""
        self._fit()
        self.show_all()

    @on(Split.Resized)
    def _resized(self) -> None:
        """What stands above comes and goes."""
        self.share_height()

    def _fit(self) -> None:
        self.set_class(self.size.width < WIDE, "-narrow")

    def rule(self, cells: int) -> list[Line]:
        """The line between the header and what is below."""
        badge = self.badge()
        told = f" {badge} " if badge else ""
        lead = "─" if told else ""
        rest = "─" * (cells - len(lead) - len(told))
        at = self.steps.outer_size.width - len(lead) - len(told)
        if self.panes_beside and 0 <= at < len(rest):
            rest = f"{rest[:at]}┬{rest[at + 1 :]}"
        return [line(Span(lead, "rule"), Span(told, "canceled"), Span(rest, "rule"))]

    # --- where the keyboard is ----------------------------------------------------------------------------------------

    def toggle_timeline(self) -> None:
        """d: lanes of time in the place of the steps, and back."""
        key = self.steps.cursor
        self.toggle_class("-timeline")
        self.show_all()
        if key is not None:
            self.steps.move_to(key)
        self.to_steps()
        self.show_chrome()

    def zoom(self, by: int) -> None:
        """Come closer on the timeline, or go away; 0 shows the whole run."""
        self.timeline.zoom(by)
        self.show_chrome()

    def to_panes(self) -> None:
        """The keyboard goes to the panes; where they are not in sight, they come."""
        if self.has_timeline:
            self.add_class("-below")
        self.add_class("-panes")
        self.panes.shown.focus()

    def to_steps(self) -> None:
        """The keyboard goes back to the steps."""
        self.remove_class("-panes")
        self.steps.focus()

    def put_below(self) -> None:
        """Let the panes be seen while the steps have the keyboard: moving through the steps moves what they show."""
        self.set_class(self.has_timeline, "-below")

    def take_away(self) -> bool:
        """esc on the timeline: away with what stands below it; False when nothing does."""
        if not self.has_timeline or not self.has_class("-below"):
            return False
        self.remove_class("-below")
        return True

    def next_part(self) -> None:
        """tab: from the steps to the panes, through their parts, and back."""
        lists = self.panes.lists
        here = next((place for place, part in enumerate(lists) if part.has_focus), -1)
        if not self.panes.focused:
            self.to_panes()
        elif here + 1 < len(lists):
            lists[here + 1].focus()
        else:
            self.to_steps()
