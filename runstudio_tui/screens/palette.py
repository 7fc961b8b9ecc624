"""ctrl+p: find an action by its name. The same table as everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from runstudio_tui.actions import Action, Scope, Situation, key_text, of_scope, refusal
from runstudio_tui.screens.dialogs.base import Dialog
from runstudio_tui.text import safe
from runstudio_tui.widgets.cells import pad
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.virtual_list import Keys, RowState, VirtualList


def ranked(actions: Iterable[Action], wanted: str) -> list[Action]:
    """Actions that ``wanted`` could mean: by their key, by a word of their names or their help, then by letters in order."""
    found: list[tuple[int, int, Action]] = []
    for place, action in enumerate(actions):
        score = _score(wanted.strip(), action)
        if score is not None:
            found.append((score, place, action))
    return [action for _, _, action in sorted(found, key=lambda item: item[:2])]


def _score(wanted: str, action: Action) -> int | None:
    """0 for the key or the name itself, more the less it fits; None when it does not."""
    sought, label = wanted.casefold(), action.label.casefold()
    names = [*label.split(), *(name.casefold() for name in action.words)]
    help_words = re.findall(r"[\w-]+", action.help.casefold())
    grades = (
        not wanted or wanted in {key_text(key) for key in action.keys} or sought == label,
        sought in {key_text(key).casefold() for key in action.keys},
        sought in names,
        any(name.startswith(sought) for name in names),
        sought in help_words,
        any(word.startswith(sought) for word in help_words),
    )
    if True in grades:
        return grades.index(True)
    skipped = _distance(sought.replace(" ", ""), label)
    return None if skipped is None else 10 + skipped


def _distance(wanted: str, text: str) -> int | None:
    """Letters skipped on the way; None when they are not all there."""
    skipped, at = 0, 0
    for letter in wanted:
        place = text.find(letter, at)
        if place < 0:
            return None
        skipped += place - at
        at = place + 1
    return skipped


class PaletteDialog(Dialog[str]):
    """Gives the id of the chosen action."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move('list.up')", show=False),
        Binding("down", "move('list.down')", show=False),
        Binding("pageup", "move('list.page_up')", show=False),
        Binding("pagedown", "move('list.page_down')", show=False),
    ]
    DEFAULT_CSS = """
    PaletteDialog VirtualList { height: 12; }
    PaletteDialog #buttons { display: none; }
    """

    def __init__(self, scope: Scope, situation: Situation) -> None:
        super().__init__()
        self._situation = situation
        self._actions = [action for action in of_scope(scope, Scope.EVERYWHERE) if action.palette]
        self._shown: dict[str, Action] = {}
        self._list = VirtualList(self._row)

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        yield LineInput(placeholder="type to search", select_on_focus=False)
        yield self._list

    def keys(self) -> Sequence[str]:
        """See Dialog."""
        return ("dialog.choose", "dialog.close")

    def on_mount(self) -> None:
        """Show everything at first."""
        self.set_title("Actions")
        self.query_one(LineInput).focus()
        self._search("")

    def _search(self, wanted: str) -> None:
        self._shown = {action.id: action for action in ranked(self._actions, wanted)}
        self._list.show(Keys(tuple(self._shown)), line(Span("nothing of that name", "dim")))
        if self._shown:
            self._list.move_to(next(iter(self._shown)))
        self._tell_about_current()

    def _row(self, key: str, cells: int, _: RowState) -> Line:
        action = self._shown[key]
        tone = "dim" if refusal(action, self._situation) else "text"
        keys = " ".join(key_text(name) for name in action.keys)
        return line(Span(pad(keys, 10), "key"), Span(pad(action.label, 18), tone), Span(action.help, "dim"))

    def _tell_about_current(self) -> None:
        action = self._shown.get(self._list.cursor or "")
        reason = refusal(action, self._situation) if action is not None else ""
        run = self._situation.run
        command = (
            action.cli.replace("{run}", safe(run.run_id) if run is not None else "RUN_ID") if action is not None else ""
        )
        cli = f"same as: {command}" if command else ""
        self.tell(f"not now: {reason}" if reason else cli, "attention" if reason else "dim")

    def action_move(self, action_id: str) -> None:
        """Arrows move in the list while the input has the focus."""
        self._list.action_act(action_id)
        self._tell_about_current()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._search(event.value)

    @on(Input.Submitted)
    def _chosen(self) -> None:
        if self._list.cursor is not None:
            self.dismiss(self._list.cursor)

    @on(VirtualList.Activated)
    def _clicked(self, event: VirtualList.Activated) -> None:
        self.dismiss(event.key)
