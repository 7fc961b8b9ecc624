"""The parts of the system: what works, who works, what waits for quota."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on, work
from textual.binding import BindingType

from engine.errors import EngineError
from engine.records import Job, JobState, MessageState, RunRow
from runstudio_tui.actions import Scope, Situation
from runstudio_tui.screens.base import Handlers, StudioScreen, screen_bindings
from runstudio_tui.screens.dialogs.go_on import GoOnDialog
from runstudio_tui.screens.system.ending import EndJobDialog
from runstudio_tui.screens.system.lines import JOB, QUOTA_RUN, TROUBLE, SystemAnswer, job_text, system_rows
from runstudio_tui.store.feed import Poller
from runstudio_tui.store.journal import Weight
from runstudio_tui.store.quota import FOR_QUOTA, all_for_quota
from runstudio_tui.store.session import Studio
from runstudio_tui.widgets.line import Span, line, plain
from runstudio_tui.widgets.line_list import LineList, Row
from runstudio_tui.widgets.virtual_list import VirtualList

_PAUSED_SHOWN = 100
_JOBS_SHOWN = 10


class SystemScreen(StudioScreen):
    """One list of lines; enter opens a run, e lets one that waits for quota go on."""

    SCOPE = Scope.SYSTEM
    BINDINGS: ClassVar[list[BindingType]] = screen_bindings(Scope.SYSTEM)

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self._answer: SystemAnswer | None = None
        self.lines = LineList(with_cursor=True, id="system")
        self._poller: Poller[SystemAnswer] = Poller(
            clock=studio.clock,
            fetch=self._fetch,
            apply=self._apply,
            interval=lambda: max(studio.poll_seconds, 5.0),
            polled=self._polled,
            broken=studio.report_bug,
        )

    def body(self) -> Iterable[Any]:
        """See StudioScreen."""
        yield self.lines

    def pollers(self) -> tuple[Poller[Any], ...]:
        """See StudioScreen."""
        return (self._poller,)

    def on_mount(self) -> None:
        """See StudioScreen."""
        self.lines.focus()

    async def _fetch(self) -> SystemAnswer:
        backend = self.studio.backend
        health, installation, quota, paused, jobs, given_up = await asyncio.gather(
            backend.system.health(),
            backend.system.installation(),
            backend.quota.usage(),
            backend.runs.list(FOR_QUOTA, limit=_PAUSED_SHOWN),
            backend.jobs.list(limit=_JOBS_SHOWN),
            backend.alerts.messages(state=MessageState.FAILED, limit=_JOBS_SHOWN),
        )
        return SystemAnswer(health, installation, quota, paused.rows, jobs, given_up)

    def _apply(self, answer: SystemAnswer) -> None:
        self._answer = answer
        self.studio.time.observe(answer.installation.server_now)

    def _polled(self) -> None:
        if self.can_draw and self.lines.show_rows(self._rows):
            self.as_of = self.studio.time.now()
        self.show_chrome()

    def _rows(self, _: int) -> list[Row]:
        if self._answer is None:
            failed = bool(self._poller.freshness.failures)
            return [] if failed else [Row(line(Span(" loading…", "dim")))]
        return list(system_rows(self._answer, self.studio.time.now(), self.studio.zone))

    @property
    def paused(self) -> tuple[RunRow, ...]:
        """Runs that wait for quota."""
        return self._answer.paused if self._answer is not None else ()

    @property
    def current(self) -> RunRow | None:
        """The run that waits for quota under the cursor."""
        key = (self.lines.cursor or "").removeprefix(QUOTA_RUN)
        return next((run for run in self.paused if run.run_id == key), None)

    @property
    def job(self) -> Job | None:
        """The job under the cursor."""
        key = (self.lines.cursor or "").removeprefix(JOB).removesuffix(TROUBLE)
        known = self._answer.jobs if self._answer is not None else ()
        return next((job for job in known if job.job_id == key), None)

    def situation(self) -> Situation:
        """See StudioScreen."""
        return Situation(
            level=self.studio.level,
            run=self.current,
            row=self.job,
            rows=len(self.paused),
            can_open=self.job is not None or bool(self.lines.cut_text),
        )

    @on(VirtualList.Moved, "#system")
    def _moved(self) -> None:
        self.show_chrome()

    def handlers(self) -> Handlers:
        """See StudioScreen."""
        return {
            "system.open": self._open,
            "system.copy": self._copy,
            "system.hold": self._hold,
            "system.end_job": self._end_job,
            "system.go_on": lambda: self._go_on([run for run in (self.current,) if run is not None]),
            "system.go_on_all": self._all_go_on,
        }

    @work(group="flow", exit_on_error=False)
    async def _all_go_on(self) -> None:
        try:
            rows = await all_for_quota(self.studio.backend.runs)
        except EngineError as error:
            self.say(f"the runs that wait: {error.sentences}", Weight.WARNING)
            return
        if self.is_current:
            self._go_on(rows)

    @work(group="flow", exit_on_error=False)
    async def _hold(self) -> None:
        job = self.job
        if job is None:
            return
        jobs = self.studio.backend.jobs
        try:
            changed = await (jobs.resume if job.state is JobState.PAUSED else jobs.pause)(job.job_id)
        except EngineError as error:
            self.say(f"the job: {error.sentences}", Weight.WARNING)
            return
        self.say(f"the job {'is held up' if changed.state is JobState.PAUSED else 'goes on'}", Weight.INFO)
        self._poller.refresh_now()

    def _end_job(self) -> None:
        job = self.job
        if job is not None:
            dialog = EndJobDialog(self.studio, [job], self.studio_app.copy)
            self.studio_app.settle(dialog, "job", self._poller.refresh_now)

    def _go_on(self, rows: list[RunRow]) -> None:
        self.studio_app.act_on_runs(GoOnDialog, rows, 0, "quota", self._poller.refresh_now)

    def _open(self) -> None:
        run = self.current
        if run is not None:
            self.studio_app.open_run(run.run_id)
        elif self.job is not None:
            self.studio_app.show_text("The job", job_text(self.job, self.studio.zone))
        elif self.lines.current is not None and self.lines.cut_text:
            self.studio_app.show_text("The whole line", plain(self.lines.current.line).strip())

    def _copy(self) -> None:
        self.studio_app.copy(self.lines.current_text, "line")

    def back(self) -> None:
        """esc: to the runs."""
        self.studio_app.go_to("runs")

    def quit(self) -> None:
        """See StudioScreen: back to the runs."""
        self.studio_app.go_to("runs")
