"""Writing runs into a file: as what, under which name, and how far it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from textual import on
from textual.containers import Horizontal
from textual.widgets import Input

from engine.errors import EngineError
from engine.records import ExportFormat
from runstudio_tui.domain.export_names import name_problem, with_format
from runstudio_tui.domain.present import count_text, size_text
from runstudio_tui.screens.dialogs.base import Dialog
from runstudio_tui.store.export import Export, ExportFlow, is_taken
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import wrap
from runstudio_tui.widgets.choice import Choice
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.text_button import TextButton

_FORMS: Final = {
    ExportFormat.JSON: "JSON, everything of the run",
    ExportFormat.CSV: "CSV, one line a run",
    ExportFormat.NDJSON: "NDJSON, one JSON object a line",
}
_ABOUT: Final = "What is hidden on the screen is hidden in the file."


class ExportDialog(Dialog[str]):
    """Gives in words what was written; empty when nothing was."""

    DEFAULT_CSS = """
    ExportDialog .field { height: 1; }
    ExportDialog .label { width: 9; }
    ExportDialog #folder, ExportDialog #about { height: auto; }
    """

    def __init__(self, studio: Studio, export: Export, folder: Path, copy: Callable[[str, str], str]) -> None:
        super().__init__()
        self._export = export
        self._studio = studio
        self._flow = ExportFlow(studio, export, folder, self._show_progress)
        self._copy = copy
        self._form = export.forms[0]
        self._working: asyncio.Task[None] | None = None
        self._stopping = False
        self._may_replace = ""
        """The name under which there is a file, and the operator was told so."""
        self._written: Path | None = None

    # --- parts --------------------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        with Horizontal(classes="field"):
            yield Bar(classes="label", id="label-format")
            yield Choice(id="format")
        with Horizontal(classes="field"):
            yield Bar(classes="label", id="label-name")
            yield LineInput(id="name", max_length=200)
        yield Bar(id="folder")
        yield Bar(id="about")

    def buttons(self) -> Iterable[Any]:
        """See Dialog."""
        yield TextButton("Close", id="close")
        yield TextButton("Export", key="ctrl+s", id="go")

    def keys(self) -> Sequence[str]:
        """See Dialog."""
        if self._busy:
            return ("dialog.close",)
        if self._written is not None:
            return ("dialog.copy", "dialog.close")
        return ("dialog.confirm", "dialog.next", "dialog.close")

    def confirming(self) -> str:
        """See Dialog."""
        return "export"

    def on_mount(self) -> None:
        """The usual format and the suggested name."""
        self.set_title(f"Export {self._export.about}")
        for name, label in (("format", "Format"), ("name", "File")):
            self.query_one(f"#label-{name}", Bar).show(partial(_lines, [line(label)]))
        self.query_one("#format", Choice).set_options([_FORMS[form] for form in self._export.forms])
        field = self.query_one("#name", LineInput)
        field.value = self._export.name
        (field if len(self._export.forms) == 1 else self.query_one("#format", Choice)).focus()
        self._judge()

    def on_resize(self) -> None:
        """A long folder is told on as many lines as it takes."""
        self._show_folder()

    def _show_folder(self) -> None:
        cells = max(min(self.size.width, 96) - 5, 20)
        folder = wrap(f"in {safe(str(self._flow.folder))}", cells - 9)
        for name, parts in (("folder", folder), ("about", wrap(_ABOUT, cells - 9))):
            shown: list[Line] = [line(" " * 9, Span(part, "dim")) for part in parts]
            bar = self.query_one(f"#{name}", Bar)
            bar.styles.height = len(shown)
            bar.show(partial(_lines, shown))

    @property
    def _typed_name(self) -> str:
        return self.query_one("#name", LineInput).value

    @property
    def _busy(self) -> bool:
        return self._working is not None and not self._working.done()

    def _judge(self) -> None:
        """Say what stands in the way, and what the buttons do."""
        problem = name_problem(self._typed_name)
        go, close = self.query_one("#go", TextButton), self.query_one("#close", TextButton)
        go.display = self._written is None
        go.set_label("Exporting…" if self._busy else "Export", enabled=not self._busy and not problem)
        close.set_label("Stop" if self._busy else "Close")
        for widget in (self.query_one("#name", LineInput), self.query_one("#format", Choice)):
            widget.disabled = self._busy or self._written is not None
        if not self._busy and self._written is None:
            self.tell(problem, "attention")

    # --- what is typed ------------------------------------------------------------------------------------------------

    @on(Choice.Chosen, "#format")
    def _form_chosen(self, event: Choice.Chosen) -> None:
        old, self._form = self._form, self._export.forms[event.place]
        field = self.query_one("#name", LineInput)
        field.value = with_format(field.value, old, self._form)

    @on(Input.Changed)
    def _name_changed(self) -> None:
        self._may_replace = ""
        self._judge()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.focus_next()

    @on(TextButton.Pressed, "#go")
    def _pressed(self) -> None:
        self.confirm()

    @on(TextButton.Pressed, "#close")
    def _close_pressed(self) -> None:
        self.close()

    # --- writing ------------------------------------------------------------------------------------------------------

    def confirm(self) -> None:
        """See Dialog."""
        problem = name_problem(self._typed_name)
        if self._busy or self._written is not None:
            return
        if problem:
            self.tell(problem, "failed")
            return
        self._stopping = False
        self._working = asyncio.create_task(self._write(self._typed_name))
        self._judge()
        self.tell("exporting…")
        self.query_one("#close", TextButton).focus()

    async def _write(self, name: str) -> None:
        told, tone = "", "dim"
        try:
            self._written = await self._flow.run(self._form, name, replace=name == self._may_replace)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            told = f"stopped after {self._count}: nothing of it was kept"
        except EngineError as error:
            tone = "attention" if is_taken(error) else "failed"
            told = f"{name} exists: ctrl+s again replaces it" if is_taken(error) else error.sentences
            self._may_replace = name if is_taken(error) else ""
        except Exception as error:  # noqa: BLE001 - a bug must not leave the dialog waiting
            self._studio.report_bug(error)
            told, tone = "nothing was kept: internal error, see the log file", "failed"
        self._working = None
        if not self.is_attached:
            return
        self._judge()
        if self._written is not None:
            told, tone = f"{self._summary}", "ok"
        self.tell(told, tone)

    def _show_progress(self) -> None:
        if self.is_attached and not self._stopping:
            self.tell(f"{self._count}, {size_text(self._flow.size)}")

    @property
    def _count(self) -> str:
        part, noun = self._flow.part, self._export.noun
        if part is None:
            return f"0 {noun}"
        if part.total.capped and part.done > part.total.value:
            return f"{part.done:,} {noun}"
        return f"{part.done:,} of {count_text(part.total)} {noun}"

    @property
    def _summary(self) -> str:
        done = self._flow.part.done if self._flow.part is not None else 0
        name, folder = (self._written.name, self._written.parent) if self._written is not None else ("", "")
        return f"saved {name} ({done:,} {self._export.noun}, {size_text(self._flow.size)}) in {folder}"

    def close(self) -> None:
        """See Dialog: first stops what is being written."""
        if self._working is not None and not self._working.done():
            self._stopping = True
            self._working.cancel()
        else:
            self.dismiss(self._summary if self._written is not None else "")

    async def on_unmount(self) -> None:
        """The studio ends: nothing half is left."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)

    def copy(self) -> None:
        """See Dialog."""
        if self._written is not None:
            self.tell(self._copy(str(self._written), "path"))


def _lines(lines: list[Line], _: int) -> list[Line]:
    return lines
