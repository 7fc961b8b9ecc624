"""The filter line: text to read, an input while it is edited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input
from textual.widgets.input import Selection

from runstudio_tui.bindings import bindings_named
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import cut
from runstudio_tui.widgets.line import Line, Span, line

Complete = Callable[[str], list[str]]
"""Whole lines that a text could go on to, the likeliest first."""


class _Completion(Suggester):
    def __init__(self, complete: Complete) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        """See Suggester: only where a word is begun."""
        found = self._complete(value) if value and not value[-1].isspace() else []
        return found[0] if found else None


class LineInput(Input):
    """A one-line input without border and without a blinking cursor."""

    DEFAULT_CSS = """
    LineInput, LineInput:focus, LineInput:ansi, LineInput:ansi:focus {
        height: 1; border: none; padding: 0; background: $tone-field; color: $foreground; width: 1fr;
    }
    LineInput > .input--suggestion { color: $tone-dim; text-style: $tone-dim-style; }
    LineInput > .input--placeholder { color: $tone-dim; text-style: $tone-dim-style; }
    """

    @dataclass
    class Full(Message):
        """What was typed or pasted does not fit, or not all of it."""

        allowed: int
        """Characters."""

    def on_mount(self) -> None:
        """A blinking cursor would write to the terminal for ever."""
        self.cursor_blink = False

    def _on_paste(self, event: events.Paste) -> None:
        """See Input, which would drop all lines but the first: they become one."""
        event.prevent_default()
        event.stop()
        text, (start, end) = " ".join(event.text.split()), sorted(self.selection)
        if self.max_length:
            room = max(self.max_length - len(self.value) + end - start, 0)
            if len(text) > room:
                # Behind what is said because the text changed.
                self.call_later(self.restricted)
            text = text[:room]
        self.replace(text, start, end)

    def restricted(self) -> None:
        """See Input, which drops it without a word."""
        if self.max_length:
            self.post_message(self.Full(self.max_length))


class _FilterInput(LineInput):
    """tab completes, and goes on to the next completion."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_named("field.complete")

    def __init__(self, complete: Complete, example: str) -> None:
        super().__init__(suggester=_Completion(complete), placeholder=example, select_on_focus=False)
        self._complete = complete
        self._offered: list[str] = []

    def action_act(self, _: str) -> None:
        """field.complete."""
        if self.value in self._offered and len(self._offered) > 1:
            at = self._offered.index(self.value) + 1
        else:
            self._offered, at = self._complete(self.value), 0
        if self._offered:
            self.value = self._offered[at % len(self._offered)]
            self.cursor_position = len(self.value)


class FilterBar(Widget):
    """Shows the filter; ``edit`` turns it into an input. Escape is left to the screen."""

    DEFAULT_CSS = """
    FilterBar { height: 1; layout: horizontal; }
    FilterBar > Bar { width: 1fr; }
    FilterBar > #sign { width: 3; }
    FilterBar > LineInput { display: none; }
    FilterBar.-editing > LineInput { display: block; }
    FilterBar.-editing > #shown { width: 26; }
    FilterBar.-complaint > #shown { width: 60%; }
    """

    @dataclass
    class Edited(Message):
        """The text changed, or (``done``) enter was pressed."""

        bar: FilterBar
        text: str
        done: bool

        @property
        def control(self) -> FilterBar:
            """The bar, for ``@on`` selectors."""
            return self.bar

    def __init__(self, complete: Complete, example: str, *, id: str | None = None) -> None:
        """``example`` stands in the empty input."""
        super().__init__(id=id)
        self._example = example
        self._complaint = ""
        self._make: Callable[[int], list[Line]] = lambda _: []
        self._complete = complete

    def compose(self) -> ComposeResult:
        """The two faces."""
        yield _FilterInput(self._complete, self._example)
        yield Bar(id="shown")

    @property
    def editing(self) -> bool:
        """True while the input is open."""
        return self.has_class("-editing")

    @property
    def text(self) -> str:
        """What is typed."""
        return self.query_one(LineInput).value

    def show(self, make: Callable[[int], list[Line]]) -> bool:
        """Draw the text face; see Bar."""
        self._make = make
        return self.query_one("#shown", Bar).show(self._shown)

    def edit(self, text: str) -> None:
        """Open the input on ``text``."""
        self.add_class("-editing")
        field = self.query_one(LineInput)
        with field.prevent(Input.Changed):
            field.value = text
        field.cursor_position = len(text)
        field.focus()

    def close(self) -> None:
        """Close the input."""
        self.complain("")
        self.remove_class("-editing")

    def complain(self, text: str, token: str = "") -> None:
        """Say beside the input what is wrong, and select the word it is about; empty ends that."""
        if text or self._complaint:
            self._complaint = text
            self.set_class(bool(text), "-complaint")
            self.show(self._make)
        if token:
            field = self.query_one(LineInput)
            at = field.value.find(token)
            field.selection = Selection(at, at + len(token)) if at >= 0 else field.selection

    def _shown(self, cells: int) -> list[Line]:
        if self._complaint:
            return [line(Span(cut(f" ✖ {safe(self._complaint)}", cells), "failed"))]
        return self._make(cells)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Edited(self, event.value, done=False))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Edited(self, event.value, done=True))
