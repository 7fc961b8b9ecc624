"""Starting a run: which workflow. Typing narrows the list down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from engine import advice
from engine.errors import EngineError
from engine.records import Workflow
from runstudio_tui.bindings import bindings_named
from runstudio_tui.domain.workflow_facts import not_startable
from runstudio_tui.screens.dialogs.base import Dialog
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe
from runstudio_tui.widgets.cells import pad
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.text_button import TextButton
from runstudio_tui.widgets.virtual_list import Keys, RowState, VirtualList

_NONE: str = f"No workflow yet. {advice.PUBLISH.to('Publish one')}"


class WorkflowDialog(Dialog[Workflow]):
    """Gives the chosen workflow."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_named("dialog.choose"),
        Binding("up", "move('list.up')", show=False),
        Binding("down", "move('list.down')", show=False),
        Binding("pageup", "move('list.page_up')", show=False),
        Binding("pagedown", "move('list.page_down')", show=False),
    ]
    DEFAULT_CSS = """
    WorkflowDialog VirtualList { height: 12; }
    """

    def __init__(self, studio: Studio, preferred: str | None) -> None:
        super().__init__()
        self._studio = studio
        self._preferred = preferred
        self._workflows: dict[str, Workflow] = {}
        self._list = VirtualList(self._row)
        self._working: asyncio.Task[None] | None = None
        self._loaded = False

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        yield LineInput(placeholder="type to search", select_on_focus=False)
        yield self._list

    def buttons(self) -> Iterable[Any]:
        """See Dialog."""
        yield TextButton("Close", id="close")

    def keys(self) -> Sequence[str]:
        """See Dialog."""
        return ("dialog.choose", "dialog.close")

    def handlers(self) -> dict[str, Callable[[], object]]:
        """See Dialog."""
        return {**super().handlers(), "dialog.choose": self._choose}

    def on_mount(self) -> None:
        """Ask for the workflows."""
        self.set_title("Start a run: which workflow?")
        self.query_one(LineInput).focus()
        self.tell("loading…")
        self._working = asyncio.create_task(self._load())

    async def on_unmount(self) -> None:
        """Stop asking."""
        if self._working is not None:
            self._working.cancel()

    async def _load(self) -> None:
        try:
            found = await self._studio.backend.workflows.list()
        except EngineError as error:
            self.tell(error.sentences, "failed")
            return
        self._loaded = True
        self._workflows = {info.workflow_id: info for info in found}
        self._search(self.query_one(LineInput).value)
        if self._preferred in self._workflows:
            self._list.move_to(self._preferred)
        self._tell_about_current()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        if self._loaded:
            self._search(event.value)
            self._tell_about_current()

    def _search(self, wanted: str) -> None:
        words = wanted.casefold().split()
        fitting = [key for key, info in self._workflows.items() if all(word in _text_of(info) for word in words)]
        told = f"no workflow has {wanted!r} in its name, its id or its description" if words else _NONE
        self._list.show(Keys(fitting), line(Span(safe(told), "dim")))

    def _row(self, key: str, cells: int, _: RowState) -> Line:
        info = self._workflows[key]
        version = f"v{info.published_version}" if info.published_version is not None else "–"
        tone = "dim" if not_startable(info) else "text"
        about = info.description or info.trigger_text or ""
        return line(
            Span(pad(safe(info.name), 26), tone),
            Span(pad(version, 6), "dim"),
            Span(pad("paused" if info.paused else "", 8), "attention"),
            Span(safe(about), "dim"),
        )

    def action_move(self, action_id: str) -> None:
        """Arrows move in the list while the input has the focus."""
        self._list.action_act(action_id)

    @on(VirtualList.Moved)
    def _tell_about_current(self) -> None:
        info = self._workflows.get(self._list.cursor or "")
        self.tell(not_startable(info) if info is not None else "", "attention")

    @on(Input.Submitted)
    @on(VirtualList.Activated)
    def _choose(self) -> None:
        info = self._workflows.get(self._list.cursor or "")
        if info is not None and not not_startable(info):
            self.dismiss(info)

    @on(TextButton.Pressed)
    def _close_pressed(self) -> None:
        self.close()


def _text_of(info: Workflow) -> str:
    return f"{info.name} {info.workflow_id} {info.description or ''}".casefold()
