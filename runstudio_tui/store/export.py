"""Writing an export into a file: what is exported, how far it is, and what was written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from engine.errors import Conflict, EngineError
from engine.records import ExportFormat, ExportPart, RunCounts, RunFilter, RunRow
from runstudio_tui.domain.export_names import name_of_list, name_of_run
from runstudio_tui.domain.present import count_text
from runstudio_tui.export_file import FILE_EXISTS, ExportFile
from runstudio_tui.ports import RunsReading
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe, short_id

TOLD_EVERY: Final = 1.0
"""Seconds between two tellings of how far it is."""
_LISTS: Final = (ExportFormat.CSV, ExportFormat.NDJSON)


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be exported."""

    about: str
    """``3 marked runs``: safe to draw."""
    noun: str
    """What is counted, in the plural."""
    forms: tuple[ExportFormat, ...]
    """What it can be written as, the usual one first."""
    name: str
    """The file's suggested name, with the end of the usual format."""
    parts: Callable[[ExportFormat], AsyncIterator[ExportPart]]


def export_of_run(runs: RunsReading, row: RunRow) -> Export:
    """One run with everything that is recorded of it."""
    return Export(
        about=f"run {safe(row.workflow_name)} {short_id(row.run_id)}",
        noun="records",
        forms=(ExportFormat.JSON,),
        name=name_of_run(row),
        parts=lambda _: runs.export(row.run_id),
    )


def export_of_marked(runs: RunsReading, run_ids: Sequence[str], at: datetime) -> Export:
    """A list of these runs; ``at``: now, in the viewer's zone."""
    number = len(run_ids)
    return Export(
        about=f"{number:,} marked run{'' if number == 1 else 's'}",
        noun="runs",
        forms=_LISTS,
        name=name_of_list("", at, _LISTS[0]),
        parts=lambda form: runs.export_list(run_ids, form),
    )


def export_of_filter(runs: RunsReading, wanted: RunFilter, counts: RunCounts | None, at: datetime) -> Export:
    """A list of all runs of a filter, its times as they are now; ``at``: now, in the viewer's zone."""
    number = f"{count_text(counts.matching(wanted))} " if counts is not None else ""
    restricted = replace(wanted, order=RunFilter().order) != RunFilter()
    return Export(
        about=f"all {number}runs{' that match' if restricted else ''}",
        noun="runs",
        forms=_LISTS,
        name=name_of_list(wanted.workflow, at, _LISTS[0]),
        parts=lambda form: runs.export_list(wanted, form),
    )


class ExportFlow:
    """Writes one export. ``part`` and ``size`` tell how far it is; ``changed`` is called at most once a second."""

    def __init__(self, studio: Studio, export: Export, folder: Path, changed: Callable[[], None]) -> None:
        self._studio = studio
        self._export = export
        self._changed = changed
        self.folder = folder
        self.part: ExportPart | None = None
        """The last piece that was written."""
        self.size = 0
        """Bytes written so far."""

    async def run(self, form: ExportFormat, name: str, *, replace: bool) -> Path:
        """Write the file; its path. When it is cancelled, or breaks, nothing is left of it.

        Raises EngineError: that of what is read, FILE_EXISTS, FILE_UNWRITABLE.
        """
        self.part, self.size = None, 0
        path = self.folder / name
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            told = f"The folder {self.folder} cannot be made: {error.strerror or error}."
            raise EngineError("FILE_UNWRITABLE", told, "Set export_dir to one that you may write to.") from error
        with ExportFile(path, replace=replace) as file:
            told_at = self._studio.clock.monotonic()
            async for part in self._export.parts(form):
                file.write(part.text)
                self.part, self.size = part, file.size
                if self._studio.clock.monotonic() - told_at >= TOLD_EVERY:
                    told_at = self._studio.clock.monotonic()
                    self._changed()
            file.finish()
        return path


def is_taken(error: EngineError) -> bool:
    """Whether an export was refused because there is a file of its name."""
    return isinstance(error, Conflict) and error.code == FILE_EXISTS
