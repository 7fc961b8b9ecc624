"""What screens ask of the studio: the dialogs and screens that open over them, and what follows their answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from textual import work
from textual.app import App, SuspendNotSupported

from engine.records import RunRow, Started, Workflow
from runstudio_tui.actions import Scope, Situation, of_scope
from runstudio_tui.clipboard import Clipboard
from runstudio_tui.config import StudioConfig
from runstudio_tui.domain.command_line import RUN
from runstudio_tui.editor import edit_text
from runstudio_tui.payload_files import read_payload
from runstudio_tui.screens.base import StudioScreen
from runstudio_tui.screens.command_line import CommandLineDialog
from runstudio_tui.screens.dialogs.base import Dialog
from runstudio_tui.screens.dialogs.cancel import CancelDialog
from runstudio_tui.screens.dialogs.export import ExportDialog
from runstudio_tui.screens.dialogs.job import JobDialog
from runstudio_tui.screens.dialogs.listing import ListingDialog
from runstudio_tui.screens.dialogs.targets import TargetsDialog
from runstudio_tui.screens.dialogs.why import WhyDialog
from runstudio_tui.screens.filter_editing import FilterEditing
from runstudio_tui.screens.help import help_rows
from runstudio_tui.screens.messages import message_rows, text_rows
from runstudio_tui.screens.palette import PaletteDialog
from runstudio_tui.screens.replay.dialog import ReplayDialog
from runstudio_tui.screens.replay.several import ReplayManyDialog
from runstudio_tui.screens.run.screen import Neighbour, RunScreen
from runstudio_tui.screens.start.payload import PayloadDialog
from runstudio_tui.screens.start.workflow import WorkflowDialog
from runstudio_tui.store.export import Export
from runstudio_tui.store.jobs import Everything
from runstudio_tui.store.journal import Weight
from runstudio_tui.store.session import Studio
from runstudio_tui.widgets.line_list import Row

Answer = TypeVar("Answer")
MakeTargetsDialog = Callable[[Studio, Sequence[RunRow], int, Callable[[str, str], str]], TargetsDialog]


class Flows(App[None]):
    """The part of the app that opens things for screens. Each flow that waits for an answer is a worker of the group ``flow``."""

    config: StudioConfig
    studio: Studio
    clipboard_out: Clipboard

    def tell(self, text: str, weight: Weight = Weight.INFO) -> None:
        """Say something on whatever screen is open."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, StudioScreen):
                screen.say(text, weight)
                return
        self.studio.journal.note(text, weight)

    def copy(self, text: str, what: str) -> str:
        """Copy for the operator, say how it went, and give what was said."""
        copied = self.clipboard_out.copy(text, what)
        self.tell(copied.text, Weight.WARNING if copied.failed else Weight.INFO)
        return copied.text

    def open_run(self, run_id: str, neighbour: Neighbour | None = None) -> None:
        """Open the screen of a run; over a dialog, which was opened meanwhile, nothing opens."""
        if isinstance(self.screen, Dialog):
            self.tell(f"not opened, for there was a dialog: run {run_id}", Weight.WARNING)
            return
        self.push_screen(RunScreen(self.studio, run_id, neighbour))

    def show_help(self, scope: Scope, situation: Situation) -> None:
        """Show what every key does on a screen."""
        self.push_screen(ListingDialog("Help", lambda cells: help_rows(scope, situation, cells), self.copy))

    def show_text(self, title: str, text: str) -> None:
        """Show a text whole; it is copied as it is."""
        self.push_screen(ListingDialog(title, lambda cells: text_rows(text, cells), self.copy, text=text))

    def show_messages(self) -> None:
        """Show what was said in this session."""
        self.push_screen(ListingDialog("Messages", self._message_rows, self.copy, at_end=True))

    def _message_rows(self, cells: int) -> list[Row]:
        return message_rows(self.studio.journal.entries, self.studio.zone, cells)

    @work(group="flow", exit_on_error=False)
    async def show_palette(self, screen: StudioScreen) -> None:
        """Let the operator find an action by name, and do it."""
        chosen = await self.push_screen_wait(PaletteDialog(screen.SCOPE, screen.now()))
        if chosen is not None:
            screen.action_act(chosen)

    @work(group="flow", exit_on_error=False)
    async def show_command_line(self, screen: StudioScreen) -> None:
        """Let the operator type a command, and do it."""
        actions = [action for action in of_scope(screen.SCOPE, Scope.EVERYWHERE) if action.palette]
        command = await self.push_screen_wait(CommandLineDialog(actions))
        if command is None:
            return
        if command.action:
            screen.action_act(command.action)
        elif command.name == RUN:
            self.open_run(command.value)
        elif isinstance(screen, FilterEditing):
            if screen.filter_problems(command.value):
                screen.refuse_filter(command.value)
            else:
                screen.take_filter(command.value)
        else:
            screen.say("this screen has no filter", Weight.WARNING)

    def show_why(self, run_id: str) -> None:
        """Show why a run is not moving."""
        self.push_screen(WhyDialog(self.studio, run_id, self.copy))

    def cancel_runs(self, rows: Sequence[RunRow], lost: int, done: Callable[[], None]) -> None:
        """Cancel runs after asking; ``done`` is called when anything was sent."""
        self.act_on_runs(CancelDialog, rows, lost, "cancel", done)

    def act_on_runs(
        self, dialog: MakeTargetsDialog, rows: Sequence[RunRow], lost: int, what: str, done: Callable[[], None]
    ) -> None:
        """Do something to runs after asking; ``done`` is called when anything was sent."""
        self.settle(dialog(self.studio, rows, lost, self.copy), what, done)

    def export(self, export: Export) -> None:
        """Write runs into a file, after asking as what and under which name."""
        dialog = ExportDialog(self.studio, export, self.config.export_folder, self.copy)
        self.settle(dialog, "export", lambda: None)

    def submit_job(self, everything: Everything) -> None:
        """Have something done by the workers to everything that matches, after asking what and why."""
        self.settle(JobDialog(self.studio, everything, self.copy), "job", lambda: None)

    @work(group="flow", exit_on_error=False)
    async def settle(self, dialog: Dialog[str], what: str, done: Callable[[], None]) -> None:
        """Let a dialog do something to records; ``done`` is called when anything was sent."""
        outcome = await self.push_screen_wait(dialog)
        if outcome:
            self.tell(f"{what}: {outcome}")
            done()

    @work(group="flow", exit_on_error=False)
    async def ask(self, dialog: Dialog[Answer], done: Callable[[Answer], None]) -> None:
        """Open a dialog, unless there is one by now; ``done`` is called with what it gives."""
        if isinstance(self.screen, Dialog):
            return
        answer = await self.push_screen_wait(dialog)
        if answer is not None:
            done(answer)

    @work(group="flow", exit_on_error=False)
    async def start_a_run(self, preferred: str | None) -> None:
        """Start a run after asking which and with what, and open it."""
        workflow = await self.push_screen_wait(WorkflowDialog(self.studio, preferred))
        if workflow is not None:
            self.start_workflow(workflow)

    def start_workflow(self, workflow: Workflow) -> None:
        """Start a run of a workflow after asking with what, and open it."""
        read_file = None if self.studio.console else read_payload
        dialog = PayloadDialog(self.studio, workflow, self.edit_outside, read_file)
        self.ask(dialog, self._go_to_started)

    @work(group="flow", exit_on_error=False)
    async def replay_runs(self, rows: Sequence[RunRow], lost: int, done: Callable[[], None]) -> None:
        """Replay one run after asking with what, and open the new one; or several, each as it was. ``done`` is called when
        anything was sent."""
        if len(rows) != 1 or lost:
            self.act_on_runs(ReplayManyDialog, rows, lost, "replay", done)
            return
        started = await self.push_screen_wait(ReplayDialog(self.studio, rows[0], self.edit_outside))
        if started is not None:
            done()
            self._go_to_started(started)

    def _go_to_started(self, started: Started) -> None:
        self.open_run(started.run_id)
        if started.pending:
            self.tell("accepted; Temporal cannot be reached now, it starts as soon as it can", Weight.WARNING)
        elif not started.created:
            self.tell("this was started before; here is that run")
        else:
            self.tell(f"started {started.run_id}")

    def edit_outside(self, text: str) -> str:
        """``text`` after the operator's own editor. Raises ``OSError`` or ``ValueError`` when there is none, or it cannot be
        started here."""
        problem: OSError | ValueError | None = None
        try:
            with self.suspend():
                # Nothing may leave this block by an exception: Textual would not take the terminal back.
                try:
                    text = edit_text(text, self.config.editor, Path(self.config.state_dir))
                except (OSError, ValueError) as error:
                    problem = error
        except SuspendNotSupported:
            problem = OSError("this terminal cannot be handed over")
        if problem is not None:
            raise problem
        return text
