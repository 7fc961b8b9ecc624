"""What every full screen has: title, note line, line of keys, one way to dispatch actions, a poller that rests when hidden."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen, Screen
from textual.widget import Widget

from engine.records import Change
from runstudio_tui.actions import BY_ID, PLACE_NAMES, Scope, Situation, footer, refusal
from runstudio_tui.bindings import bindings_of
from runstudio_tui.screens.chrome import HIDDEN, PAUSED, freshness_note, keys_line, place_spans, places_line
from runstudio_tui.store.feed import Freshness, Poller
from runstudio_tui.store.journal import Weight
from runstudio_tui.store.session import Studio
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import cut, wrap
from runstudio_tui.widgets.line import Line, Span, justify, line, line_width, plain

if TYPE_CHECKING:
    from runstudio_tui.app import StudioApp

NOTICE_SECONDS: Final = 10.0
"""How long what was said stands, unless a key takes it away before."""

_NOTE_LINES: Final = 4

Handlers = dict[str, Callable[[], object]]


class StudioScreen(Screen[None]):
    """Base of the full screens. A subclass says its scope, its body, its handlers and its situation."""

    SCOPE: ClassVar[Scope] = Scope.EVERYWHERE
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    StudioScreen { layout: vertical; }
    """

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.studio = studio
        self.notice: Line = ()
        self.as_of: datetime | None = None
        """Server's time at which what is shown last changed."""
        self._stop_listening: Callable[[], None] | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._out_of_sight: tuple[Widget, Widget] | None = None
        """What had the keyboard when the terminal shrank so far that it went out of sight, and what has it instead."""

    @property
    def studio_app(self) -> StudioApp:
        """The app, typed."""
        return cast("StudioApp", self.app)

    # --- parts --------------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Title, body, note line, line of keys."""
        yield Bar(id="title")
        yield from self.body()
        yield Bar(id="note")
        yield Bar(id="keys")

    def body(self) -> Iterable[Any]:
        """The widgets between title and note line."""
        return ()

    def where(self) -> Line:
        """Left end of the title: where the operator is. A main screen names all of them, itself in colour."""
        return places_line(self.SCOPE.value, self.studio.counts) if self.SCOPE.value in PLACE_NAMES else ()

    @on(Bar.LinkClicked, "#title")
    def _place_clicked(self, event: Bar.LinkClicked) -> None:
        self.studio_app.go_to(event.link)

    def note_right(self) -> Line:
        """Right end of the note line."""
        return ()

    def show_state(self) -> None:
        """Draw what tells whether the data is live; part of ``show_chrome``."""

    def situation(self) -> Situation:
        """What the screen knows of what decides which actions work now."""
        return Situation(level=self.studio.level)

    def now(self) -> Situation:
        """The situation, in this kind of session, with what is true of every screen."""
        return replace(self.situation(), console=self.studio.console, typing=self.typing())

    def typing(self) -> str:
        """Which text field has the keyboard; see Situation."""
        return ""

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
        seconds = self.studio.poll_seconds
        return any(poller.freshness.stale(seconds) for poller in self.pollers())

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
        self.query_one("#title", Bar).show(lambda cells: [self._title(cells)])
        self.show_state()
        self._show_note()
        # Under a dialog no key works here; the dialog names its own.
        keys = footer(self.SCOPE, self.now()) if self.app.screen is self else ()
        self.query_one("#keys", Bar).show(lambda cells: [keys_line(keys, cells)])

    def _title(self, cells: int) -> Line:
        """Where, and as whom: with all that there is room for, the least important left out first."""
        where, places = self.where(), place_spans(self.studio, self.as_of)
        full, short = Span(" RUN STUDIO  ", "strong"), Span(" ")
        # The names of the main screens say where one is; elsewhere the product's name leads.
        leads = (full, short) if self.SCOPE.value in PLACE_NAMES else (full,)
        lead, place = leads[-1], places[-1]
        for place in places:
            fitting = [lead for lead in leads if line_width((lead, *where, *place)) < cells]
            if fitting:
                lead = fitting[0]
                break
        return justify((lead, *where), place, cells)

    def _show_note(self) -> None:
        """The note line has as many lines as what is said takes."""
        note = self.query_one("#note", Bar)
        height = len(self._note(self.size.width))
        if note.styles.height is None or note.styles.height.value != height:
            note.styles.height = height
        note.show(self._note)

    def _note(self, cells: int) -> list[Line]:
        fresh: Freshness | None = next((poller.freshness for poller in self.pollers()), None)
        # Trouble outranks talk, which outranks a pause and a refusal; and nothing of it is cut, for the sake of what stands
        # beside it or otherwise.
        told = freshness_note(fresh, self.studio.poll_seconds)
        trouble = fresh is not None and fresh.stale(self.studio.poll_seconds)
        said = (told or self.notice) if trouble else (self.notice or told)
        right = self.note_right()
        if 1 + line_width(said) > cells > 1:
            tone = said[0].tone
            parts = wrap(plain(said), cells - 1)
            if len(parts) > _NOTE_LINES:
                parts[_NOTE_LINES - 1 :] = [cut(f"{parts[_NOTE_LINES - 1]} {parts[_NOTE_LINES]}", cells - 1)]
            return [line(" ", Span(part, tone)) for part in parts]
        left = line(" ", *said)
        return [justify(left, right if line_width(left) + line_width(right) < cells else (), cells)]

    def say(self, text: str, weight: Weight = Weight.INFO) -> None:
        """Tell the operator something on the note line until the next key; kept in the message log."""
        entry = self.studio.journal.note(text, weight)
        tone = {Weight.INFO: "text", Weight.WARNING: "attention", Weight.ERROR: "failed"}[weight]
        self.notice = line(Span(entry.text.replace("\n", " "), tone))
        self.show_chrome()
        if self._ending is not None:
            self._ending.cancel()
        self._ending = asyncio.create_task(self._end_notice())

    async def _end_notice(self) -> None:
        await self.studio.clock.wait(asyncio.Event(), NOTICE_SECONDS)
        self.notice = ()
        self.show_chrome()

    def on_key(self) -> None:
        """Any key takes the last notice away, and the keyboard stays where it is used."""
        self._out_of_sight = None
        if self.notice:
            self.notice = ()
            self.call_after_refresh(self.show_chrome)

    # Textual runs the handlers of every class of a hierarchy, so subclasses never call these themselves.

    # --- life ---------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Begin polling and listening."""
        for poller in self.pollers():
            if self.studio_app.paused:
                poller.pause(PAUSED, after_first=True)
            poller.start()
        if self.pollers():
            self._stop_listening = self.studio.feed.listen(self.heard)
            self._ticker = asyncio.create_task(self._tick())
        self.show_chrome()

    async def on_unmount(self) -> None:
        """End polling."""
        if self._stop_listening is not None:
            self._stop_listening()
        for task in (self._ticker, self._ending):
            if task is not None:
                task.cancel()
        for poller in self.pollers():
            await poller.stop()

    async def _tick(self) -> None:
        never = asyncio.Event()
        while True:
            await self.studio.clock.wait(never, self.studio.tick_seconds)
            if self.seen and self.counts_seconds():
                self.tick()

    @property
    def seen(self) -> bool:
        """Whether the operator sees the screen: it is on top, or only dialogs are above it."""
        above = [screen for screen in self.app.screen_stack if not isinstance(screen, ModalScreen)]
        return bool(above) and above[-1] is self

    @on(events.ScreenSuspend)
    def _suspended(self) -> None:
        if self.seen:
            self.show_chrome()
            return
        for poller in self.pollers():
            poller.pause(HIDDEN)

    @on(events.ScreenResume)
    def _resumed(self) -> None:
        for poller in self.pollers():
            poller.go_on(HIDDEN)
        self.show_chrome()

    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    def _focus_moved(self) -> None:
        self.show_chrome()  # other keys work now

    # --- where the keyboard is ----------------------------------------------------------------------------------------

    def _reset_focus(self, widget: Widget, avoiding: list[Widget] | None = None) -> None:
        """See Screen: what has the keyboard goes out of sight. Something else has it until that can be seen again."""
        had_it = self.focused is widget
        super()._reset_focus(widget, avoiding)
        if not had_it:
            return
        if self.focused is None:
            self.set_focus(next(iter(self.focus_chain), None))
        self._out_of_sight = (widget, self.focused) if self.focused is not None else None

    @on(events.Resize)
    def _give_back(self) -> None:
        if self._out_of_sight is not None:
            self.call_after_refresh(self._focus_what_had_it)

    def _focus_what_had_it(self) -> None:
        if self._out_of_sight is None:
            return
        widget, instead = self._out_of_sight
        if self.focused is not instead:
            self._out_of_sight = None
        elif widget in self.focus_chain:
            self._out_of_sight = None
            widget.focus()

    # --- actions ------------------------------------------------------------------------------------------------------

    def action_act(self, action_id: str) -> None:
        """Do an action of the table, or say why it does not work now."""
        action = BY_ID[action_id]
        reason = refusal(action, self.now())
        if reason:
            self.say(f"{action.label}: {reason}", Weight.WARNING)
            return
        handler = {**self._common(), **self.handlers()}[action_id]
        handler()

    def _common(self) -> Handlers:
        app = self.studio_app
        return {
            **{f"app.{place}": partial(app.go_to, place) for place in PLACE_NAMES},
            "app.help": lambda: app.show_help(self.SCOPE, self.now()),
            "app.command": lambda: app.show_command_line(self),
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
        self.say("paused: what you see stays as it is (P goes on)" if paused else "going on")


def screen_bindings(scope: Scope) -> list[BindingType]:
    """Bindings of a full screen."""
    return bindings_of(scope, Scope.EVERYWHERE)
