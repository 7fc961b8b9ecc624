"""Runs as text of a file: a list as CSV or as lines of JSON, one run as a JSON document that is written piece by piece."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from engine.records.exports import ExportFormat
from engine.records.plain import plain
from engine.records.runs import RelatedRuns, RunRow, RunSummary
from engine.records.trace import Attempt, AttemptBody, Snapshot
from engine.records.values import Document, Json
from engine.values.csv_text import Cell, csv_lines
from engine.values.terminal_text import escaped_json

RUN_FORMAT: Final = "runstudio-run-1"
"""What a document says it is; another number when its shape is another one."""
RUN_LISTS: Final = ("steps", "attempts", "waits", "logs", "audit", "children", "replays", "snapshots")
"""The lists of a run's document, in its order."""
PAGE_ROWS: Final = 250
"""Records that are read and written at once: what an export holds in memory."""

_COLUMNS: Final[dict[str, Callable[[RunRow], Cell]]] = {
    "run_id": lambda row: row.run_id,
    "workflow_id": lambda row: row.workflow_id,
    "workflow_name": lambda row: row.workflow_name,
    "workflow_version": lambda row: row.version,
    "status": lambda row: row.status.value,
    "started_at": lambda row: row.started_at,
    "updated_at": lambda row: row.updated_at,
    "completed_at": lambda row: row.completed_at,
    "trigger": lambda row: row.trigger,
    "trigger_event": lambda row: row.trigger_event,
    "step": lambda row: row.step,
    "step_path": lambda row: row.node_path,
    "iteration": lambda row: row.iteration,
    "steps": lambda row: row.step_count,
    "attempt": lambda row: row.attempt,
    "waiting_on": lambda row: row.wait.kind.value if row.wait else None,
    "waiting_since": lambda row: row.wait.since if row.wait else None,
    "waiting_until": lambda row: row.wait.until if row.wait else None,
    "wait_event": lambda row: row.wait.event_name if row.wait else None,
    "wait_key": lambda row: row.wait.key if row.wait else None,
    "error_code": lambda row: row.error_code,
    "error_message": lambda row: row.error_message,
    "replay_of": lambda row: row.replay_of,
    "parent": lambda row: row.parent,
    "launch_state": lambda row: row.launch_state,
    "cancel_requested_at": lambda row: row.cancel_requested_at,
    "engine": lambda row: row.engine,
}
CSV_COLUMNS: Final = tuple(_COLUMNS)
"""The header of a list as CSV: always these, in this order."""


def list_begin(form: ExportFormat) -> str:
    """What stands before the first run of a list."""
    return csv_lines([CSV_COLUMNS]) if form is ExportFormat.CSV else ""


def list_rows(form: ExportFormat, rows: Iterable[RunRow]) -> str:
    """Runs of a list, one line each."""
    if form is ExportFormat.CSV:
        return csv_lines([cell(row) for cell in _COLUMNS.values()] for row in rows)
    return "".join(f"{_json(row)}\n" for row in rows)


def with_bodies(attempt: Attempt, body: AttemptBody) -> Json:
    """An attempt with its input and output."""
    return {**plain(attempt), **plain(body)}


def with_body(snapshot: Snapshot, body: Document) -> Json:
    """A snapshot with its envelope."""
    return {**plain(snapshot), "body": plain(body)}


class RunDocument:
    """The document of one run. Its methods give the text that follows; ``end`` the last of it.

    What a run is comes first, then its lists, and at the end how many records each has: a file without that is not whole.
    """

    def __init__(self) -> None:
        self._written = dict.fromkeys(RUN_LISTS, 0)
        self._opened = 0
        """How many of the lists were begun."""

    @property
    def done(self) -> int:
        """Records in it so far."""
        return sum(self._written.values())

    def begin(
        self,
        run: RunSummary,
        server_now: datetime,
        *,
        definition: Json,
        payload: Document | None,
        output: Document | None,
        related: RelatedRuns,
    ) -> str:
        """What the run is. ``definition``: that of its version, None where there is none any more."""
        version = {"workflow_id": run.row.workflow_id, "version": run.row.version, "hash": run.definition_hash}
        head = {
            "format": RUN_FORMAT,
            "serverNow": server_now,
            "run": run,
            "definition": {**version, "document": definition},
            "payload": payload,
            "output": output,
            "related": {"parent": related.parent, "root": related.root, "replay_of": related.replay_of},
        }
        return "{" + ",".join(f"\n  {_json(name)}: {_indented(value, 2)}" for name, value in head.items())

    def add(self, name: str, records: Sequence[object]) -> str:
        """More records of a list, one a line; the lists come in the order of ``RUN_LISTS``."""
        parts = [self._open_to(name)]
        for record in records:
            parts.append(f"{',' if self._written[name] else ''}\n    {_json(record)}")
            self._written[name] += 1
        return "".join(parts)

    def end(self) -> str:
        """The lists that are left, empty, and the counts."""
        last = RUN_LISTS[-1]
        return f'{self._open_to(last)}{self._close(last)},\n  "counts": {_indented(self._written, 2)}\n}}\n'

    def _open_to(self, name: str) -> str:
        text = ""
        while self._opened <= RUN_LISTS.index(name):
            if self._opened:
                text += self._close(RUN_LISTS[self._opened - 1])
            text += f",\n  {_json(RUN_LISTS[self._opened])}: ["
            self._opened += 1
        return text

    def _close(self, name: str) -> str:
        return "\n  ]" if self._written[name] else "]"


def _json(value: object) -> str:
    return escaped_json(json.dumps(plain(value), ensure_ascii=False, allow_nan=False))


def _indented(value: object, by: int) -> str:
    """A value to read, whose first line stands behind something that is indented ``by`` so many blanks."""
    text = escaped_json(json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=2))
    return text.replace("\n", "\n" + " " * by)
