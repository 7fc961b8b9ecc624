"""What every full screen has: title, note line, line of keys, one way to dispatch actions, a poller that rests when hidden."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from runstudio_tui.actions import BY_ID, Scope, Situation, footer, refusal
from runstudio_tui.bindings import bindings_of
from runstudio_tui.domain.catalog import Change
from runstudio_tui.screens.chrome import HIDDEN, PAUSED, WIDE_TITLE, freshness_note, keys_line, place_span
from runstudio_tui.store.feed import Freshness, Poller
from runstudio_tui.store.journal import Weight
from runstudio_tui.store.session import Studio
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.line import Line, Span, justify, line, line_width

if TYPE_CHECKING:
    from runstudio_tui.app import StudioApp

Handlers = dict[str, Callable[[], object]]


class StudioScreen(Screen[None]):
    """Base of the full screens. A subclass says its scope, its body, its handlers and its situation."""

    SCOPE: ClassVar[Scope] = Scope.EVERYWHERE
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    StudioScreen { layout: vertical; }
    #top { height: 1; }
    #note { height: 1; }
    """

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.studio = studio
        self.notice: Line = ()
        self.as_of: datetime | None = None
        """Server's time at which what is shown last changed."""
        self._stop_listening: Callable[[], None] | None = None
        self._ticker: asyncio.Task[None] | None = None

    @property
    def studio_app(self) -> StudioApp:
        """The app, typed."""
        return cast("StudioApp", self.app)

    # --- parts --------------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Title, body, note line, line of keys."""
        with Horizontal(id="top"):
            yield Bar(id="title")
            yield Bar(id="place")
        yield from self.body()
        yield Bar(id="note")
        yield Bar(id="keys")

    def body(self) -> Iterable[Any]:
        """The widgets between title and note line."""
        return ()

    def where(self) -> Line:
        """Left end of the title: where the operator is."""
        return ()

    def note_right(self) -> Line:
        """Right end of the note line."""
        return ()

    def show_state(self) -> None:
        """Draw what tells whether the data is live; part of ``show_chrome``."""

    def situation(self) -> Situation:
        """What decides which actions work now."""
        return Situation(level=self.studio.level)

    def handlers(self) -> Handlers:
        """What the actions of the screen's own scope do."""
        return {}

    def pollers(self) -> tuple[Poller[Any], ...]:
        """The pollers of the screen's data, the main one first."""
        return ()

    def heard(self, change: Change) -> None:
        """A change notice came: nudge the pollers it concerns."""

    def back(self) -> None:
        """esc: one step back, the innermost first."""

    def tick(self) -> None:
        """A second went by: draw what counts seconds. Called while data is live or overdue."""
        self.show_chrome()

    def counts_seconds(self) -> bool:
        """Whether anything on the screen has to be drawn every second."""
        return any(poller.freshness.failures for poller in self.pollers())

    def quit(self) -> None:
        """q: back one screen, or leave."""
        self.dismiss()

    # --- drawing ------------------------------------------------------------------------------------------------------

    @property
    def can_draw(self) -> bool:
        """Whether the widgets of the screen are there: after compose, before the end."""
        return self.is_attached and bool(self.children)

    def show_chrome(self) -> None:
        """Draw title, note and keys again where they differ."""
        if not self.can_draw:
            return
        self.query_one("#title", Bar).show(lambda _: [(Span(" RUN STUDIO  ", "strong"), *self.where())])
        shown = place_span(self.studio, self.as_of if self.size.width >= WIDE_TITLE else None)
        place = self.query_one("#place", Bar)
        place.styles.width = line_width(shown)
        place.show(lambda _: [shown])
        self.show_state()
        self.query_one("#note", Bar).show(self._note)
        situation = self.situation()
        self.query_one("#keys", Bar).show(lambda cells: [keys_line(footer(self.SCOPE, situation), cells)])

    def _note(self, cells: int) -> list[Line]:
        fresh: Freshness | None = next((poller.freshness for poller in self.pollers()), None)
        left = self.notice or freshness_note(fresh, self.studio.poll_seconds)
        return [justify(line(" ", *left), self.note_right(), cells)]

    def say(self, text: str, weight: Weight = Weight.INFO) -> None:
        """Tell the operator something on the note line until the next key; kept in the message log."""
        entry = self.studio.journal.note(text, weight)
        tone = {Weight.INFO: "text", Weight.WARNING: "attention", Weight.ERROR: "failed"}[weight]
        self.notice = line(Span(entry.text.replace("\n", " "), tone))
        self.show_chrome()

    def on_key(self) -> None:
        """Any key takes the last notice away."""
        if self.notice:
            self.notice = ()
            self.call_after_refresh(self.show_chrome)

    # Textual runs the handlers of every class of a hierarchy, so subclasses never call these themselves.

    # --- life ---------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Begin polling and listening."""
        for poller in self.pollers():
            if self.studio_app.paused:
                poller.pause(PAUSED)
            poller.start()
        if self.pollers():
            self._stop_listening = self.studio.feed.listen(self.heard)
            self._ticker = asyncio.create_task(self._tick())
        self.show_chrome()

    async def on_unmount(self) -> None:
        """End polling."""
        if self._stop_listening is not None:
            self._stop_listening()
        if self._ticker is not None:
            self._ticker.cancel()
        for poller in self.pollers():
            await poller.stop()

    async def _tick(self) -> None:
        never = asyncio.Event()
        while True:
            await self.studio.clock.wait(never, self.studio.tick_seconds)
            if self.is_current and self.counts_seconds():
                self.tick()

    @on(events.ScreenSuspend)
    def _suspended(self) -> None:
        for poller in self.pollers():
            poller.pause(HIDDEN)

    @on(events.ScreenResume)
    def _resumed(self) -> None:
        for poller in self.pollers():
            poller.go_on(HIDDEN)
        self.show_chrome()

    # --- actions ------------------------------------------------------------------------------------------------------

    def action_act(self, action_id: str) -> None:
        """Do an action of the table, or say why it does not work now."""
        action = BY_ID[action_id]
        reason = refusal(action, self.situation())
        if reason:
            self.say(f"{action.label}: {reason}", Weight.WARNING)
            return
        handler = {**self._common(), **self.handlers()}[action_id]
        handler()

    def _common(self) -> Handlers:
        app = self.studio_app
        return {
            "app.help": lambda: app.show_help(self.SCOPE, self.situation()),
            "app.palette": lambda: app.show_palette(self),
            "app.messages": app.show_messages,
            "app.refresh": self._refresh,
            "app.pause": self._toggle_pause,
            "app.theme": lambda: self.say(f"theme: {app.next_theme()}"),
            "app.suspend": app.action_suspend_process,
            "app.back": self.back,
            "app.quit": self.quit,
            "app.leave": app.exit,
        }

    def _refresh(self) -> None:
        for poller in self.pollers():
            poller.refresh_now()
        self.say("paused: P goes on" if self.studio_app.paused else "reading again")

    def _toggle_pause(self) -> None:
        paused = self.studio_app.toggle_pause()
        for poller in self.pollers():
            if paused:
                poller.pause(PAUSED)
            else:
                poller.go_on(PAUSED)
        self.say("paused: what you see stays as it is (P goes on)" if paused else "going on")


def screen_bindings(scope: Scope) -> list[BindingType]:
    """Bindings of a full screen."""
    return bindings_of(scope, Scope.EVERYWHERE)
