"""The studio as a Textual app: themes, the screens that are open, what happens when the terminal goes away. No data logic."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from rich.text import Text
from textual import events, work
from textual.app import App, SuspendNotSupported
from textual.binding import BindingType
from textual.filter import LineFilter, NoColor
from textual.worker import Worker, WorkerState

from runstudio_tui.actions import Scope, Situation
from runstudio_tui.clipboard import Clipboard
from runstudio_tui.clock import Clock, ServerTime, SystemClock
from runstudio_tui.config import StudioConfig
from runstudio_tui.domain.models import RunId, RunRow
from runstudio_tui.editor import edit_text
from runstudio_tui.logfile import log_to
from runstudio_tui.ports import Backend, PortError
from runstudio_tui.screens.base import StudioScreen
from runstudio_tui.screens.chrome import UNFOCUSED
from runstudio_tui.screens.connecting import ConnectingScreen
from runstudio_tui.screens.dialogs.cancel import CancelDialog
from runstudio_tui.screens.dialogs.listing import ListingDialog
from runstudio_tui.screens.help import help_rows
from runstudio_tui.screens.messages import message_rows
from runstudio_tui.screens.palette import PaletteDialog
from runstudio_tui.screens.run.screen import Neighbour, RunScreen
from runstudio_tui.screens.runs.screen import RunsScreen
from runstudio_tui.screens.start.dialogs import PayloadDialog, WorkflowDialog
from runstudio_tui.screens.too_small import TooSmallScreen
from runstudio_tui.screens.why import why_rows
from runstudio_tui.store.feed import ChangeFeed, Poller
from runstudio_tui.store.journal import Journal, Weight
from runstudio_tui.store.read_only import ReadOnlyBackend
from runstudio_tui.store.session import Studio
from runstudio_tui.text import short_id
from runstudio_tui.themes import DEFAULT_TONES, THEMES, LastGuard
from runstudio_tui.widgets.line_list import Row

BackendFactory = Callable[[], Backend]
MIN_WIDTH: Final = 60
MIN_HEIGHT: Final = 15
EXIT_BUG: Final = 70
_GRACE: Final = 2.0
"""Seconds to close connections after the terminal is gone, before the process ends anyway."""

_log = logging.getLogger(__name__)


class StudioApp(App[None]):
    """Opens the runs list, or one run, once the backend answers."""

    TITLE = "Run Studio"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(
        self,
        backend: Backend,
        config: StudioConfig,
        clock: Clock | None = None,
        *,
        filter_text: str = "",
        run_id: str | None = None,
        warnings: Sequence[str] = (),
        log_path: Path | None = None,
    ) -> None:
        self.config = config
        self._guard = LastGuard(ascii_only=config.glyphs == "ascii")
        super().__init__()
        if config.low_bandwidth:
            self.animation_level = "none"
        now = clock or SystemClock()
        if config.read_only:
            backend = ReadOnlyBackend(backend)
        self.studio = Studio(
            backend=backend,
            clock=now,
            zone=config.zone(),
            poll_seconds=config.poll,
            journal=Journal(now),
            time=ServerTime(now),
            feed=ChangeFeed(now, backend.feed),
            report_bug=self.report_bug,
            tick_seconds=5.0 if config.low_bandwidth else 1.0,
            read_only=config.read_only,
        )
        self.paused = False
        self._log_path = log_path
        self._first_filter = filter_text
        self._first_run = RunId(run_id) if run_id else None
        self._warnings = tuple(warnings)
        self._clipboard_out = Clipboard(
            mode=config.clipboard,
            multiplexer=config.multiplexer,
            directory=Path(config.state_dir),
            write=self._write_sequence,
        )
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = config.theme

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """See App: every theme has our tones."""
        return dict(DEFAULT_TONES)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """See App: ours comes last."""
        return [*super().get_line_filters(), *([] if self.config.color else [NoColor()]), self._guard]

    # --- life ---------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Begin."""
        for warning in self._warnings:
            self.studio.journal.note(warning, Weight.WARNING)
        with contextlib.suppress(
            NotImplementedError, ValueError, RuntimeError
        ):  # not on the main thread, as in a browser
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, self.terminal_gone)
            loop.add_signal_handler(signal.SIGTERM, self.exit)
        self.push_screen(ConnectingScreen(self.studio, self._connected))

    async def on_unmount(self) -> None:
        """End: let go of the backend."""
        await self.studio.feed.stop()
        await self.studio.backend.close()

    def _connected(self) -> None:
        self.studio.feed.start()
        self.switch_screen(RunsScreen(self.studio, self._first_filter, self.config.low_bandwidth))
        if self._first_run is not None:
            self.open_run(self._first_run)

    def terminal_gone(self) -> None:
        """The terminal was closed: leave quietly, and in any case soon, for nobody reads what is written any more."""
        # By a thread: on its way out the loop may wait for ever for somebody to take what it writes.
        end = threading.Timer(_GRACE, os._exit, (0,))
        end.daemon = True
        end.start()
        self.exit()

    def _fatal_error(self) -> None:
        """See App: a bug that nothing caught. One line for the operator instead of Textual's traceback, which shows the values
        of local variables; the rest is in the log file."""
        kind = sys.exc_info()[0]
        _log.critical("the studio ended because of a bug", exc_info=True)
        where = f" Details: {self._log_path}" if self._log_path is not None else ""
        self._return_code = EXIT_BUG
        self.panic(Text(f"Run Studio ended because of a bug in it ({kind.__name__ if kind else 'unknown'}).{where}"))

    def report_bug(self, error: Exception) -> None:
        """Something is wrong with the studio itself: told in one line here, in full in the log file."""
        _log.error("internal error", exc_info=error)
        self.tell("internal error, see the log file", Weight.ERROR)

    def on_resize(self, event: events.Resize) -> None:
        """Below the size the screens need, one sentence stands instead."""
        small = event.size.width < MIN_WIDTH or event.size.height < MIN_HEIGHT
        shown = isinstance(self.screen, TooSmallScreen)
        if small and not shown:
            self.push_screen(TooSmallScreen(MIN_WIDTH, MIN_HEIGHT))
        elif not small and shown:
            self.pop_screen()

    def on_app_blur(self) -> None:
        """Nobody looks: over a slow line, nothing is read meanwhile."""
        if self.config.low_bandwidth:
            for poller in self._pollers():
                poller.pause(UNFOCUSED)

    def on_app_focus(self) -> None:
        """Somebody looks again."""
        if self.config.low_bandwidth:
            for poller in self._pollers():
                poller.go_on(UNFOCUSED)

    def _pollers(self) -> list[Poller[Any]]:
        return [
            poller for screen in self.screen_stack if isinstance(screen, StudioScreen) for poller in screen.pollers()
        ]

    # --- what screens ask for -----------------------------------------------------------------------------------------

    def tell(self, text: str, weight: Weight = Weight.INFO) -> None:
        """Say something on whatever screen is open."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, StudioScreen):
                screen.say(text, weight)
                return
        self.studio.journal.note(text, weight)

    def toggle_pause(self) -> bool:
        """Stop reading on every screen, or go on; returns whether it is paused now."""
        self.paused = not self.paused
        return self.paused

    def next_theme(self) -> str:
        """Change to the next theme; returns its name."""
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        return self.theme

    def copy(self, text: str, what: str) -> None:
        """Copy for the operator, and say how it went."""
        copied = self._clipboard_out.copy(text, what)
        self.tell(copied.text, Weight.WARNING if copied.failed else Weight.INFO)

    def _write_sequence(self, sequence: str) -> None:
        # Textual's own copy_to_clipboard can neither wrap for tmux nor tell a size; the driver is the only way past it.
        if self._driver is not None:
            self._driver.write(sequence)

    def open_run(self, run_id: RunId, neighbour: Neighbour | None = None) -> None:
        """Open the screen of a run."""
        self.push_screen(RunScreen(self.studio, run_id, neighbour))

    def show_help(self, scope: Scope, situation: Situation) -> None:
        """Show what every key does on a screen."""
        self.push_screen(ListingDialog("Help", lambda cells: help_rows(scope, situation, cells), self.copy))

    def show_messages(self) -> None:
        """Show what was said in this session."""
        self.push_screen(ListingDialog("Messages", self._message_rows, self.copy, at_end=True))

    def _message_rows(self, cells: int) -> list[Row]:
        return message_rows(self.studio.journal.entries, self.studio.zone, cells)

    @work(group="flow", exit_on_error=False)
    async def show_palette(self, screen: StudioScreen) -> None:
        """Let the operator find an action by name, and do it."""
        chosen = await self.push_screen_wait(PaletteDialog(screen.SCOPE, screen.situation()))
        if chosen is not None:
            screen.action_act(chosen)

    @work(group="flow", exit_on_error=False)
    async def show_why(self, run_id: RunId) -> None:
        """Ask why a run is not moving, and show the answer."""
        try:
            diagnosis = (await self.studio.backend.system.diagnose(run_id)).value
        except PortError as error:
            self.tell(f"why: {error}", Weight.WARNING)
            return
        title = f"Why: {short_id(run_id)}"
        await self.push_screen_wait(ListingDialog(title, lambda cells: why_rows(diagnosis, cells), self.copy))

    @work(group="flow", exit_on_error=False)
    async def cancel_runs(self, rows: Sequence[RunRow], lost: int, done: Callable[[], None]) -> None:
        """Cancel runs after asking; ``done`` is called when anything was sent."""
        outcome = await self.push_screen_wait(CancelDialog(self.studio, rows, lost, self.copy))
        if outcome:
            self.tell(f"cancel: {outcome}")
            done()

    @work(group="flow", exit_on_error=False)
    async def start_a_run(self, preferred: str | None) -> None:
        """Start a run after asking which and with what, and open it."""
        workflow = await self.push_screen_wait(WorkflowDialog(self.studio, preferred))
        if workflow is None:
            return
        started = await self.push_screen_wait(PayloadDialog(self.studio, workflow, self.edit_outside))
        if started is None:
            return
        self.open_run(started.run_id)
        if started.pending:
            self.tell("accepted; Temporal cannot be reached now, it starts as soon as it can", Weight.WARNING)
        elif not started.created:
            self.tell("this was started before; here is that run")
        else:
            self.tell(f"started {started.run_id}")

    def edit_outside(self, text: str) -> str | None:
        """``text`` after the operator's own editor; None when there is none, or it cannot be started here."""
        try:
            with self.suspend():
                return edit_text(text, self.config.editor, Path(self.config.state_dir))
        except (SuspendNotSupported, OSError, ValueError) as error:
            self.studio.journal.note(f"the editor could not be started: {error}", Weight.WARNING)
            return None

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A flow broke: told, logged, and the studio goes on."""
        error = event.worker.error
        if event.state is WorkerState.ERROR and isinstance(error, Exception):
            self.report_bug(error)


def run_studio(
    backend_factory: BackendFactory,
    config: StudioConfig,
    *,
    filter_text: str = "",
    run_id: str | None = None,
    warnings: Sequence[str] = (),
    clock: Clock | None = None,
) -> int:
    """Run the studio until the operator leaves; returns the exit code of the process.

    ``backend_factory`` only makes the backend; it is opened, and opened again on ``r``, inside the studio.
    """
    log_path = log_to(Path(config.state_dir))
    app = StudioApp(
        backend_factory(), config, clock, filter_text=filter_text, run_id=run_id, warnings=warnings, log_path=log_path
    )
    app.run(mouse=config.mouse and not config.low_bandwidth)
    return app.return_code or 0
