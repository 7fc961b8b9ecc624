"""What the panes show: bodies, tries, states, logs and the diagnosis, each fetched when its pane is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from engine.errors import EngineError
from engine.records import Attempt, Diagnosis, Document, LogLevel, LogQuery, RelatedRuns, RunRow, RunStatus, Step
from runstudio_tui.domain.definition import step_at
from runstudio_tui.domain.tree_lines import TreeLine
from runstudio_tui.screens.run.log_rows import audit_rows, log_rows
from runstudio_tui.screens.run.more_rows import more_rows
from runstudio_tui.screens.run.pane_rows import Frame, outcome_rows, tries_rows, waits_rows
from runstudio_tui.screens.run.panes import Pane, Panes
from runstudio_tui.screens.run.snapshots_pane import SnapshotsPane
from runstudio_tui.screens.run.state_pane import StatePane
from runstudio_tui.store.audit import AuditStore
from runstudio_tui.store.logs import LogsStore
from runstudio_tui.store.run import WHY_KEPT, Body, OnDemand, RunStore
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe
from runstudio_tui.widgets.cells import wrap
from runstudio_tui.widgets.line import Span, line
from runstudio_tui.widgets.line_list import Row

_LEVELS: Final = tuple(LogLevel)


class _Reads:
    """Reads pages of something, one at a time."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._task: asyncio.Task[None] | None = None
        self.error = ""
        """Why the last one failed."""

    def start(self, read: Callable[[], Awaitable[bool]]) -> None:
        """Read, unless something is being read; ``changed`` is called when it gave anything."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read(read))

    def stop(self) -> None:
        """Give up what is on its way."""
        if self._task is not None:
            self._task.cancel()

    async def _read(self, read: Callable[[], Awaitable[bool]]) -> None:
        try:
            changed = await read()
            self.error = ""
        except EngineError as error:
            self.error, changed = error.sentences, True
        if changed:
            self._changed()


class Contents:
    """Fetches and hands out what the panes of one run draw."""

    def __init__(self, studio: Studio, store: RunStore, changed: Callable[[], None]) -> None:
        self._studio = studio
        self._store = store
        self._pane = Pane.OUTCOME
        self._tries: OnDemand[tuple[Attempt, ...]] = OnDemand(self._fetch_tries, changed, clock=studio.clock)
        self._payload: OnDemand[Document] = OnDemand(self._fetch_payload, changed, clock=studio.clock)
        self._body: OnDemand[Document] = OnDemand(self._fetch_body, changed, clock=studio.clock)
        self._why: OnDemand[Diagnosis] = OnDemand(self._fetch_why, changed, clock=studio.clock, keep=WHY_KEPT)
        self._related: OnDemand[RelatedRuns] = OnDemand(self._fetch_related, changed, clock=studio.clock)
        self._logs = LogsStore(studio.backend.runs, store.run_id)
        self._log_reads = _Reads(changed)
        self._audit = AuditStore(studio.backend.runs, store.run_id)
        self._audit_reads = _Reads(changed)
        self.state = StatePane(studio, store.run_id, changed)
        self.snapshots = SnapshotsPane(studio, store.run_id, changed)

    # --- fetching -----------------------------------------------------------------------------------------------------

    async def _fetch_tries(self, key: object) -> tuple[Attempt, ...]:
        return await self._studio.backend.runs.attempts(self._store.run_id, str(key))

    async def _fetch_payload(self, _: object) -> Document:
        return await self._studio.backend.runs.payload(self._store.run_id)

    async def _fetch_body(self, key: object) -> Document:
        kind, _, name = str(key).partition(":")
        if kind == "output-of-run":
            return await self._studio.backend.runs.output(self._store.run_id)
        body = await self._studio.backend.runs.attempt_body(self._store.run_id, name)
        found = body.input if kind == "input" else body.output
        return found if found is not None else Document(None)

    async def _fetch_why(self, _: object) -> Diagnosis:
        return await self._studio.backend.runs.why(self._store.run_id)

    async def _fetch_related(self, _: object) -> RelatedRuns:
        return await self._studio.backend.runs.related(self._store.run_id)

    def run_read(self, step: Step | None) -> None:
        """The run was polled: read again what is looked at and can have changed."""
        self.look_at_step(step, again=self._store.live)
        match self._pane:
            case Pane.LOGS:
                self._log_reads.start(self._logs.read_new)
            case Pane.AUDIT:
                self._audit_reads.start(self._audit.read_new)
            case Pane.MORE:
                self._related.look_at("related", again=True)
            case Pane.STATE:
                self.state.moments.ask_again()
            case Pane.SNAPSHOTS:
                self.snapshots.store.read(again=True)
            case _:
                pass
        summary = self._store.summary
        halted = summary is not None and (
            self._store.stuck
            or summary.row.status is RunStatus.WAITING
            or summary.row.stalled_at(self._studio.time.now())
        )
        if halted:
            self._why.look_at(self._store.run_id, again=True)

    def look_at_step(self, step: Step | None, *, again: bool) -> None:
        """Another step is under the cursor, or the same one may have changed."""
        if step is not None and self._pane in (Pane.OUTCOME, Pane.TRIES):
            self._tries.look_at(step.row_id, again=again)
        elif self._pane is Pane.STATE:
            self.state.look_at(self._run, step)

    def pane_chosen(self, pane: Pane, step: Step | None) -> None:
        """Another pane is looked at."""
        self._pane = pane
        self.look_at_step(step, again=False)
        match pane:
            case Pane.PAYLOAD:
                self._payload.look_at("payload")
            case Pane.LOGS:
                self._log_reads.start(self._logs.read_new)
            case Pane.AUDIT:
                self._audit_reads.start(self._audit.read_new)
            case Pane.MORE:
                self._related.look_at("related", again=True)
            case Pane.SNAPSHOTS:
                self.snapshots.store.read()
            case _:
                pass

    def choose_part(self, part: str = "") -> None:
        """Show a part of a state or of a snapshot; without a name the next one."""
        pane = self.snapshots if self._pane is Pane.SNAPSHOTS else self.state
        pane.choose_part(part)

    def open_body(self, kind: str, name: str) -> str:
        """A document is opened from a pane: input or output of a try, or the output of the run. Returns its title."""
        self._body.look_at(f"{kind}:{name}", again=True)
        body = self._tries.body
        for item in (body.value or ()) if body is not None else ():
            if item.attempt_id == name:
                return f"{kind} of try {item.attempt}"
        return "output of the run"

    @property
    def diagnosis(self) -> Diagnosis | None:
        """Why the run is not moving, as last told."""
        return self._why.body.value if self._why.body is not None else None

    @property
    def _run(self) -> RunRow | None:
        return self._store.summary.row if self._store.summary is not None else None

    def _is_stalled_at(self, step: Step | None) -> bool:
        run = self._run
        at_it = step is not None and run is not None and (run.node_path, run.iteration) == (step.path, step.iteration)
        return at_it and run is not None and run.stalled_at(self._studio.time.now())

    def stop(self) -> None:
        """Give up everything on its way."""
        for wanted in (self._tries, self._payload, self._body, self._why, self._related):
            wanted.stop()
        self._log_reads.stop()
        self._audit_reads.stop()
        self.state.moments.stop()
        self.snapshots.store.stop()

    # --- logs and audit -----------------------------------------------------------------------------------------------

    @property
    def log_level_text(self) -> str:
        """Which lines are shown."""
        minimum = self._logs.query.minimum
        return "all levels" if minimum is LogLevel.DEBUG else f"{minimum.value.lower()} and above"

    def next_log_level(self) -> None:
        """Show from the next level on; after the highest, all again."""
        minimum = _LEVELS[(_LEVELS.index(self._logs.query.minimum) + 1) % len(_LEVELS)]
        self._logs.ask(LogQuery(minimum, self._logs.query.text))
        self._log_reads.start(self._logs.read_new)

    def read_older(self) -> None:
        """Read what comes before the first log line, or before the last audited operation."""
        if self._pane is Pane.LOGS:
            self._log_reads.start(self._logs.read_older)
        else:
            self._audit_reads.start(self._audit.read_older)

    # --- filling the panes --------------------------------------------------------------------------------------------

    def fill(self, panes: Panes, entry: TreeLine | None, step: Step | None) -> None:
        """Draw the pane that is shown."""
        cells = panes.content.row_width
        frame = Frame(self._studio.time.now(), self._studio.zone, max(cells, 1))
        if panes.opened:
            panes.show_document(*_shown(self._body.body))
            return
        match panes.pane:
            case Pane.PAYLOAD:
                panes.show_document(*_shown(self._payload.body))
            case Pane.DEFINITION:
                panes.show_document(*self._definition(entry))
            case Pane.STATE:
                self.state.fill(panes, self._run, step, frame)
            case Pane.SNAPSHOTS:
                self.snapshots.fill(panes, frame, self._name_of)
            case _:
                panes.show_rows(lambda cells: self._rows(panes.pane, entry, step, cells))

    def _rows(self, pane: Pane, entry: TreeLine | None, step: Step | None, cells: int) -> list[Row]:
        frame = Frame(self._studio.time.now(), self._studio.zone, cells)
        body = self._tries.body
        tries = body.value or () if body is not None and step is not None and body.key == step.row_id else ()
        match pane:
            case Pane.OUTCOME:
                wait = self._store.open_wait_of(step) if step is not None else None
                why = self.diagnosis if wait is not None or self._is_stalled_at(step) else None
                return outcome_rows(entry, step, wait, tries, why, frame=frame)
            case Pane.TRIES:
                return tries_rows(step, tries, body is None or body.loading, frame)
            case Pane.WAITS:
                return waits_rows(self._store.waits, frame)
            case Pane.LOGS:
                return self._log_rows(frame)
            case Pane.AUDIT:
                return self._audit_rows(frame)
            case _:
                related = self._related.body
                trouble = related.error.sentences if related is not None and related.error is not None else ""
                known = related.value if related is not None else None
                return more_rows(self._store.summary, known, trouble, frame) if self._store.summary is not None else []

    def _log_rows(self, frame: Frame) -> list[Row]:
        if self._log_reads.error:
            return _said(self._log_reads.error, frame, "failed")
        if not self._logs.loaded:
            return _said("loading…", frame)
        if not self._logs.lines:
            return _said(f"No log line ({self.log_level_text}).", frame)
        return log_rows(self._logs.lines, self._logs.has_older, frame)

    def _audit_rows(self, frame: Frame) -> list[Row]:
        if self._audit_reads.error:
            return _said(self._audit_reads.error, frame, "failed")
        if not self._audit.loaded:
            return _said("loading…", frame)
        if not self._audit.entries:
            return _said("Nobody has done anything to this run: no audited operation is about it.", frame)
        return audit_rows(self._audit.entries, self._audit.has_older, frame)

    def _definition(self, entry: TreeLine | None) -> tuple[Document | None, str]:
        """The definition of the step under the cursor; of a branch or an iteration, that of the step it is in."""
        if self._store.definition is None:
            return None, "The definition of this version is not there any more."
        found = step_at(self._store.definition, entry.path) if entry is not None else None
        if found is None:
            return None, "Choose a step: the definition has none here."
        return Document(found), ""

    def _name_of(self, path: str) -> str:
        step = step_at(self._store.definition, path)
        name = step.get("id") if isinstance(step, dict) else None
        return name if isinstance(name, str) else ""


def _said(text: str, frame: Frame, tone: str = "dim") -> list[Row]:
    return [Row(line(Span(f" {part}", tone))) for part in wrap(safe(text), max(frame.cells - 2, 16))]


def _shown(body: Body[Document] | None) -> tuple[Document | None, str]:
    if body is None or body.loading:
        return None, "loading…"
    if body.error is not None and body.value is None:
        return None, safe(body.error.sentences)
    return body.value, ""
