"""Replay one run: its text, what it would do, and sending it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.widgets import Input

from engine.errors import EngineError
from engine.records import RunRow, SchemaIssue
from runstudio_tui.bindings import bindings_named
from runstudio_tui.domain.replay_edit import Edit
from runstudio_tui.screens.dialogs.editing import InEditor
from runstudio_tui.screens.replay.preview_lines import preview_rows
from runstudio_tui.screens.replay.text import ReplayText
from runstudio_tui.store.replay import BASE_CHANGED, Offer
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.json_editor import JsonEditor
from runstudio_tui.widgets.line import Span, line
from runstudio_tui.widgets.line_list import LineList, Row
from runstudio_tui.widgets.text_button import TextButton


class ReplayDialog(ReplayText):
    """Gives the run that was started."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_named("dialog.preview", priority=True)

    def __init__(self, studio: Studio, row: RunRow, in_editor: InEditor) -> None:
        super().__init__(studio, row, in_editor)
        self._asking: asyncio.Task[None] | None = None

    def keys(self) -> Sequence[str]:
        """See Dialog."""
        if self._offer is None:
            return ("dialog.close",)
        if self.has_class("-preview"):
            return ("dialog.confirm", "dialog.preview", "dialog.close")
        return ("dialog.confirm", "dialog.preview", "dialog.next", "dialog.editor", "dialog.close")

    def confirming(self) -> str:
        """See Dialog."""
        return "replay"

    def handlers(self) -> dict[str, Callable[[], object]]:
        """See Dialog."""
        return {**super().handlers(), "dialog.preview": self.preview}

    # --- preview ------------------------------------------------------------------------------------------------------

    def preview(self) -> None:
        """ctrl+t: what the replay would do, in the place of the text, or the text again."""
        if self.has_class("-preview"):
            self.leave_preview()
            return
        if self._offer is None or self._sending:
            return
        edit = self._edit
        if edit is None or edit.problem:
            self.tell(self.problem(), "failed")
        else:
            self.add_class("-preview")
            self._rows(lambda _: [Row(line(Span(" asking…", "dim")))])
            self.query_one(LineList).focus()
            self.show()
            self._asking = self.spawn(self._ask(edit, self._version))

    async def _ask(self, edit: Edit, version: int) -> None:
        try:
            found = await self._flow.preview(edit, version)
        except EngineError as error:
            self.leave_preview()
            self._refused(error)
            return
        self._issues = found.issues
        done = self._offer.done if self._offer is not None else ()
        self._rows(lambda cells: preview_rows(found, done, cells))
        self.show()
        self.tell("nothing was sent")

    def _rows(self, make: Callable[[int], list[Row]]) -> None:
        shown = self.query_one(LineList)
        shown.show_rows(make)
        shown.action_act("list.top")

    def leave_preview(self) -> None:
        """See ReplayText."""
        if self._asking is not None and self._asking is not asyncio.current_task():
            self._asking.cancel()
        if self.has_class("-preview"):
            self.remove_class("-preview")
            self.query_one(JsonEditor).focus()
            self.show()
            self.tell_what_is_missing()

    # --- sending ------------------------------------------------------------------------------------------------------

    @on(Input.Changed)
    def _reason_typed(self) -> None:
        self.typed()
        if self._offer is not None:
            self.tell_what_is_missing()

    @on(Input.Submitted)
    def _reason_entered(self) -> None:
        self.query_one(JsonEditor).focus()

    @on(TextButton.Pressed)
    def _pressed(self, event: TextButton.Pressed) -> None:
        match event.button.id:
            case "go":
                self.confirm()
            case "close":
                self.close()
            case "show-preview":
                self.preview()
            case _:
                self.spawn(self._rebase())

    def confirm(self) -> None:
        """See Dialog."""
        if self._sending or self._offer is None:
            return
        self._tried = True
        if self._edit is None:
            self.judge()
        problem = self.problem()
        if problem or self._edit is None:
            self.tell(problem, "failed")
            return
        self._sending = True
        self.show()
        self.tell("on its way…")
        self.spawn(self._send(self.query_one("#reason", LineInput).value, self._edit))

    async def _send(self, reason: str, edit: Edit) -> None:
        try:
            started = await self._flow.send(reason, edit, self._version)
        except EngineError as error:
            self._sending = False
            issues = error.details.get("issues", ())
            self._issues = tuple(SchemaIssue(**issue) for issue in issues)
            if self._issues:
                self.leave_preview()
            self.show()
            self._refused(error)
        else:
            self.dismiss(started)

    def _refused(self, error: EngineError) -> None:
        """Say what was refused; the text stays as it is."""
        if error.code == BASE_CHANGED:
            self.add_class("-old")
            self.query_one("#rebase", TextButton).focus()
            self.tell("what is hidden in the original was changed meanwhile; your text stays as it is", "failed")
            return
        self.tell(safe(error.sentences), "failed")

    async def _rebase(self) -> None:
        """Take the original as it is shown now, and keep the text: it is compared with that one from now on."""
        if self._offer is None:
            return
        try:
            base = await self._flow.base()
        except EngineError as error:
            self._refused(error)
            return
        self._offer = Offer(base, self._offer.versions, self._offer.published, self._offer.paused, self._offer.done)
        self.remove_class("-old")
        self.query_one(JsonEditor).focus()
        self.judge()

    def unsaved(self) -> str:
        """See EditingDialog."""
        if self._edit is not None and self._edit.edited:
            return "the edit"
        return "the reason" if self.query_one("#reason", LineInput).value.strip() else ""

    def close(self) -> None:
        """See Dialog: out of the preview first."""
        if self.has_class("-preview") and not self._sending:
            self.leave_preview()
        else:
            super().close()
