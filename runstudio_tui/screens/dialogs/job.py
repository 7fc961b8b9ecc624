"""Doing something to everything that matches: what, why, and how many that is. The workers do it, as a job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from textual import on
from textual.containers import Horizontal
from textual.widgets import Input

from engine.errors import EngineError
from engine.records import JobKind
from runstudio_tui.screens.dialogs.base import Dialog
from runstudio_tui.store.jobs import Everything, submit
from runstudio_tui.store.session import Studio
from runstudio_tui.store.targets import reason_problem
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import wrap
from runstudio_tui.widgets.choice import Choice
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.text_button import TextButton

_ABOUT: Final = {
    JobKind.CANCEL: "Each run that is still active is canceled, with its children, open waits and tasks.",
    JobKind.REPLAY: "A new run is started for each, in the same version, with the input it had.",
    JobKind.REDELIVER: "Each is attempted again. Skipped ones are left alone where their target cannot take them any more.",
    JobKind.EXPORT: "A document of each run is kept for 7 days; runstudio jobs download JOB writes them into a file.",
    JobKind.DELETE: "Each run that has ended is deleted with everything that belongs to it. It cannot be undone.",
}
_FROZEN: Final = "What begins after you submit is not meant. System (6) shows how far it is, holds it up and ends it."


class JobDialog(Dialog[str]):
    """Gives in words what was submitted; None when nothing was."""

    DEFAULT_CSS = """
    JobDialog .field { height: 1; }
    JobDialog .label { width: 9; }
    JobDialog #number-field .label { width: 26; }
    JobDialog #about { height: auto; }
    JobDialog #filter { height: auto; }
    """

    def __init__(self, studio: Studio, everything: Everything, copy: Callable[[str, str], str]) -> None:
        super().__init__()
        self._studio = studio
        self._everything = everything
        self._copy = copy
        self._kind = everything.kinds[0]
        self._working: asyncio.Task[None] | None = None
        self._tried = False
        """True once it was confirmed: from then on what is missing is said loudly."""
        self._discard_asked = False

    # --- parts --------------------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        yield Bar(id="filter")
        with Horizontal(classes="field", id="kind-field"):
            yield Bar(classes="label", id="label-kind")
            yield Choice(id="kind")
        with Horizontal(classes="field"):
            yield Bar(classes="label", id="label-reason")
            yield LineInput(id="reason", placeholder="why, for the log and the audit", max_length=500)
        with Horizontal(classes="field", id="number-field"):
            yield Bar(classes="label", id="label-number")
            yield LineInput(id="number", max_length=8)
        yield Bar(id="about")

    def buttons(self) -> Iterable[Any]:
        """See Dialog."""
        yield TextButton("Leave them", id="keep")
        yield TextButton("Submit job", key="ctrl+s", id="go")

    def keys(self) -> Sequence[str]:
        """See Dialog."""
        return ("dialog.confirm", "dialog.next", "dialog.copy", "dialog.close")

    def confirming(self) -> str:
        """See Dialog."""
        return "submit"

    def on_mount(self) -> None:
        """Focus on what is to be chosen first."""
        kinds = self._everything.kinds
        place = self._studio.who.place if self._studio.who is not None else ""
        self.set_title(f"All that match: {self._everything.named(self._everything.count)}", safe(place))
        for name, label in (("kind", "Do"), ("reason", "Reason"), ("number", f"Type {self._number} to confirm")):
            self.query_one(f"#label-{name}", Bar).show(_always([line(label)]))
        self.query_one("#kind-field").display = len(kinds) > 1
        self.query_one("#kind", Choice).set_options([kind.value for kind in kinds])
        (self.query_one("#kind", Choice) if len(kinds) > 1 else self.query_one("#reason", LineInput)).focus()
        self._show_texts()
        self._judge()

    def on_resize(self) -> None:
        """Texts take as many lines as the width wants."""
        self._show_texts()

    @property
    def _number(self) -> str:
        return str(self._everything.count.value)

    def _show_texts(self) -> None:
        cells = max(min(self.app.size.width, 96) - 5, 20)
        chosen = wrap(safe(self._everything.filter_text) or f"all {self._everything.nouns}", cells - 9)
        shown: list[Line] = [
            line(Span("Filter   ") if at == 0 else " " * 9, Span(part, "strong")) for at, part in enumerate(chosen)
        ]
        about = [*wrap(_ABOUT[self._kind], cells), *wrap(_FROZEN, cells)]
        told: list[Line] = [line(Span(part, "dim")) for part in about]
        for name, lines in (("filter", shown), ("about", told)):
            bar = self.query_one(f"#{name}", Bar)
            bar.styles.height = len(lines)
            bar.show(_always(lines))

    def _judge(self) -> None:
        """Say what stands in the way, and whether the button works."""
        problem, running = self._problem(), self._working is not None
        self.query_one("#number-field").display = self._asks_number
        self.query_one("#go", TextButton).set_label(
            "Submitting…" if running else "Submit job", enabled=not problem and not running
        )
        self.tell(problem, "attention" if self._tried else "dim")

    @property
    def _asks_number(self) -> bool:
        return self._kind is not JobKind.EXPORT

    def _problem(self) -> str:
        if not self._everything.count.value:
            return "nothing matches"
        missing = reason_problem(self.query_one("#reason", LineInput).value)
        if missing or not self._asks_number:
            return missing
        typed = self.query_one("#number", LineInput).value.strip().replace(",", "")
        return "" if typed == self._number else f"type {self._number} to confirm that many"

    # --- what is typed ------------------------------------------------------------------------------------------------

    @on(Choice.Chosen, "#kind")
    def _kind_chosen(self, event: Choice.Chosen) -> None:
        self._kind = self._everything.kinds[event.place]
        self._show_texts()
        self._judge()

    @on(Input.Changed)
    def _typed(self) -> None:
        self._discard_asked = False
        self._judge()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.focus_next()

    @on(TextButton.Pressed, "#keep")
    def _kept(self) -> None:
        if self._working is None:
            self.dismiss(None)

    @on(TextButton.Pressed, "#go")
    def _pressed(self) -> None:
        self.confirm()

    # --- submitting ---------------------------------------------------------------------------------------------------

    def confirm(self) -> None:
        """See Dialog."""
        if self._working is not None:
            return
        self._tried = True
        if self._problem():
            self._judge()
            return
        self._working = asyncio.create_task(self._submit(self.query_one("#reason", LineInput).value))
        self._judge()

    async def _submit(self, reason: str) -> None:
        try:
            submitted = await submit(self._studio.backend, self._everything, self._kind, reason)
        except EngineError as error:
            self._working = None
            if self.is_attached:
                self._judge()
                self.tell(error.sentences, "failed")
            return
        self._working = None
        told = f"{self._kind.value} of {self._everything.named(submitted.matching)} submitted"
        self.dismiss(f"{told}: System (6) shows how far it is")

    def close(self) -> None:
        """See Dialog: asks before a typed reason is lost, and waits for what is on its way."""
        if self._working is not None:
            self.tell("wait: it is on its way", "attention")
        elif self.query_one("#reason", LineInput).value.strip() and not self._discard_asked:
            self._discard_asked = True
            self.tell("esc again discards the reason; nothing was submitted", "attention")
        else:
            self.dismiss(None)

    def copy(self) -> None:
        """See Dialog."""
        self.tell(self._copy(self._everything.filter_text, "filter"))


def _always(lines: list[Line]) -> Callable[[int], list[Line]]:
    return lambda _: lines
