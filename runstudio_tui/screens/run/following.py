"""Where the cursor of a run's screen goes by itself: to what matters, with a live run, from failure to failure."""

from __future__ import annotations

from textual import on

from runstudio_tui.screens.run.contents import Contents
from runstudio_tui.screens.run.layout import RunLayout
from runstudio_tui.screens.run.panes import Pane
from runstudio_tui.screens.run.tree import StepList
from runstudio_tui.store.journal import Weight
from runstudio_tui.store.loop_names import LoopNames
from runstudio_tui.store.run import RunStore
from runstudio_tui.store.session import Studio


class Following(RunLayout):
    """Knows the run, and moves through its steps."""

    def __init__(self, studio: Studio, run_id: str) -> None:
        super().__init__(studio)
        self.run_id = run_id
        self.store = RunStore(studio.backend, studio.time, run_id)
        self._contents = Contents(studio, self.store, self._show_pane)
        self._names = LoopNames(studio, self.store, self.show_all)
        self._settled = False
        """True once the cursor was put on what matters."""

    def _show_pane(self) -> None:
        """Draw the pane again where it differs."""
        raise NotImplementedError

    def follow_where_wanted(self) -> None:
        """The run was read: when it was for the first time, and as long as it is followed, go to what matters."""
        if self.steps.follows_run or (self.store.complete and not self._settled):
            self._settled = True
            self._follow()

    def _follow(self) -> None:
        """The cursor goes to what matters, and with a live run stays there until the operator moves it."""
        self.follow_run(on=self.store.live)
        step = self.store.executions.focus()
        if step is not None:
            self.steps.go_to(step)
            self._contents.look_at_step(step, again=False)

    def follow_again(self) -> None:
        """.: to what matters, and follow a live run."""
        self._follow()
        self.show_all()

    @on(StepList.Touched)
    def _touched(self) -> None:
        self.follow_run(on=False)
        self._names.look()

    def next_mark(self, by: int) -> None:
        """} and {: in State and in Snapshots to what differs, else to a failed step."""
        if self.panes.pane in (Pane.STATE, Pane.SNAPSHOTS):
            self._to_change(by)
            return
        found = self.steps.current
        here = (found.path, found.iteration) if found is not None else ("root", "")
        inside = found is not None and found.row_id is None and "@" in found.key
        step = self.store.executions.failure_from(*here, by, inside=inside)
        if step is None:
            self.say("no step of this run failed", Weight.WARNING)
            return
        self.follow_run(on=False)
        self.steps.go_to(step)
        self._contents.look_at_step(step, again=False)
        self.show_all()

    def _to_change(self, by: int) -> None:
        if self.panes.content is not self.panes.compared or not self.panes.compared.to_change(by):
            self.say("nothing differs there", Weight.WARNING)
        self.show_chrome()
