"""What the panes show: bodies, tries, logs and the diagnosis, each fetched when its pane is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from runstudio_tui.domain.catalog import Diagnosis
from runstudio_tui.domain.models import (
    Document,
    Invocation,
    InvocationId,
    LogLevel,
    LogQuery,
    RunStatus,
    Step,
    StepRowId,
)
from runstudio_tui.domain.step_tree import TreeLine
from runstudio_tui.ports import PortError
from runstudio_tui.screens.run.pane_rows import Frame, more_rows, outcome_rows, tries_rows, waits_rows
from runstudio_tui.screens.run.panes import Pane, Panes, log_rows
from runstudio_tui.store.logs import LogsStore
from runstudio_tui.store.run import WHY_KEPT, Body, OnDemand, RunStore
from runstudio_tui.store.session import Studio
from runstudio_tui.widgets.line import Span, line
from runstudio_tui.widgets.line_list import Row

_LEVELS: Final = tuple(LogLevel)


class Contents:
    """Fetches and hands out what the panes of one run draw."""

    def __init__(self, studio: Studio, store: RunStore, changed: Callable[[], None]) -> None:
        self._studio = studio
        self._store = store
        self._changed = changed
        self._pane = Pane.OUTCOME
        self._tries: OnDemand[tuple[Invocation, ...]] = OnDemand(self._fetch_tries, changed, clock=studio.clock)
        self._payload: OnDemand[Document] = OnDemand(self._fetch_payload, changed, clock=studio.clock)
        self._body: OnDemand[Document] = OnDemand(self._fetch_body, changed, clock=studio.clock)
        self._why: OnDemand[Diagnosis] = OnDemand(self._fetch_why, changed, clock=studio.clock, keep=WHY_KEPT)
        self._logs = LogsStore(studio.backend.runs, store.run_id)
        self._log_error = ""
        self._reading: asyncio.Task[None] | None = None

    # --- fetching -----------------------------------------------------------------------------------------------------

    async def _fetch_tries(self, key: object) -> tuple[Invocation, ...]:
        return (await self._studio.backend.runs.invocations(self._store.run_id, StepRowId(str(key)))).value

    async def _fetch_payload(self, _: object) -> Document:
        return (await self._studio.backend.runs.payload(self._store.run_id)).value

    async def _fetch_body(self, key: object) -> Document:
        kind, _, name = str(key).partition(":")
        if kind == "output-of-run":
            return (await self._studio.backend.runs.output(self._store.run_id)).value
        body = (await self._studio.backend.runs.invocation_body(self._store.run_id, InvocationId(name))).value
        found = body.input if kind == "input" else body.output
        return found if found is not None else Document(None)

    async def _fetch_why(self, _: object) -> Diagnosis:
        return (await self._studio.backend.system.diagnose(self._store.run_id)).value

    def run_read(self, step: str | None) -> None:
        """The run was polled: read again what is looked at and can have changed."""
        self.look_at_step(step, again=self._store.live)
        if self._pane is Pane.LOGS:
            self._read_logs(self._logs.read_new)
        summary = self._store.summary
        if summary is not None and (self._store.stuck or summary.row.status is RunStatus.WAITING):
            self._why.look_at(self._store.run_id, again=True)

    def look_at_step(self, step: str | None, *, again: bool) -> None:
        """Another step is under the cursor, or the same one may have changed."""
        if step is not None and self._pane in (Pane.OUTCOME, Pane.TRIES):
            self._tries.look_at(step, again=again)

    def pane_chosen(self, pane: Pane, step: str | None) -> None:
        """Another pane is looked at."""
        self._pane = pane
        self.look_at_step(step, again=False)
        if pane is Pane.PAYLOAD:
            self._payload.look_at("payload")
        elif pane is Pane.LOGS:
            self._read_logs(self._logs.read_new)

    def open_body(self, kind: str, name: str) -> str:
        """A document is opened from a pane: input or output of a try, or the output of the run. Returns its title."""
        self._body.look_at(f"{kind}:{name}", again=True)
        body = self._tries.body
        for item in (body.value or ()) if body is not None else ():
            if item.invocation_id == name:
                return f"{kind} of try {item.attempt}"
        return "output of the run"

    @property
    def diagnosis(self) -> Diagnosis | None:
        """Why the run is not moving, as last told."""
        return self._why.body.value if self._why.body is not None else None

    def stop(self) -> None:
        """Give up everything on its way."""
        for wanted in (self._tries, self._payload, self._body, self._why):
            wanted.stop()
        if self._reading is not None:
            self._reading.cancel()

    # --- logs ---------------------------------------------------------------------------------------------------------

    @property
    def log_level_text(self) -> str:
        """Which lines are shown."""
        minimum = self._logs.query.minimum
        return "all levels" if minimum is LogLevel.DEBUG else f"{minimum.value.lower()} and above"

    def next_log_level(self) -> None:
        """Show from the next level on; after the highest, all again."""
        minimum = _LEVELS[(_LEVELS.index(self._logs.query.minimum) + 1) % len(_LEVELS)]
        self._logs.ask(LogQuery(minimum, self._logs.query.text))
        self._read_logs(self._logs.read_new)

    def read_older_logs(self) -> None:
        """Read the lines before the first."""
        self._read_logs(self._logs.read_older)

    def _read_logs(self, read: Callable[[], Awaitable[bool]]) -> None:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._do_read(read))

    async def _do_read(self, read: Callable[[], Awaitable[bool]]) -> None:
        try:
            changed = await read()
            self._log_error = ""
        except PortError as error:
            self._log_error, changed = str(error), True
        if changed:
            self._changed()

    # --- filling the panes --------------------------------------------------------------------------------------------

    def fill(self, panes: Panes, entry: TreeLine | None, step: Step | None) -> None:
        """Draw the pane that is shown."""
        if panes.opened or panes.pane is Pane.PAYLOAD:
            body = self._body.body if panes.opened else self._payload.body
            panes.show_document(*_shown(body))
        else:
            panes.show_rows(lambda cells: self._rows(panes.pane, entry, step, cells))

    def _rows(self, pane: Pane, entry: TreeLine | None, step: Step | None, cells: int) -> list[Row]:
        frame = Frame(self._studio.time.now(), self._studio.zone, cells)
        body = self._tries.body
        tries = body.value or () if body is not None and step is not None and body.key == step.row_id else ()
        match pane:
            case Pane.OUTCOME:
                wait = self._store.open_wait_of(step) if step is not None else None
                return outcome_rows(entry, step, wait, tries, self.diagnosis, frame=frame)
            case Pane.TRIES:
                return tries_rows(step, tries, body is None or body.loading, frame)
            case Pane.WAITS:
                return waits_rows(self._store.waits, frame)
            case Pane.LOGS:
                return self._log_rows(frame)
            case _:
                return more_rows(self._store.summary, frame) if self._store.summary is not None else []

    def _log_rows(self, frame: Frame) -> list[Row]:
        if self._log_error:
            return [Row(line(Span(f" {self._log_error}", "failed")))]
        if not self._logs.loaded:
            return [Row(line(Span(" loading…", "dim")))]
        if not self._logs.lines:
            return [Row(line(Span(f" No log line ({self.log_level_text}).", "dim")))]
        return log_rows(self._logs.lines, self._logs.has_older, frame)


def _shown(body: Body[Document] | None) -> tuple[Document | None, str]:
    if body is None or body.loading:
        return None, "loading…"
    if body.error is not None and body.value is None:
        return None, body.error.detail or body.error.title
    return body.value, ""
