"""The filter line: text to read, an input while it is edited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.message import Message
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input

from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.line import Line


class _Completion(Suggester):
    def __init__(self, complete: Callable[[str], str | None]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        """See Suggester."""
        return self._complete(value)


class LineInput(Input):
    """A one-line input without border and without a blinking cursor."""

    DEFAULT_CSS = """
    LineInput, LineInput:focus, LineInput:ansi, LineInput:ansi:focus {
        height: 1; border: none; padding: 0; background: $tone-field; color: $foreground; width: 1fr;
    }
    LineInput > .input--suggestion { color: $tone-dim; text-style: $tone-dim-style; }
    LineInput > .input--placeholder { color: $tone-dim; text-style: $tone-dim-style; }
    """

    def on_mount(self) -> None:
        """A blinking cursor would write to the terminal for ever."""
        self.cursor_blink = False


class FilterBar(Widget):
    """Shows the filter; ``edit`` turns it into an input. Escape is left to the screen."""

    DEFAULT_CSS = """
    FilterBar { height: 1; layout: horizontal; }
    FilterBar > Bar { width: 1fr; }
    FilterBar > #sign { width: 3; }
    FilterBar > LineInput { display: none; }
    FilterBar.-editing > LineInput { display: block; }
    FilterBar.-editing > #shown { width: 26; }
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

    def __init__(self, complete: Callable[[str], str | None], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._suggester = _Completion(complete)

    def compose(self) -> ComposeResult:
        """The two faces."""
        yield LineInput(
            suggester=self._suggester, placeholder="status:failed wf:billing since:2h text", select_on_focus=False
        )
        yield Bar(id="shown")

    @property
    def editing(self) -> bool:
        """True while the input is open."""
        return self.has_class("-editing")

    def show(self, make: Callable[[int], list[Line]]) -> bool:
        """Draw the text face; see Bar."""
        return self.query_one("#shown", Bar).show(make)

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
        self.remove_class("-editing")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Edited(self, event.value, done=False))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Edited(self, event.value, done=True))
