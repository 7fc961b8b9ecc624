"""Doing one thing to one record or many: frozen targets, a reason, and what came of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, ClassVar, Final, Generic, TypeVar

from textual import on
from textual.containers import Horizontal
from textual.widgets import Input

from engine.errors import EngineError
from engine.records import MAX_TARGETS, RunRow
from runstudio_tui.domain.effective import run_state
from runstudio_tui.domain.present import where
from runstudio_tui.screens.dialogs.base import Dialog
from runstudio_tui.store.session import Studio
from runstudio_tui.store.targets import FrozenTargets, Outcome, Target, TargetOf, reason_problem
from runstudio_tui.text import safe, short_id
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import pad, wrap
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line import Line, Span, line, line_width
from runstudio_tui.widgets.line_list import LineList, Row
from runstudio_tui.widgets.text_button import TextButton

Record = TypeVar("Record")

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


@dataclass(frozen=True, slots=True)
class Words:
    """What a dialog calls what it does."""

    do: str
    """``Cancel``: the button, and the beginning of the title."""
    doing: str
    done: str
    keep: str
    """The harmless button, for one run."""
    keep_all: str
    about: str
    """What to know before confirming, of one run."""
    about_all: str
    asks_reason: bool = True


class SettlingDialog(Dialog[str], Generic[Record]):
    """Gives in words what came of it; empty when nothing was sent. A subclass says what its targets are called and drawn as."""

    NOUN: ClassVar[str] = "run"
    NOUN_ALL: ClassVar[str] = "runs"

    WORDS: Words
    DEFAULT_CSS = """
    SettlingDialog #reason-line, SettlingDialog #number-line { height: 1; }
    SettlingDialog .label { width: 9; }
    SettlingDialog #number-line { display: none; }
    SettlingDialog.-many #number-line { display: block; }
    SettlingDialog.-silent #reason-line { display: none; }
    SettlingDialog #number-line .label { width: 30; }
    """

    def __init__(
        self,
        studio: Studio,
        flow: Callable[[Callable[[], None]], FrozenTargets[Record]],
        lost: int,
        copy: Callable[[str, str], str],
    ) -> None:
        """``flow`` makes the flow, given what to call when a target moved on. ``lost``: marked records that are not loaded any
        more and are therefore left alone."""
        super().__init__()
        self._studio = studio
        self._lost = lost
        self._copy = copy
        self._flow = flow(self._show)
        self._working: asyncio.Task[None] | None = None
        self._sent = False
        self._tried = False
        """True once it was confirmed: from then on what is missing is said loudly."""
        self._discard_asked = False
        self._list = LineList()
        self._drawn: dict[str, tuple[TargetOf[Record], int, list[Row]]] = {}

    # --- what a subclass says -----------------------------------------------------------------------------------------

    def rows_of(self, target: TargetOf[Record], now: datetime, zone: tzinfo, cells: int) -> list[Row]:
        """One target: what it is, and what came of it, on as many lines as that takes."""
        raise NotImplementedError

    def text_of(self, target: TargetOf[Record]) -> str:
        """One target for a ticket."""
        raise NotImplementedError

    # --- parts --------------------------------------------------------------------------------------------------------

    def keys(self) -> Sequence[str]:
        """See Dialog."""
        failed = any(target.outcome is Outcome.FAILED for target in self._flow.targets)
        again = ("dialog.confirm",) if failed or not self._sent else ()
        return (*again, *(() if self._sent else ("dialog.next",)), "dialog.copy", "dialog.close")

    def confirming(self) -> str:
        """See Dialog."""
        return "repeat" if self._sent else self.WORDS.do.lower()

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        yield self._list
        with Horizontal(id="reason-line"):
            yield Bar(classes="label")
            yield LineInput(id="reason", placeholder="why, for the log and the audit", max_length=500)
        with Horizontal(id="number-line"):
            yield Bar(classes="label")
            yield LineInput(id="number", max_length=6)
        yield Bar(fits=True, id="about")

    def buttons(self) -> Iterable[Any]:
        """See Dialog."""
        words = self.WORDS
        yield TextButton(words.keep_all if len(self._flow.targets) > 1 else words.keep, id="keep")
        yield TextButton(words.do, key="ctrl+s", id="go")

    def on_mount(self) -> None:
        """Focus on the reason; where nothing can be done, on the way out."""
        number = len(self._flow.targets)
        self.set_title(f"{self.WORDS.do} {number:,} {self._nouns(number)}", safe(self._place()))
        self.set_class(len(self._flow.eligible) > MANY, "-many")
        self.set_class(not self.WORDS.asks_reason, "-silent")
        self.query_one("#reason-line .label", Bar).show(lambda _: [line("Reason")])
        typed = f"Type {len(self._flow.eligible)} to confirm"
        self.query_one("#number-line .label", Bar).show(lambda _: [line(typed)])
        self._show_about()
        if self._flow.eligible and (self.WORDS.asks_reason or self.has_class("-many")):
            self.query_one("#reason" if self.WORDS.asks_reason else "#number", LineInput).focus()
        else:
            self.query_one("#keep", TextButton).focus()
        self._show()

    def on_resize(self) -> None:
        """See Dialog."""
        self._show_about()

    def _show_about(self) -> None:
        """What is to be known before confirming, on as many lines as the width wants."""
        about = self.WORDS.about if len(self._flow.targets) == 1 else self.WORDS.about_all
        told = wrap(about, max(min(self.app.size.width, 96) - 5, 20))
        self.query_one("#about", Bar).styles.height = len(told)
        self.query_one("#about", Bar).show(lambda _: [line(Span(part, "dim")) for part in told])

    def _place(self) -> str:
        return self._studio.who.place if self._studio.who is not None else ""

    # --- drawing ------------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        if not self.is_attached:
            return
        now, zone = self._studio.time.now(), self._studio.zone
        targets, lost = self._flow.targets, self._lost

        def rows(cells: int) -> list[Row]:
            made = [row for target in targets for row in self._rows_of(target, now, zone, cells)]
            if lost:
                text = f"  {lost} marked {self._nouns(lost)} {'is' if lost == 1 else 'are'} not in the list any more"
                made.append(Row(line(Span(text, "dim"))))
            return made

        self._list.styles.height = min(len(rows(self._list.size.width or 76)), _SHOWN)
        self._list.show_rows(rows)
        self._judge()

    def _rows_of(self, target: TargetOf[Record], now: datetime, zone: tzinfo, cells: int) -> list[Row]:
        key = self._flow.key_of(target.row)
        known = self._drawn.get(key)
        if known is None or known[0] is not target or known[1] != cells:
            known = self._drawn[key] = (target, cells, self.rows_of(target, now, zone, cells))
        return known[2]

    def _nouns(self, number: int) -> str:
        return self.NOUN if number == 1 else self.NOUN_ALL

    def _judge(self) -> None:
        """Say what stands in the way, and whether the button works."""
        problem = self._problem()
        running = self._working is not None and not self._working.done()
        go, keep = self.query_one("#go", TextButton), self.query_one("#keep", TextButton)
        failed = sum(1 for target in self._flow.targets if target.outcome is Outcome.FAILED)
        label = self.WORDS.do if not self._sent else f"Repeat {failed} failed"
        go.set_label(label, enabled=not problem and not running)
        go.display = not self._sent or failed > 0
        if self._sent:
            keep.set_label("Close", enabled=not running)
        if running:
            left = sum(1 for target in self._flow.targets if target.outcome is Outcome.PENDING)
            self.tell(f"{self.WORDS.doing}, {left:,} to go…")
        elif self._sent and not failed:
            self.tell("done")
        else:
            self.tell(problem, "attention" if self._tried else "dim")

    def _problem(self) -> str:
        eligible = self._flow.eligible
        if not eligible:
            return "" if self._sent else f"nothing here can be {self.WORDS.done}"
        if len(eligible) > MAX_TARGETS:
            return f"{len(eligible):,} {self._nouns(2)}; {MAX_TARGETS:,} at a time are allowed"
        missing = reason_problem(self.query_one("#reason", LineInput).value) if self.WORDS.asks_reason else ""
        number = self.query_one("#number", LineInput).value.strip()
        if self.has_class("-many") and not self._sent and number != str(len(eligible)):
            return missing or f"type {len(eligible)} to confirm that many"
        return missing

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
            self.tell(problem or "nothing is left to do", "attention")
            return
        self._working = asyncio.create_task(self._run(self.query_one("#reason", LineInput).value))
        self._judge()

    async def _run(self, reason: str) -> None:
        try:
            await self._flow.run(reason)
        except EngineError as error:
            if self.is_attached:
                self._working = None
                self._show()
                self.tell(f"nothing was sent: {error.sentences}", "failed")
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
            self.tell(f"esc again discards the reason; nothing was {self.WORDS.done}", "attention")
        else:
            self._leave()

    def _leave(self) -> None:
        if self._working is None or self._working.done():
            self.dismiss(self._flow.summary if self._sent else "")

    def copy(self) -> None:
        """See Dialog."""
        self.tell(self._copy("\n".join(self.text_of(target) for target in self._flow.targets), "targets and results"))


class TargetsDialog(SettlingDialog[RunRow]):
    """Doing one thing to runs."""

    def rows_of(self, target: Target, now: datetime, zone: tzinfo, cells: int) -> list[Row]:
        """See SettlingDialog."""
        return target_rows(target, now, zone, cells)

    def text_of(self, target: Target) -> str:
        """See SettlingDialog."""
        return target_text(target)


def target_rows(target: Target, now: datetime, zone: tzinfo, cells: int) -> list[Row]:
    """One target: what it is, and what came of it, on as many lines as that takes."""
    row, state = target.row, run_state(target.row)
    told = safe(target.text) or f"{state.word}, {where(row, now, zone)}".removesuffix(", ")
    told = f"{told} {short_id(target.made)}" if target.made else told
    head = line(
        Span(f"{state.glyph} ", state.tone),
        Span(pad(safe(row.workflow_name), 18) + " "),
        Span(short_id(row.run_id) + "  ", "dim"),
    )
    return outcome_rows(head, told, target.outcome, target_text(target), cells)


def outcome_rows(head: Line, told: str, outcome: Outcome, copy: str, cells: int) -> list[Row]:
    """``told`` in the tone of ``outcome`` behind ``head``, on as many lines as it takes."""
    indent = line_width(head)
    parts = wrap(told, max(cells - indent, 20))
    begins: list[Line] = [head, *[line(" " * indent)] * (len(parts) - 1)]
    tone = _TONES[outcome]
    return [Row((*begin, Span(part, tone)), copy=copy) for begin, part in zip(begins, parts, strict=True)]


def target_text(target: Target) -> str:
    """One target for a ticket: id, workflow, result."""
    result = f"{target.text} {target.made}".rstrip() or target.row.status.value.lower()
    return f"{target.row.run_id}  {safe(target.row.workflow_name)}  {result}"
