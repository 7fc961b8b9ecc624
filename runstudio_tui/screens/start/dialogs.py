"""Starting a run: which workflow, then version and payload, then it runs and its screen opens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import TextArea

from runstudio_tui.domain.catalog import Started, WorkflowInfo
from runstudio_tui.ports import Invalid, PortError
from runstudio_tui.screens.dialogs.base import Dialog
from runstudio_tui.store.flows import start_run
from runstudio_tui.store.session import Studio
from runstudio_tui.store.starting import Draft, Offer, offer, read_draft
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import pad
from runstudio_tui.widgets.choice import Choice
from runstudio_tui.widgets.json_editor import JsonEditor
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.text_button import TextButton
from runstudio_tui.widgets.virtual_list import Keys, RowState, VirtualList

_CHECK_AFTER: Final = 0.3
"""Seconds without a key before the server is asked about the payload."""


class WorkflowDialog(Dialog[WorkflowInfo]):
    """Gives the chosen workflow."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "choose", show=False)]
    DEFAULT_CSS = """
    WorkflowDialog VirtualList { height: 12; }
    """

    def __init__(self, studio: Studio, preferred: str | None) -> None:
        super().__init__()
        self._studio = studio
        self._preferred = preferred
        self._workflows: dict[str, WorkflowInfo] = {}
        self._list = VirtualList(self._row)
        self._working: asyncio.Task[None] | None = None

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        yield self._list

    def buttons(self) -> Iterable[Any]:
        """See Dialog."""
        yield TextButton("Close", id="close")

    def on_mount(self) -> None:
        """Ask for the workflows."""
        self.set_title("Start a run: which workflow?")
        self._list.focus()
        self.tell("loading…")
        self._working = asyncio.create_task(self._load())

    async def on_unmount(self) -> None:
        """Stop asking."""
        if self._working is not None:
            self._working.cancel()

    async def _load(self) -> None:
        try:
            reply = await self._studio.backend.catalog.workflows()
        except PortError as error:
            self.tell(str(error), "failed")
            return
        self._workflows = {info.workflow_id: info for info in reply.value}
        nothing = line(Span("No workflow yet. runstudio publish adds one.", "dim"))
        self._list.show(Keys(tuple(self._workflows)), nothing)
        if self._preferred in self._workflows:
            self._list.move_to(self._preferred)
        self._tell_about_current()

    def _row(self, key: str, cells: int, _: RowState) -> Line:
        info = self._workflows[key]
        version = f"v{info.published_version}" if info.published_version is not None else "–"
        tone = "dim" if _refusal(info) else "text"
        about = info.description or info.trigger or ""
        return line(
            Span(pad(safe(info.name), 26), tone),
            Span(pad(version, 6), "dim"),
            Span(pad("paused" if info.paused else "", 8), "attention"),
            Span(safe(about), "dim"),
        )

    @on(VirtualList.Moved)
    def _tell_about_current(self) -> None:
        info = self._workflows.get(self._list.cursor or "")
        reason = _refusal(info) if info is not None else ""
        self.tell(reason or "enter chooses · esc closes", "attention" if reason else "dim")

    @on(VirtualList.Activated)
    def action_choose(self) -> None:
        """Take the one under the cursor."""
        info = self._workflows.get(self._list.cursor or "")
        if info is not None and not _refusal(info):
            self.dismiss(info)

    @on(TextButton.Pressed)
    def _close_pressed(self) -> None:
        self.close()


def _refusal(info: WorkflowInfo) -> str:
    if info.published_version is None:
        return "this workflow has no published version; runstudio publish adds one"
    return "this workflow is paused: it starts nothing until it is unpaused" if info.paused else ""


