"""Publishing a definition from a file: read and compared first, then published, with everything the checks found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from textual import on
from textual.containers import Horizontal
from textual.widgets import Input

from engine.errors import EngineError
from engine.records import Issue, Published
from runstudio_tui.screens.dialogs.editing import SendingDialog
from runstudio_tui.screens.workflows.publish_lines import (
    counted_findings,
    done_rows,
    draft_rows,
    finding_rows,
    finding_text,
    how_rows,
)
from runstudio_tui.store.publishing import Draft, findings_of, publish_draft, read_draft
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line import Line, line
from runstudio_tui.widgets.line_list import LineList, Make
from runstudio_tui.widgets.text_button import TextButton

_FIELDS: Final = {
    "path": ("Definition", "path of a JSON file"),
    "schema": ("Schema", "path of the payload's JSON schema; may be empty"),
}


class PublishDialog(SendingDialog[Published]):
    """Gives the version that was published, or that was published before and is the same."""

    NOTHING = "nothing was published"
    DEFAULT_CSS = """
    PublishDialog .label { width: 12; }
    PublishDialog LineList { height: 1fr; margin-top: 1; }
    """

    def __init__(self, studio: Studio, copy: Callable[[str, str], str]) -> None:
        super().__init__(studio)
        self._copy = copy
        self._list = LineList(with_cursor=True, id="found")
        self._draft: Draft | None = None
        self._findings: tuple[Issue, ...] = ()
        self._done: Published | None = None

    # --- parts --------------------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        for name, (_, hint) in _FIELDS.items():
            with Horizontal(classes="field"):
                yield Bar(classes="label", id=f"label-{name}")
                yield LineInput(id=f"field-{name}", placeholder=hint, max_length=4096)
        yield self._list

    def buttons(self) -> Iterable[Any]:
        """See Dialog."""
        yield TextButton("Close", id="close")
        yield TextButton("Read", key="ctrl+s", id="go")

    def keys(self) -> Sequence[str]:
        """See Dialog."""
        return ("dialog.confirm", "dialog.next", "dialog.copy", "dialog.close")

    def confirming(self) -> str:
        """See Dialog."""
        return "show it" if self._done else "publish" if self._draft else "read"

    def on_mount(self) -> None:
        """Focus on the path."""
        for name, (label, _) in _FIELDS.items():
            self.query_one(f"#label-{name}", Bar).show(partial(_label, label))
        self._field("path").focus()
        self._show("")

    def _field(self, name: str) -> LineInput:
        return self.query_one(f"#field-{name}", LineInput)

    def _typed_paths(self) -> tuple[str, str]:
        return self._field("path").value.strip(), self._field("schema").value.strip()

    # --- drawing ------------------------------------------------------------------------------------------------------

    def _show(self, said: str, tone: str = "dim") -> None:
        """Draw where it stands, and say something about it."""
        self.set_title("Publish from a file", self._state())
        label = "Working…" if self._sending else "Show it" if self._done else "Publish" if self._draft else "Read"
        self.query_one("#go", TextButton).set_label(label, enabled=not self._sending)
        self._list.show_rows(self._rows())
        self.tell(said, tone)

    def _state(self) -> str:
        if self._done is not None:
            return f"published v{self._done.version}"
        if self._findings:
            return counted_findings(self._findings)
        if self._draft is None:
            return ""
        if self._draft.newest is None:
            return "a new workflow"
        return f"{safe(self._draft.workflow_id)} v{self._draft.newest} is in force"

    def _rows(self) -> Make:
        if self._done is not None:
            return partial(done_rows, self._done)
        if self._findings:
            return partial(finding_rows, self._findings)
        return partial(draft_rows, self._draft) if self._draft is not None else how_rows

    # --- keys ---------------------------------------------------------------------------------------------------------

    @on(Input.Changed)
    def _path_changed(self) -> None:
        self.typed()
        if not self._sending and self._done is None:
            self._draft, self._findings = None, ()
            self._show("")

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.focus_next()

    @on(TextButton.Pressed, "#go")
    def _pressed(self) -> None:
        self.confirm()

    @on(TextButton.Pressed, "#close")
    def _close_pressed(self) -> None:
        self.close()

    def confirm(self) -> None:
        """See Dialog: reads; then publishes what was read; then shows it."""
        if self._sending:
            return
        path, schema = self._typed_paths()
        if self._done is not None:
            self.dismiss(self._done)
        elif not path:
            self.tell("type the path of a definition first", "attention")
        else:
            self._sending = True
            self._show("")
            self.spawn(self._read(path, schema) if self._draft is None else self._publish(self._draft))

    async def _read(self, path: str, schema: str) -> None:
        try:
            draft = await read_draft(self._studio.backend, path, schema)
        except EngineError as error:
            self._settled(error)
            return
        self._sending = False
        self._draft, self._findings = draft, ()
        self._show("nothing is written yet; exactly this is published")

    async def _publish(self, draft: Draft) -> None:
        try:
            published = await publish_draft(self._studio.backend, draft)
        except EngineError as error:
            self._settled(error)
            return
        self._sending = False
        if published.warnings and published.created:
            self._done = published
            self._show("it is published")
        else:
            self.dismiss(published)

    def _settled(self, error: EngineError) -> None:
        """It was refused. What was read counts no more when it was the cause: the file is to be read again."""
        self._sending = False
        self._findings = findings_of(error)
        if not error.retryable:
            self._draft = None
        if self._findings:
            self._list.focus()
            self._show(f"nothing was published · {error.code}", "failed")
        else:
            self._show(f"nothing was published: {error.sentences}", "failed")

    def close(self) -> None:
        """See Dialog. What was published is shown."""
        if self._done is not None:
            self.dismiss(self._done)
        else:
            super().close()

    def copy(self) -> None:
        """See Dialog: all findings, one a line."""
        shown: Sequence[Issue] = self._findings or (self._done.warnings if self._done is not None else ())
        text = "\n".join(finding_text(found) for found in shown) if shown else self._list.all_text
        self.tell(self._copy(text, "what is listed"))

    def unsaved(self) -> str:
        """See SendingDialog."""
        return "what was typed" if any(self._typed_paths()) else ""


def _label(text: str, _: int) -> list[Line]:
    return [line(text)]
