"""``:`` a command line over the action table: type a name, tab completes, enter does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.suggester import Suggester
from textual.widgets import Input

from runstudio_tui.actions import Action
from runstudio_tui.bindings import bindings_named
from runstudio_tui.domain.command_line import Command, completions, read_command
from runstudio_tui.screens.dialogs.base import Dialog
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line import Line, Span, line

_SHOWN = 6


class _Names(Suggester):
    def __init__(self, actions: Sequence[Action]) -> None:
        super().__init__(use_cache=False, case_sensitive=False)
        self._actions = actions

    async def get_suggestion(self, value: str) -> str | None:
        """See Suggester."""
        found = [name for name in completions(value, self._actions) if name.lower().startswith(value.lower())]
        return found[0] if value and found else None


class CommandLineDialog(Dialog[Command]):
    """Gives what the line means."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_named("dialog.complete")
    DEFAULT_CSS = """
    CommandLineDialog { align: center bottom; }
    CommandLineDialog #sign { width: 2; }
    CommandLineDialog #line { height: 1; }
    CommandLineDialog #fitting { height: 6; }
    CommandLineDialog #buttons { display: none; }
    """

    def __init__(self, actions: Sequence[Action]) -> None:
        super().__init__()
        self._actions = actions

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        yield Bar(id="fitting")
        with Horizontal(id="line"):
            yield Bar(id="sign")
            yield LineInput(suggester=_Names(self._actions), placeholder="events · filter status:failed · run ID")

    def keys(self) -> Sequence[str]:
        """See Dialog."""
        return ("dialog.choose", "dialog.complete", "dialog.close")

    def on_mount(self) -> None:
        """Show what there is."""
        self.set_title("Command")
        self.query_one("#sign", Bar).show(lambda _: [line(":")])
        self.query_one(LineInput).focus()
        self._show("")

    def _show(self, text: str) -> None:
        found: list[Line] = [line(Span(safe(name), "dim")) for name in completions(text, self._actions)[:_SHOWN]]
        self.query_one("#fitting", Bar).show(lambda _: found)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._show(event.value)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.confirm()

    def handlers(self) -> dict[str, Callable[[], object]]:
        """See Dialog."""
        return {**super().handlers(), "dialog.complete": self._complete}

    def _complete(self) -> None:
        field = self.query_one(LineInput)
        found = completions(field.value, self._actions)
        if found:
            field.value = found[0].replace(" ID", " ").replace(" WORDS", " ")
            field.cursor_position = len(field.value)

    def confirm(self) -> None:
        """See Dialog."""
        meant = read_command(self.query_one(LineInput).value, self._actions)
        if isinstance(meant, str):
            self.tell(safe(meant), "attention")
        else:
            self.dismiss(meant)
