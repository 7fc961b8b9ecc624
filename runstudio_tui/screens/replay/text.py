"""The text of a replay: version, reason, the input as it was or edited, and what is done again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from textual import on
from textual.containers import Horizontal
from textual.widgets import TextArea

from engine.errors import EngineError
from engine.records import RunRow, SchemaIssue
from engine.wording import sentences
from runstudio_tui.domain.edit_notes import line_notes
from runstudio_tui.domain.jsonview import pretty
from runstudio_tui.domain.replay_edit import Edit, read_edit
from runstudio_tui.screens.dialogs.editing import EditingDialog, InEditor
from runstudio_tui.screens.replay.lines import ROWS, done_text, sent_text
from runstudio_tui.store.replay import NO_INPUT, Offer, ReplayFlow
from runstudio_tui.store.session import Studio
from runstudio_tui.store.targets import reason_problem
from runstudio_tui.text import safe, short_id
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.choice import Choice
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.json_editor import HIGHLIGHT_LIMIT, JsonEditor
from runstudio_tui.widgets.line import Line, Span, justify, line
from runstudio_tui.widgets.line_list import LineList
from runstudio_tui.widgets.text_button import TextButton

_LARGE: Final = 32_000
"""Characters from which a text is judged only once the typing pauses."""
_PAUSE: Final = 0.3
"""Seconds without a key that are such a pause."""


class ReplayText(EditingDialog):
    """Judges the text as it is typed. A subclass previews and sends it."""

    DEFAULT_CSS = """
    ReplayText LineList { height: 1fr; display: none; }
    ReplayText.-preview JsonEditor, ReplayText.-preview #done { display: none; }
    ReplayText.-preview LineList { display: block; }
    ReplayText #rebase { display: none; }
    ReplayText.-old #rebase { display: block; }
    ReplayText.-old #show-preview { display: none; }
    """

    def __init__(self, studio: Studio, row: RunRow, in_editor: InEditor) -> None:
        super().__init__(studio, in_editor)
        self._flow = ReplayFlow(studio, row)
        self._offer: Offer | None = None
        self._edit: Edit | None = None
        """The text as it was judged last; None while it waits to be judged."""
        self._issues: tuple[SchemaIssue, ...] = ()
        """What the schema was found to have against the text as it stands."""
        self._version = row.version
        self._unread = ""
        """Why there is nothing to edit, in a few words; empty as long as there may be."""
        self._tried = False
        """True once it was confirmed: from then on what is missing is said loudly."""
        self._judging: asyncio.Task[None] | None = None

    # --- parts --------------------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        with Horizontal(classes="field"):
            yield Bar(classes="label", id="label-version")
            yield Choice(id="version")
        with Horizontal(classes="field"):
            yield Bar(classes="label", id="label-reason")
            yield LineInput(id="reason", placeholder="why, for the log and the audit", max_length=500)
        yield Bar(id="rule")
        yield JsonEditor(id="editor")
        yield LineList(id="preview")
        yield Bar(id="sent")
        yield Bar(id="done")

    def buttons(self) -> Iterable[Any]:
        """See Dialog."""
        yield TextButton("Take the new original", id="rebase")
        yield TextButton("Preview", key="ctrl+t", id="show-preview")
        yield TextButton("Close", id="close")
        yield TextButton("Replay", key="ctrl+s", id="go")

    def on_mount(self) -> None:
        """Ask what there is to begin with."""
        self.query_one("#label-version", Bar).show(lambda _: [line("Version")])
        self.query_one("#label-reason", Bar).show(lambda _: [line("Reason")])
        self.query_one(JsonEditor).disabled = True  # until there is what is edited
        self.query_one("#reason", LineInput).focus()
        self.show()
        self.tell("loading…")
        self.spawn(self._load())

    def on_resize(self) -> None:
        """Other room for the sentences."""
        self.show()

    # --- what there is ------------------------------------------------------------------------------------------------

    async def _load(self) -> None:
        try:
            self._offer = await self._flow.offer()
        except EngineError as error:
            self._unread = "not read"
            told = error.sentences
            if error.code == NO_INPUT:
                self._unread = "no input stored"
                told = sentences(error.message, error.hint)
            self.show()
            self.tell(told, "failed")
            self.query_one("#close", TextButton).focus()
            return
        names = [self._version_name(version) for version in self._offer.versions]
        self.query_one("#version", Choice).set_options(names)
        self._version = self._offer.versions[0] if self._offer.versions else self._version
        editor = self.query_one(JsonEditor)
        editor.disabled = False
        editor.put(pretty(self._offer.base.value))

    def _version_name(self, version: int) -> str:
        published = self._offer is not None and version == self._offer.published
        if version == self._flow.row.version:
            return f"{version}, as then{' and published now' if published else ''}"
        return f"{version}, published now" if published else str(version)

    @on(Choice.Chosen, "#version")
    def _version_chosen(self, event: Choice.Chosen) -> None:
        if self._offer is not None:
            self._version = self._offer.versions[event.place]
            self._issues = ()  # another version may have another schema
            self.leave_preview()
            self.show()

    # --- text ---------------------------------------------------------------------------------------------------------

    @on(TextArea.Changed)
    def _text_changed(self) -> None:
        self.typed()
        if self._judging is not None:
            self._judging.cancel()
        if len(self.query_one(JsonEditor).text) <= _LARGE:
            self.judge()
        else:
            self._edit = None
            self._judging = self.spawn(self._judge_later())
            self.show()

    async def _judge_later(self) -> None:
        await self._studio.clock.wait(asyncio.Event(), _PAUSE)
        self.judge()

    def judge(self) -> None:
        """Look at the text as it stands now."""
        if self._offer is None:
            return
        before = self._edit
        self._edit = read_edit(self._offer.base, self.query_one(JsonEditor).text)
        if before is None or before.changes != self._edit.changes:
            self._issues = ()
            self.leave_preview()
        self.show()
        self.tell_what_is_missing()

    # --- drawing ------------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Draw everything that depends on the text, the version, and how far it is."""
        edit, row = self._edit, self._flow.row
        title = f"Replay {safe(row.workflow_name)} {short_id(row.run_id)}"
        waiting = self._unread or ("loading…" if self._offer is None else "…")
        self.set_title(title, edit.state if edit is not None else waiting)
        previewing = self.has_class("-preview")
        self.query_one("#rule", Bar).show(lambda cells: [self._rule(previewing, cells)])
        ready = edit is not None and not edit.problem and not self._sending
        self.query_one("#go", TextButton).set_label("Replaying…" if self._sending else "Replay", enabled=ready)
        self.query_one("#show-preview", TextButton).set_label("Text" if previewing else "Preview", enabled=ready)
        cells = max(self.query_one("#frame").size.width - 2, 20)
        self._sentence("#sent", sent_text(edit, cells) if edit is not None else [])
        self._sentence("#done", self._done_text(cells))
        if edit is not None:
            text = self.query_one(JsonEditor).text
            small = len(text) <= HIGHLIGHT_LIMIT
            self.query_one(JsonEditor).annotate(line_notes(edit, text, self._issues) if small else {})

    def _rule(self, previewing: bool, cells: int) -> Line:
        """The line over the text, or over the preview in its place."""
        other = f" of version {self._version}" if self._version != self._flow.row.version else ""
        title, key = (
            (f"Preview{other}: nothing was sent ", " ctrl+t text ─")
            if previewing
            else ("Payload ", "─" if self._studio.console else " ctrl+e $EDITOR ─")
        )
        left = line(title, Span("─" * max(cells - len(title) - len(key), 0), "rule"))
        return justify(left, line(Span(key, "dim")), cells)

    def _done_text(self, cells: int) -> list[str]:
        if self._offer is None:
            return []
        paused = ["The workflow is paused: it starts nothing until it is unpaused."] if self._offer.paused else []
        return [*paused, *done_text(self._offer.done, cells)][:ROWS]

    def _sentence(self, name: str, parts: list[str]) -> None:
        bar = self.query_one(name, Bar)
        bar.styles.height = len(parts)
        bar.show(lambda _: [line(part) for part in parts])

    def problem(self) -> str:
        """Why it cannot be sent; empty when it can."""
        if self._edit is None:
            return "wait: the text is being looked at"
        reason = self.query_one("#reason", LineInput).value
        return safe(self._edit.problem) or reason_problem(reason)

    def tell_what_is_missing(self) -> None:
        """The first thing that stands in the way; loudly once it was confirmed."""
        problem = self.problem()
        loud = self._tried or (self._edit is not None and bool(self._edit.problem))
        if self._issues and not problem:
            issue = self._issues[0]
            self.tell(f"{safe(issue.pointer) or 'the input'}: {safe(issue.message)}", "failed")
            return
        self.tell(problem, "attention" if loud else "dim")

    def leave_preview(self) -> None:
        """The text again: a preview is of a text or a version that is no longer what would be sent, or was read."""
        raise NotImplementedError
