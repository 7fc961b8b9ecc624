"""Cancel one run or many: frozen targets, a reason, and what came of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from textual import on
from textual.containers import Horizontal
from textual.widgets import Input

from runstudio_tui.domain.effective import run_state
from runstudio_tui.domain.models import RunRow
from runstudio_tui.domain.present import where
from runstudio_tui.ports import PortError
from runstudio_tui.screens.dialogs.base import Dialog
from runstudio_tui.store.flows import CancelFlow, Outcome, Target, reason_problem
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe, short_id
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import pad, wrap
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line import Line, Span, line, line_width
from runstudio_tui.widgets.line_list import LineList, Row
from runstudio_tui.widgets.text_button import TextButton

MANY: Final = 20
"""More targets than this, and their number must be typed."""
_SHOWN: Final = 10
_TONES: Final = {
    Outcome.DONE: "ok",
    Outcome.ASKED: "waiting",
    Outcome.SKIPPED: "dim",
    Outcome.FAILED: "failed",
    Outcome.PENDING: "text",
}


class CancelDialog(Dialog[str]):
    """Gives in words what came of it; empty when nothing was sent."""

    DEFAULT_CSS = """
    CancelDialog #reason-line, CancelDialog #number-line { height: 1; }
    CancelDialog .label { width: 9; }
    CancelDialog #number-line { display: none; }
    CancelDialog.-many #number-line { display: block; }
    CancelDialog #number-line .label { width: 30; }
    CancelDialog #about { height: 1; }
    """

    def __init__(self, studio: Studio, rows: Sequence[RunRow], lost: int, copy: Callable[[str, str], None]) -> None:
        """``lost``: marked runs that are not loaded any more and are therefore left alone."""
        super().__init__()
        self._studio = studio
        self._lost = lost
        self._copy = copy
        self._flow = CancelFlow(studio, rows, self._show)
        self._working: asyncio.Task[None] | None = None
        self._sent = False
        self._tried = False
        """True once it was confirmed: from then on what is missing is said loudly."""
        self._discard_asked = False
        self._list = LineList()

    # --- parts --------------------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        yield self._list
        with Horizontal(id="reason-line"):
            yield Bar(classes="label")
            yield LineInput(id="reason", placeholder="why, for the log and the audit", max_length=500)
        with Horizontal(id="number-line"):
            yield Bar(classes="label")
            yield LineInput(id="number", max_length=6)
        yield Bar(id="about")

    def buttons(self) -> Iterable[Any]:
        """See Dialog."""
        yield TextButton("Keep them" if len(self._flow.targets) > 1 else "Keep it", id="keep")
        yield TextButton("Cancel", key="ctrl+s", id="go")

    def on_mount(self) -> None:
        """Focus on the reason; where nothing can be canceled, on the way out."""
        number = len(self._flow.targets)
        self.set_title(f"Cancel {number} runs" if number != 1 else "Cancel 1 run", safe(self._place()))
        self.set_class(len(self._flow.eligible) > MANY, "-many")
        self.query_one("#reason-line .label", Bar).show(lambda _: [line("Reason")])
        typed = f"Type {len(self._flow.eligible)} to confirm"
        self.query_one("#number-line .label", Bar).show(lambda _: [line(typed)])
        self.query_one("#about", Bar).show(lambda _: [line(Span(self._about(), "dim"))])
        if self._flow.eligible:
            self.query_one("#reason", LineInput).focus()
        else:
            self.query_one("#keep", TextButton).focus()
        self._show()

    def _place(self) -> str:
        return self._studio.who.place if self._studio.who is not None else ""

    def _about(self) -> str:
        if len(self._flow.targets) == 1:
            return "Children, open waits and tasks of this run are closed too."
        return "Children, open waits and tasks of these runs are closed too."

    # --- drawing ------------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        if not self.is_attached:
            return
        now, zone = self._studio.time.now(), self._studio.zone
        targets, lost = self._flow.targets, self._lost

        def rows(cells: int) -> list[Row]:
            made = [row for target in targets for row in target_rows(target, now, zone, cells)]
            if lost:
                text = f"  {lost} marked run{' is' if lost == 1 else 's are'} not in the list any more, and left alone"
                made.append(Row(line(Span(text, "dim"))))
            return made

        self._list.styles.height = min(len(rows(self._list.size.width or 76)), _SHOWN)
        self._list.show_rows(rows)
        self._judge()

    def _judge(self) -> None:
        """Say what stands in the way, and whether the button works."""
        problem = self._problem()
        running = self._working is not None and not self._working.done()
        go, keep = self.query_one("#go", TextButton), self.query_one("#keep", TextButton)
        failed = sum(1 for target in self._flow.targets if target.outcome is Outcome.FAILED)
        label = "Cancel" if not self._sent else f"Repeat {failed} failed"
        go.set_label(label, enabled=not problem and not running)
        go.display = not self._sent or failed > 0
        if self._sent:
            keep.set_label("Close", enabled=not running)
        if running:
            left = sum(1 for target in self._flow.targets if target.outcome is Outcome.PENDING)
            self.tell(f"canceling, {left} to go…")
        elif self._sent and not failed:
            self.tell("done · ctrl+y copies the results")
        else:
            self.tell(problem, "attention" if self._tried else "dim")

    def _problem(self) -> str:
        eligible = self._flow.eligible
        if not eligible:
            return "" if self._sent else "nothing here can be canceled"
        reason = self.query_one("#reason", LineInput).value
        number = self.query_one("#number", LineInput).value.strip()
        if self.has_class("-many") and not self._sent and number != str(len(eligible)):
            return reason_problem(reason) or f"type {len(eligible)} to confirm that many"
        return reason_problem(reason)

    # --- keys ---------------------------------------------------------------------------------------------------------

    @on(Input.Changed)
    def _typed(self) -> None:
        self._discard_asked = False
        self._judge()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.query_one("#keep", TextButton).focus()

    @on(TextButton.Pressed, "#keep")
    def _kept(self) -> None:
        self._leave()

    @on(TextButton.Pressed, "#go")
    def _pressed(self) -> None:
        self.confirm()

    def confirm(self) -> None:
        """See Dialog."""
        if self._working is not None and not self._working.done():
            return
        problem = self._problem()
        self._tried = True
        if problem or not self._flow.eligible:
            self.tell(problem or "nothing is left to cancel", "attention")
            return
        self._working = asyncio.create_task(self._run(self.query_one("#reason", LineInput).value))
        self._judge()

    async def _run(self, reason: str) -> None:
        try:
            await self._flow.run(reason)
        except PortError as error:
            if self.is_attached:
                self._working = None
                self._show()
                self.tell(f"nothing was sent: {error}", "failed")
            return
        self._sent = True
        self._working = None
        if self.is_attached:
            self._show()
            self.query_one("#keep", TextButton).focus()

    def close(self) -> None:
        """See Dialog: asks before a typed reason is lost, and waits for what is on its way."""
        if self._working is not None and not self._working.done():
            self.tell("wait: some are still on their way", "attention")
        elif self.query_one("#reason", LineInput).value.strip() and not self._sent and not self._discard_asked:
            self._discard_asked = True
            self.tell("esc again discards the reason; nothing was canceled", "attention")
        else:
            self._leave()

    def _leave(self) -> None:
        if self._working is None or self._working.done():
            self.dismiss(self._flow.summary if self._sent else "")

    def copy(self) -> None:
        """See Dialog."""
        self._copy("\n".join(target_text(target) for target in self._flow.targets), "targets and results")
        self.tell("copied")


def target_rows(target: Target, now: datetime, zone: tzinfo, cells: int) -> list[Row]:
    """One target: what it is, and what came of it, on as many lines as that takes."""
    row, state = target.row, run_state(target.row)
    told = safe(target.text) or f"{state.word}, {where(row, now, zone)}".removesuffix(", ")
    head = line(
        Span(f"{state.glyph} ", state.tone),
        Span(pad(safe(row.workflow_name), 18) + " "),
        Span(short_id(row.run_id) + "  ", "dim"),
    )
    indent = line_width(head)
    parts = wrap(told, max(cells - indent, 20))
    begins: list[Line] = [head, *[line(" " * indent)] * (len(parts) - 1)]
    tone = _TONES[target.outcome]
    return [
        Row((*begin, Span(part, tone)), copy=target_text(target)) for begin, part in zip(begins, parts, strict=True)
    ]


def target_text(target: Target) -> str:
    """One target for a ticket: id, workflow, result."""
    return f"{target.row.run_id}  {safe(target.row.workflow_name)}  {target.text or target.row.status.value.lower()}"