class PayloadDialog(Dialog[Started]):
    """Version, payload, start. Gives the run that was started."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+e", "external", "$EDITOR", show=False)]
    DEFAULT_CSS = """
    PayloadDialog > #frame { height: 100%; max-height: 40; max-width: 110; }
    PayloadDialog .field { height: 1; }
    PayloadDialog .label { width: 9; }
    PayloadDialog #issues { height: auto; max-height: 4; }
    PayloadDialog JsonEditor { height: 1fr; }
    """

    def __init__(self, studio: Studio, workflow: WorkflowInfo, edit_outside: Callable[[str], str | None]) -> None:
        super().__init__()
        self._studio = studio
        self._workflow = workflow
        self._edit_outside = edit_outside
        self._offer: Offer | None = None
        self._version = workflow.published_version or 0
        self._seed = ""
        self._draft = Draft()
        self._key = studio.clock.unique()
        self._sending = False
        self._discard_asked = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._checking: asyncio.Task[None] | None = None

    # --- parts --------------------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        for name in ("Version", "Payload"):
            with Horizontal(classes="field"):
                yield Bar(classes="label", id=f"label-{name.lower()}")
                yield Choice(id=name.lower())
        yield JsonEditor(id="editor")
        yield Bar(id="issues")

    def buttons(self) -> Iterable[Any]:
        """See Dialog."""
        yield TextButton("Close", id="close")
        yield TextButton("Start", key="ctrl+s", id="start")

    def on_mount(self) -> None:
        """Ask what there is to begin with."""
        self.query_one("#label-version", Bar).show(lambda _: [line("Version")])
        self.query_one("#label-payload", Bar).show(lambda _: [line("Payload")])
        self._judge("loading…")
        self._spawn(self._load())
        self.query_one(JsonEditor).focus()

    async def on_unmount(self) -> None:
        """Stop asking; what was sent is not taken back."""
        for task in (*self._tasks, *filter(None, (self._checking,))):
            task.cancel()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- payload ------------------------------------------------------------------------------------------------------

    async def _load(self) -> None:
        try:
            self._offer = await offer(self._studio.backend.catalog, self._workflow, self._version)
        except PortError as error:
            self.tell(str(error), "failed")
            return
        published = self._workflow.published_version
        names = [
            f"{info.version}, published" if info.version == published else str(info.version)
            for info in self._offer.versions
        ]
        places = [place for place, info in enumerate(self._offer.versions) if info.version == self._version]
        self.query_one("#version", Choice).set_options(names, places[0] if places else 0)
        self.query_one("#payload", Choice).set_options([safe(source.name) for source in self._offer.sources])
        self._seed_with(0)

    def _seed_with(self, place: int) -> None:
        if self._offer is not None:
            self._seed = self._offer.sources[place].text
            self.query_one(JsonEditor).put(self._seed)
            self._text_changed()

    @on(Choice.Chosen, "#version")
    def _version_chosen(self, event: Choice.Chosen) -> None:
        if self._offer is not None:
            self._version = self._offer.versions[event.place].version
            self._text_changed()

    @on(Choice.Chosen, "#payload")
    def _source_chosen(self, event: Choice.Chosen) -> None:
        if self.query_one(JsonEditor).text not in ("", self._seed):
            self.tell("the payload was edited: ctrl+z in the editor undoes it, then choose again", "attention")
            return
        self._seed_with(event.place)

    @on(TextArea.Changed)
    def _text_changed(self) -> None:
        self._discard_asked = False
        text = self.query_one(JsonEditor).text
        self._draft = read_draft(text)
        self._judge()
        if self._checking is not None:
            self._checking.cancel()
        if not self._draft.problem:
            self._checking = asyncio.create_task(self._check(self._draft))

    async def _check(self, draft: Draft) -> None:
        """Ask the server, once the typing pauses, what it would refuse."""
        await self._studio.clock.wait(asyncio.Event(), _CHECK_AFTER)
        try:
            reply = await self._studio.backend.catalog.check_payload(
                self._workflow.workflow_id, self._version, draft.value
            )
        except PortError as error:
            self.tell(f"the payload could not be checked: {error}", "attention")
            return
        self._draft = replace(draft, issues=reply.value, checked=True)
        self._judge()

    def _judge(self, instead: str = "") -> None:
        self.set_title(f"Start {safe(self._workflow.name)}", instead or self._draft.state)
        ready = not instead and not self._draft.problem and not self._sending
        self.query_one("#start", TextButton).set_label("Starting…" if self._sending else "Start", enabled=ready)
        shown: list[Line] = [
            line(Span(f"✖ {safe(issue.pointer) or 'payload'}: ", "failed"), safe(issue.message))
            for issue in self._draft.issues[:4]
        ]
        issues = self.query_one("#issues", Bar)
        issues.styles.height = len(shown)
        issues.show(lambda _: shown)
        problem = "" if shown else safe(self._draft.problem)
        self.tell(problem or "tab moves on · ctrl+e opens your editor", "attention" if problem else "dim")

    def action_external(self) -> None:
        """ctrl+e: the text in $EDITOR."""
        editor = self.query_one(JsonEditor)
        edited = self._edit_outside(editor.text)
        if edited is not None and edited != editor.text:
            editor.put(edited)

    # --- sending ------------------------------------------------------------------------------------------------------

    @on(TextButton.Pressed, "#start")
    def _pressed(self) -> None:
        self.confirm()

    @on(TextButton.Pressed, "#close")
    def _close_pressed(self) -> None:
        self.close()

    def confirm(self) -> None:
        """See Dialog."""
        if self._sending or self._offer is None:
            return
        if self._draft.problem:
            self.tell(safe(self._draft.problem), "failed")
            return
        self._sending = True
        self._judge()
        self._spawn(self._send(self._draft))

    async def _send(self, draft: Draft) -> None:
        backend = self._studio.backend
        try:
            started = await start_run(backend, self._workflow.workflow_id, self._version, draft.value, self._key)
        except PortError as error:
            self._sending = False
            if isinstance(error, Invalid) and error.issues:
                self._draft = replace(draft, issues=error.issues, checked=True)
            if not error.retryable:
                self._key = self._studio.clock.unique()
            self._judge()
            row = f" A run row was written: {error.created_run_id}" if error.created_run_id is not None else ""
            self.tell(f"{safe(str(error))}{row}", "failed")
        else:
            self.dismiss(started)

    def close(self) -> None:
        """See Dialog: asks before an edited payload is lost."""
        edited = self.query_one(JsonEditor).text not in ("", self._seed)
        if self._sending:
            self.tell("wait: it is on its way", "attention")
        elif edited and not self._discard_asked:
            self._discard_asked = True
            self.tell("esc again discards the payload; nothing was started", "attention")
        else:
            self.dismiss(None)
