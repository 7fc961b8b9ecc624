"""Dialogs in which something is typed and sent: it is never lost without asking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar, Final

from textual import on
from textual.binding import BindingType
from textual.message import Message

from engine.records import Started
from runstudio_tui.bindings import bindings_named
from runstudio_tui.screens.dialogs.base import Dialog, Result
from runstudio_tui.store.session import Studio
from runstudio_tui.widgets.json_editor import JsonEditor

InEditor = Callable[[str], str]
"""Gives a text as the operator's own editor left it. Raises ``OSError`` or ``ValueError`` when there is none, with why."""


class SendingDialog(Dialog[Result]):
    """What is typed is sent once; a refusal leaves the dialog open with it, and closing asks before it is lost."""

    NOTHING: ClassVar[str] = "nothing was started"
    """What closing it means."""
    DEFAULT_CSS = """
    SendingDialog > #frame { height: 100%; max-height: 40; max-width: 110; }
    SendingDialog .field { height: 1; }
    SendingDialog .label { width: 9; }
    """

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = studio
        self._sending = False
        self._discard_asked = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def on_unmount(self) -> None:
        """Stop asking; what was sent is not taken back."""
        for task in tuple(self._tasks):
            task.cancel()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something while the dialog is open."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._studio.report_bug(error)

    def keys(self) -> Sequence[str]:
        """See Dialog."""
        return ("dialog.confirm", "dialog.next", "dialog.close")

    def unsaved(self) -> str:
        """What closing would lose: ``the payload``; empty for nothing."""
        return ""

    def typed(self) -> None:
        """Something was typed: closing asks again."""
        self._discard_asked = False

    def close(self) -> None:
        """See Dialog: asks before what was typed is lost."""
        lost = self.unsaved()
        if self._sending:
            self.tell("wait: it is on its way", "attention")
        elif lost and not self._discard_asked:
            self._discard_asked = True
            self.tell(f"esc again discards {lost}; {self.NOTHING}", "attention")
        else:
            self.dismiss(None)


_AHEAD_OF_TYPING: Final = frozenset({"dialog.editor", "dialog.preview", "dialog.raw"})
"""Their keys have priority, so they arrive before the keys that were typed ahead of them have changed the text."""
_ROUNDS: Final = 2
"""Through the queue of what has the focus: the first is behind the keys, the second behind what is told of the text they made."""


class TextDialog(SendingDialog[Result]):
    """A subclass has a ``JsonEditor``, and says what would be lost."""

    class TypedIn(Message):
        """What was typed before an action's key has been taken in, once this has gone its rounds."""

        def __init__(self, action_id: str, rounds: int) -> None:
            super().__init__()
            self.action_id = action_id
            self.rounds = rounds

    BINDINGS: ClassVar[list[BindingType]] = bindings_named("dialog.editor", priority=True)
    DEFAULT_CSS = """
    TextDialog JsonEditor { height: 1fr; }
    """

    def __init__(self, studio: Studio, in_editor: InEditor) -> None:
        super().__init__(studio)
        self._in_editor = in_editor

    def keys(self) -> Sequence[str]:
        """See Dialog."""
        return ("dialog.confirm", "dialog.next", "dialog.editor", "dialog.close")

    def handlers(self) -> dict[str, Callable[[], object]]:
        """See Dialog."""
        return {**super().handlers(), "dialog.editor": self.edit_outside}

    def action_act(self, action_id: str) -> None:
        """See Dialog. What acts on the text waits for the keys that were typed ahead of its own."""
        if action_id in _AHEAD_OF_TYPING and self.focused is not None:
            self.focused.post_message(self.TypedIn(action_id, _ROUNDS))
        else:
            super().action_act(action_id)

    @on(TypedIn)
    def _typed_in(self, event: TypedIn) -> None:
        event.stop()
        if event.rounds > 1 and self.focused is not None:
            self.focused.post_message(self.TypedIn(event.action_id, event.rounds - 1))
        else:
            super().action_act(event.action_id)

    def edit_outside(self) -> None:
        """ctrl+e: the text in the operator's own editor."""
        editor = self.query_one(JsonEditor)
        if self._sending or editor.disabled:
            return
        try:
            edited = self._in_editor(editor.text)
        except (OSError, ValueError) as error:
            self.tell(f"the text is as it was: {error}", "attention")
            return
        if edited != editor.text:
            editor.put(edited)


class EditingDialog(TextDialog[Started]):
    """Gives the run that was started."""
