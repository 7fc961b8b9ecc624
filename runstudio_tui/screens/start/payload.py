"""Starting a run: version and payload, then it runs and its screen opens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from textual import on
from textual.containers import Horizontal
from textual.widgets import Input, TextArea

from engine.errors import EngineError
from engine.records import SchemaIssue, Workflow
from runstudio_tui.payload_files import ReadFile
from runstudio_tui.screens.dialogs.editing import EditingDialog, InEditor
from runstudio_tui.store.flows import start_run
from runstudio_tui.store.session import Studio
from runstudio_tui.store.starting import Draft, Offer, offer, read_draft
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.choice import Choice
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.json_editor import JsonEditor
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.text_button import TextButton

_CHECK_AFTER: Final = 0.3
"""Seconds without a key before the server is asked about the payload."""
_FROM_FILE: Final = "file…"


class PayloadDialog(EditingDialog):
    """Version, payload, start. Gives the run that was started."""

    DEFAULT_CSS = """
    PayloadDialog #issues { height: auto; max-height: 4; }
    PayloadDialog #file-line { display: none; }
    PayloadDialog.-file #file-line { display: block; }
    """

    def __init__(
        self, studio: Studio, workflow: Workflow, in_editor: InEditor, read_file: ReadFile | None = None
    ) -> None:
        """``read_file``: None where no file may be read."""
        super().__init__(studio, in_editor)
        self._read_file = read_file
        self._workflow = workflow
        self._offer: Offer | None = None
        self._version = workflow.published_version or 0
        self._seed = ""
        self._source = 0
        self._draft = Draft()
        self._key = studio.clock.unique()
        self._checking: asyncio.Task[None] | None = None

    # --- parts --------------------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        for name in ("Version", "Payload"):
            with Horizontal(classes="field"):
                yield Bar(classes="label", id=f"label-{name.lower()}")
                yield Choice(id=name.lower())
        with Horizontal(classes="field", id="file-line"):
            yield Bar(classes="label", id="label-file")
            yield LineInput(id="file", placeholder="path of a file with JSON; enter reads it")
        yield JsonEditor(id="editor")
        yield Bar(id="issues")

    def buttons(self) -> Iterable[Any]:
        """See Dialog."""
        yield TextButton("Close", id="close")
        yield TextButton("Start", key="ctrl+s", id="start")

    def confirming(self) -> str:
        """See Dialog."""
        return "start"

    def on_mount(self) -> None:
        """Ask what there is to begin with."""
        self.query_one("#label-version", Bar).show(lambda _: [line("Version")])
        self.query_one("#label-payload", Bar).show(lambda _: [line("Payload")])
        self.query_one("#label-file", Bar).show(lambda _: [line("File")])
        self._judge("loading…")
        self.spawn(self._load())
        self.query_one(JsonEditor).focus()

    # --- payload ------------------------------------------------------------------------------------------------------

    async def _load(self) -> None:
        try:
            self._offer = await offer(self._studio.backend.workflows, self._workflow, self._version)
        except EngineError as error:
            self.tell(error.sentences, "failed")
            return
        published = self._workflow.published_version
        names = [
            f"{info.version}, published" if info.version == published else str(info.version)
            for info in self._offer.versions
        ]
        places = [place for place, info in enumerate(self._offer.versions) if info.version == self._version]
        self.query_one("#version", Choice).set_options(names, places[0] if places else 0)
        self._show_sources(0)
        self._seed_with(0)

    def _show_sources(self, chosen: int) -> None:
        """Offer the payloads there are to begin with; ``chosen`` is the one in the editor."""
        sources = self._offer.sources if self._offer is not None else ()
        from_file = [_FROM_FILE] if self._read_file is not None else []
        self._source = chosen
        self.query_one("#payload", Choice).set_options([*(safe(source.name) for source in sources), *from_file], chosen)

    def _seed_with(self, place: int) -> None:
        if self._offer is not None:
            self._seed = self._offer.sources[place].text
            self.query_one(JsonEditor).put(self._seed)
            self._text_changed()

    @property
    def _edited(self) -> bool:
        return self.query_one(JsonEditor).text not in ("", self._seed)

    @on(Choice.Chosen, "#version")
    def _version_chosen(self, event: Choice.Chosen) -> None:
        if self._offer is not None:
            self._version = self._offer.versions[event.place].version
            self._text_changed()
            self.spawn(self._offer_of_version(self._version))

    async def _offer_of_version(self, version: int) -> None:
        """Another version has other examples and another schema; a text that was edited stays."""
        try:
            found = await offer(self._studio.backend.workflows, self._workflow, version)
        except EngineError as error:
            self.tell(error.sentences, "failed")
            return
        if version != self._version or self._offer is None:
            return
        name = self._offer.sources[self._source].name if self._source < len(self._offer.sources) else ""
        self._offer = found
        same = [place for place, source in enumerate(found.sources) if source.name == name]
        if self._edited or not name:
            self._show_sources(same[0] if same else len(found.sources) if not name else 0)
        else:
            self._show_sources(same[0] if same else 0)
            self._seed_with(self._source)

    @on(Choice.Chosen, "#payload")
    def _source_chosen(self, event: Choice.Chosen) -> None:
        if self._offer is None:
            return
        if self._edited:
            self._show_sources(self._source)
            self.tell("the payload was edited: ctrl+z in the editor undoes it, then choose again", "attention")
            return
        self._source = event.place
        is_file = event.place >= len(self._offer.sources)
        self.set_class(is_file, "-file")
        if is_file:
            self.query_one("#file", LineInput).focus()
        else:
            self._seed_with(event.place)

    @on(Input.Submitted, "#file")
    def _file_named(self, event: Input.Submitted) -> None:
        if self._read_file is None:
            return
        try:
            self._seed = self._read_file(event.value)
        except (OSError, ValueError) as error:
            self.tell(str(error), "failed")
            return
        self.query_one(JsonEditor).put(self._seed)
        self._text_changed()
        self.query_one(JsonEditor).focus()

    @on(TextArea.Changed)
    def _text_changed(self) -> None:
        self.typed()
        text = self.query_one(JsonEditor).text
        self._draft = read_draft(text)
        self._judge()
        if self._checking is not None:
            self._checking.cancel()
        if not self._draft.problem:
            self._checking = self.spawn(self._check(self._draft))

    async def _check(self, draft: Draft) -> None:
        """Ask the server, once the typing pauses, what it would refuse."""
        await self._studio.clock.wait(asyncio.Event(), _CHECK_AFTER)
        try:
            issues = await self._studio.backend.workflows.check_payload(
                self._workflow.workflow_id, self._version, draft.value
            )
        except EngineError as error:
            self.tell(f"the payload could not be checked: {error.sentences}", "attention")
            return
        self._draft = replace(draft, issues=issues, checked=True)
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
        self.tell(problem, "attention")

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
            self.tell(self._draft.problem, "failed")
            return
        self._sending = True
        self._judge()
        self.spawn(self._send(self._draft))

    async def _send(self, draft: Draft) -> None:
        backend = self._studio.backend
        try:
            started = await start_run(backend, self._workflow.workflow_id, self._version, draft.value, self._key)
        except EngineError as error:
            self._sending = False
            issues = tuple(SchemaIssue(**issue) for issue in error.details.get("issues", ()))
            if issues:
                self._draft = replace(draft, issues=issues, checked=True)
            if not error.retryable:
                self._key = self._studio.clock.unique()
            self._judge()
            written = error.details.get("runId")
            row = f" A run row was written: {written}" if written is not None else ""
            self.tell(f"{error.sentences}{row}", "failed")
        else:
            self.dismiss(started)

    def unsaved(self) -> str:
        """See EditingDialog."""
        return "the payload" if self.query_one(JsonEditor).text not in ("", self._seed) else ""
