"""Dialogs of one family: a frame with a title above and the keys that work below, a note line, buttons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen

from runstudio_tui.actions import BY_ID, Situation, footer_keys, refusal
from runstudio_tui.bindings import bindings_named
from runstudio_tui.text import safe_block
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import cut, width, wrap
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line import Span, line

if TYPE_CHECKING:
    from runstudio_tui.app import StudioApp

Result = TypeVar("Result")
_SAID: Final = 3
"""Lines of what is said inside a dialog, at most."""


class Dialog(ModalScreen[Result]):
    """Base of the dialogs. Their results are typed; closing without one gives None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_named("dialog.confirm", "dialog.close", "dialog.copy"),
        *bindings_named("app.leave", "app.suspend", priority=True),
    ]
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    Dialog { align: center middle; background: transparent; }
    Dialog > #frame {
        width: 100%; max-width: 96; height: auto; max-height: 100%;
        border: solid $tone-accent; border-title-style: bold; border-title-color: $foreground;
        border-subtitle-color: $foreground; background: $background; padding: 0 1;
    }
    Dialog #said { height: 1; }
    Dialog #buttons { height: 1; align-horizontal: right; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._title = ("", "")
        self._said = ("", "dim")
        self._named: Content | None = None
        self._answer: tuple[Result | None] | None = None
        """What it gives, as long as something lies over it."""

    def compose(self) -> ComposeResult:
        """Frame around body, note line and buttons."""
        with Vertical(id="frame"):
            yield from self.body()
            yield Bar(id="said")
            with Horizontal(id="buttons"):
                yield from self.buttons()

    def body(self) -> Iterable[Any]:
        """The widgets inside the frame."""
        return ()

    def buttons(self) -> Iterable[Any]:
        """The buttons, the harmless one first."""
        return ()

    def keys(self) -> Sequence[str]:
        """Ids of the actions that work now, as the frame names them."""
        return ("dialog.close",)

    def confirming(self) -> str:
        """What ``dialog.confirm`` is called here."""
        return BY_ID["dialog.confirm"].label

    def set_title(self, title: str, state: str = "") -> None:
        """What the frame says above: the title on the left, the state of what is typed on the right."""
        self._title = (title, state)
        self._draw_title()

    def on_resize(self) -> None:
        """The title spans the frame, and so does what is said."""
        self._draw_title()
        self._draw_said()

    @on(events.DescendantFocus)
    def _focus_moved(self) -> None:
        self._draw_keys()

    def _draw_keys(self) -> None:
        named = [BY_ID[name] for name in self.keys() if not refusal(BY_ID[name], self._in_session)]
        parts: list[tuple[str, str] | str] = []
        for action in named:
            label = self.confirming() if action.id == "dialog.confirm" else action.label
            parts += [("  " if parts else " "), (footer_keys(action), "bold"), f" {label}"]
        made = Content.assemble(*parts, " ")
        if self._named is None or made.markup != self._named.markup:
            self._named = made
            self.query_one("#frame").border_subtitle = made

    def _draw_title(self) -> None:
        title, state = self._title
        frame = self.query_one("#frame")
        title = cut(title, max(frame.size.width - width(state) - 6, 1)) if state else title
        room = frame.size.width - width(title) - width(state) - 4
        frame.border_title = Content(
            f"{title} {'─' * max(room, 1)} {state}" if state else cut(title, frame.size.width - 2)
        )
        self._draw_keys()

    def tell(self, text: str, tone: str = "dim") -> None:
        """Say something inside the dialog; it stays until something else is said."""
        self._said = (safe_block(text).replace("\n", " "), tone)
        self._draw_said()
        self._draw_keys()

    @on(LineInput.Full)
    def _line_full(self, event: LineInput.Full) -> None:
        self.tell(
            f"{event.allowed} characters fit here: what was typed or pasted beyond them was left out", "attention"
        )

    def _draw_said(self) -> None:
        text, tone = self._said
        said, cells = self.query_one("#said", Bar), self.query_one("#frame").size.width - 2
        parts = wrap(text, cells)[:_SAID] if cells > 0 else [text]
        said.styles.height = len(parts)
        said.show(lambda _: [line(Span(part, tone)) for part in parts])

    # --- actions ------------------------------------------------------------------------------------------------------

    def handlers(self) -> dict[str, Callable[[], object]]:
        """What the actions of dialogs do here; a subclass adds its own."""
        return {
            "dialog.confirm": self.confirm,
            "dialog.close": self.close,
            "dialog.copy": self.copy,
            "app.leave": self.app.exit,
            "app.suspend": self.app.action_suspend_process,
        }

    def action_act(self, action_id: str) -> None:
        """Do an action of the table, or say why it does not work now; one this dialog does not have does nothing."""
        handler = self.handlers().get(action_id)
        if handler is None:
            return
        reason = refusal(BY_ID[action_id], self._in_session)
        if reason:
            self.tell(reason, "attention")
        else:
            handler()

    @property
    def _in_session(self) -> Situation:
        studio = cast("StudioApp", self.app).studio
        return Situation(level=studio.level, console=studio.console)

    def confirm(self) -> None:
        """ctrl+s."""

    def close(self) -> None:
        """esc."""
        self.dismiss(None)

    def copy(self) -> None:
        """ctrl+y."""

    # --- answer -------------------------------------------------------------------------------------------------------

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """See Screen. While something lies over the dialog (the terminal is too small, a value is looked at), what it gives
        waits until that is gone: only the topmost screen can be taken away."""
        if self.app.screen is self:
            return super().dismiss(result)
        self._answer = (result,)
        return AwaitComplete()

    @on(events.ScreenResume)
    def _on_top_again(self) -> None:
        if self._answer is not None:
            answer, self._answer = self._answer, None
            super().dismiss(answer[0])
