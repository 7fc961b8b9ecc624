"""The studio as a Textual app: themes, the screens that are open, what happens when the terminal goes away. No data logic."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from rich.console import RenderableType
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.driver import Driver
from textual.filter import LineFilter, NoColor
from textual.geometry import Size
from textual.screen import ModalScreen, Screen
from textual.worker import Worker, WorkerState

from runstudio_tui.actions import Scope
from runstudio_tui.clipboard import Clipboard, into_tmux
from runstudio_tui.clock import Clock, ServerTime, SystemClock
from runstudio_tui.config import StudioConfig
from runstudio_tui.flows import Flows
from runstudio_tui.hangup import end_soon, watch_terminal
from runstudio_tui.logfile import log_to
from runstudio_tui.ports import Backend
from runstudio_tui.screens.base import StudioScreen
from runstudio_tui.screens.chrome import PAUSED, UNFOCUSED
from runstudio_tui.screens.connecting import ConnectingScreen
from runstudio_tui.screens.list_screen import ListScreen
from runstudio_tui.screens.places import PLACES, Opening
from runstudio_tui.screens.too_small import TooSmallScreen
from runstudio_tui.store.feed import ChangeFeed, Poller
from runstudio_tui.store.guarded import GuardedBackend
from runstudio_tui.store.journal import Journal, Weight
from runstudio_tui.store.session import Studio
from runstudio_tui.store.watch import SECONDS, WatchAnswer, look, take
from runstudio_tui.themes import DEFAULT_TONES, THEMES, LastGuard
from runstudio_tui.wire import Frames, in_frames

Answer = TypeVar("Answer")

BackendFactory = Callable[[], Backend]
MIN_WIDTH: Final = 60
MIN_HEIGHT: Final = 15
EXIT_BUG: Final = 70

_log = logging.getLogger(__name__)


class StudioApp(Flows):
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
        driver_class: type[Driver] | None = None,
    ) -> None:
        self.config = config
        self._guard = LastGuard(ascii_only=config.glyphs == "ascii")
        super().__init__(driver_class=driver_class)
        if config.low_bandwidth:
            self.animation_level = "none"
        now = clock or SystemClock()
        self.studio = Studio(
            backend=GuardedBackend(backend, now, read_only=config.read_only),
            clock=now,
            zone=config.zone(),
            poll_seconds=config.poll,
            journal=Journal(now),
            time=ServerTime(now),
            feed=ChangeFeed(now, backend.system),
            report_bug=self.report_bug,
            tick_seconds=5.0 if config.low_bandwidth else 1.0,
            read_only=config.read_only,
            console=config.console,
        )
        self.paused = False
        self._frames = Frames()
        self._watch: Poller[WatchAnswer | None] | None = None
        self._log_path = log_path
        self._first_filter = filter_text
        self._first_run = run_id if run_id else None
        self._warnings = tuple(warnings)
        self.clipboard_out = Clipboard(
            mode=config.clipboard,
            multiplexer=config.multiplexer,
            directory=Path(config.state_dir),
            write=self._write_sequence,
            buffer=into_tmux if config.inside_tmux and not config.console else None,
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
            watch_terminal(lambda: self._hung_up(loop))
        self.app_resume_signal.subscribe(self, lambda _: self._resumed())
        self.push_screen(ConnectingScreen(self.studio, self._connected))

    async def on_unmount(self) -> None:
        """End: let go of the backend."""
        if self._watch is not None:
            await self._watch.stop()
        await self.studio.feed.stop()
        await self.studio.backend.close()

    def _connected(self) -> None:
        if not self.is_running:  # a screen added now would change what Textual is closing
            return
        self.studio.feed.start()
        self._watch = Poller(
            clock=self.studio.clock,
            fetch=lambda: look(self.studio.backend),
            apply=self._take_watch,
            interval=lambda: max(SECONDS, self.studio.poll_seconds),
            polled=self._watched,
            broken=self.report_bug,
        )
        self._watch.start()
        opening = Opening(self.studio, self.config.low_bandwidth, self._first_filter)
        for name, make in PLACES.items():
            self.add_mode(name, partial(make, opening))
        self.go_to(Scope.RUNS.value)
        if self._first_run is not None:
            self.call_later(self.open_run, self._first_run)
        self.call_later(self._tell_too_small, self.size)

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        """See App: the screens to be seen behind the top one. Only dialogs let the screen below through; Textual would draw what
        changes on a hidden screen as well, with the whole of the one above it."""
        below: list[Screen[Any]] = []
        for upper, lower in pairwise(reversed(self._screen_stack)):
            if not isinstance(upper, ModalScreen):
                break
            below.insert(0, lower)
        return below

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """See App: of a frame, the terminal is sent what differs."""
        super()._display(screen, in_frames(renderable, self._frames))

    def _take_watch(self, answer: WatchAnswer | None) -> None:
        told = take(self.studio, answer)
        if told:
            self.tell(told, Weight.WARNING)

    def _watched(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, StudioScreen):
                screen.show_chrome()

    def go_to(self, place: str, key: str | None = None) -> None:
        """Go to one of the main screens, from a screen on top of it back to it; with ``key``, to that row of its list."""
        if self.current_mode != place:
            self.switch_mode(place)
        else:
            while len(self.screen_stack) > 1:
                self.pop_screen()
        screen = self.screen
        if key is not None and isinstance(screen, ListScreen):
            screen.seek(key)

    def terminal_gone(self) -> None:
        """The terminal was closed: leave quietly, and in any case soon, for nobody reads what is written any more."""
        end_soon()
        self.exit()

    def _hung_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """The same, in another thread, while the loop may already wait for somebody to take what it writes."""
        if self.is_running:
            end_soon()
            loop.call_soon_threadsafe(self.exit)

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

    def _resumed(self) -> None:
        """After ctrl+z or an editor: the terminal shows nothing of ours, and Textual would draw only what changes from then on;
        what is known is as old as the stop was long, and connections may have ended meanwhile."""
        self.refresh(layout=True)
        for poller in (*self._pollers(), *([] if self._watch is None else [self._watch])):
            poller.retarget()

    def on_resize(self, event: events.Resize) -> None:
        """Below the size the screens need, one sentence stands instead."""
        self._tell_too_small(event.size)

    def _tell_too_small(self, size: Size) -> None:
        small = size.width < MIN_WIDTH or size.height < MIN_HEIGHT
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
        """Of every screen, also of those of the main screens that are not looked at now."""
        screens = [screen for stack in self._screen_stacks.values() for screen in stack]
        return [poller for screen in screens if isinstance(screen, StudioScreen) for poller in screen.pollers()]

    # --- what screens ask for -----------------------------------------------------------------------------------------

    def toggle_pause(self) -> bool:
        """Stop reading on every screen, or go on; returns whether it is paused now."""
        self.paused = not self.paused
        for poller in self._pollers():
            if self.paused:
                poller.pause(PAUSED, after_first=True)
            else:
                poller.go_on(PAUSED)
        return self.paused

    def next_theme(self) -> str:
        """Change to the next theme; returns its name."""
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        return self.theme

    def _write_sequence(self, sequence: str) -> None:
        # Textual's own copy_to_clipboard can neither wrap for tmux nor tell a size; the driver is the only way past it.
        if self._driver is not None:
            self._driver.write(sequence)

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
    driver_class: type[Driver] | None = None,
) -> int:
    """Run the studio until the operator leaves; returns the exit code of the process.

    ``backend_factory`` only makes the backend; it is opened, and opened again on ``r``, inside the studio.
    ``driver_class``: where it is drawn, when that is not the terminal of the process.
    """
    log_path = log_to(Path(config.state_dir))
    app = StudioApp(
        backend_factory(),
        config,
        clock,
        filter_text=filter_text,
        run_id=run_id,
        warnings=warnings,
        log_path=log_path,
        driver_class=driver_class,
    )
    app.run(mouse=config.mouse and not config.low_bandwidth)
    return app.return_code or 0
