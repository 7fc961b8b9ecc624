"""Before the first answer: connecting, or what went wrong and what to do. Never a traceback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from engine.errors import EngineError
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import wrap
from runstudio_tui.widgets.line import Line, Span, line


class ConnectingScreen(Screen[None]):
    """Opens the backend; ``connected`` is called when it answers."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "again", show=False),
        Binding("q,escape,ctrl+q,ctrl+c", "leave", "quit", show=False),
    ]
    DEFAULT_CSS = """
    ConnectingScreen #text { height: 1fr; }
    """

    def __init__(self, studio: Studio, connected: Callable[[], None]) -> None:
        super().__init__()
        self._studio = studio
        self._connected = connected
        self._working: asyncio.Task[None] | None = None
        self._error: EngineError | None = None

    def compose(self) -> ComposeResult:
        """One page of text."""
        yield Bar(id="text")

    def on_mount(self) -> None:
        """Try at once."""
        self.action_again()

    async def on_unmount(self) -> None:
        """Stop trying."""
        if self._working is not None:
            self._working.cancel()

    def action_again(self) -> None:
        """r: try again."""
        if self._working is not None and not self._working.done():
            return
        self._error = None
        self.query_one(Bar).show(self._lines)
        self._working = asyncio.create_task(self._connect())

    def action_leave(self) -> None:
        """q: leave the studio."""
        self.app.exit()

    async def _connect(self) -> None:
        try:
            await self._studio.open()
        except EngineError as error:
            self._error = error
            self.query_one(Bar).show(self._lines)
        else:
            self._connected()

    def _lines(self, cells: int) -> list[Line]:
        head: list[Line] = [line(Span(" RUN STUDIO", "strong")), ()]
        if self._error is None:
            return [*head, line(Span(" connecting…", "dim"))]
        room = max(cells - 6, 20)
        what = wrap(safe(self._error.message), room)
        return [
            *head,
            *(line(Span(f" {'✖' if place == 0 else ' '} {part}", "failed")) for place, part in enumerate(what)),
            (),
            *(line(f"   {part}") for part in wrap(safe(self._error.hint), room)),
            (),
            line(" ", Span("r", "key"), Span(" try again   ", "dim"), Span("q", "key"), Span(" leave   ", "dim")),
            line(Span(" runstudio doctor", "strong"), Span(" looks at every part and says what is wrong.", "dim")),
        ]
