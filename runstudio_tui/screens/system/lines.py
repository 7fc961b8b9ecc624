"""The lines of the system screen: parts, workers, task queue, quota."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from engine.advice import WORKER
from engine.records import (
    AlertMessage,
    Health,
    Installation,
    Job,
    JobKind,
    JobState,
    PartState,
    QuotaUsage,
    RunRow,
    WorkerInfo,
)
from engine.wording import counted
from runstudio_tui.domain.effective import LATER_GLYPH
from runstudio_tui.domain.present import full_moment, live_duration, moment, quota_text
from runstudio_tui.text import safe
from runstudio_tui.widgets.cells import pad
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.line_list import Row

_PARTS: Final = {
    PartState.OK: ("✔", "ok"),
    PartState.DEGRADED: ("▲", "attention"),
    PartState.DOWN: ("✖", "failed"),
    PartState.UNKNOWN: ("·", "dim"),
}
NAME_CELLS: Final = 14
"""Of a part: room for the longest, schedule-sync."""
QUOTA_RUN: Final = "quota:"
"""Beginning of the key of the row of a run that waits for quota."""
JOB: Final = "job:"
"""Beginning of the key of the row of a job."""
TROUBLE: Final = ":trouble"
"""End of the key of the row below it, which says what keeps the job."""
_JOBS: Final = {
    JobState.QUEUED: ("○", "text"),
    JobState.RUNNING: ("●", "running"),
    JobState.PAUSED: ("‖", "attention"),
    JobState.DONE: ("✔", "ok"),
    JobState.CANCELED: ("⊘", "canceled"),
}


@dataclass(frozen=True, slots=True)
class SystemAnswer:
    """One look at the installation."""

    health: Health
    installation: Installation
    quota: QuotaUsage
    paused: tuple[RunRow, ...]
    """Runs that wait for quota, at most 100."""
    jobs: tuple[Job, ...] = ()
    """The newest ones."""
    given_up: tuple[AlertMessage, ...] = ()
    """Messages of alerts that were not taken."""


def system_rows(answer: SystemAnswer, now: datetime, zone: tzinfo) -> Iterator[Row]:
    """All lines, from what an operator looks at first."""
    yield _heading("Parts")
    for part in answer.health.parts:
        glyph, tone = _PARTS[part.state]
        yield Row(
            line(
                f"  {pad(part.name, NAME_CELLS)}", Span(f"{glyph} {pad(part.state.value, 10)}", tone), safe(part.detail)
            )
        )
        if part.advice and part.state is not PartState.OK:
            yield Row(line(" " * (NAME_CELLS + 14), Span(safe(part.advice), "dim")))
    yield from _workers(answer.installation, now)
    yield from _queue(answer.installation, now)
    yield from _quota(answer, now, zone)
    yield from _jobs(answer.jobs, now, zone)
    yield from _alerts(answer.given_up, now, zone)


def _heading(text: str) -> Row:
    return Row(line(Span(f" {text}", "strong")))


def _workers(found: Installation, now: datetime) -> Iterator[Row]:
    alive = [worker for worker in found.workers if worker.alive]
    yield Row(())
    yield _heading(f"Workers  {len(alive)} alive" if alive else "Workers")
    if not alive:
        yield Row(line("  ", Span("✖ none alive: runs are accepted and nobody executes them.", "failed")))
        yield Row(line("    ", Span(WORKER.to("Start one"), "dim")))
    for worker in found.workers:
        yield _worker(worker, now)
        for part in worker.parts:
            if part.state == "failing" or (part.state == "starting" and worker.alive):
                tone = "failed" if part.state == "failing" else "attention"
                yield Row(line(f"      {pad(part.name, 12)}", Span(f"{part.state}  ", tone), safe(part.detail)))


def _worker(worker: WorkerInfo, now: datetime) -> Row:
    seen = live_duration(max((now - worker.last_seen_at).total_seconds(), 0.0))
    state = Span("● alive   ", "running") if worker.alive else Span("⊘ gone    ", "canceled")
    if worker.stopped_at is not None:
        state = Span("⊘ stopped ", "canceled")
    up = live_duration(max((now - worker.started_at).total_seconds(), 0.0))
    about = f"{pad(safe(worker.identity), 28)} build {safe(worker.build)}  up {up}  seen {seen} ago"
    return Row(line("  ", state, about), copy=worker.identity)


def _queue(found: Installation, now: datetime) -> Iterator[Row]:
    yield Row(())
    yield _heading(f"Task queue  {found.task_queue}")
    if found.temporal_error:
        yield Row(line("  ", Span(f"✖ {safe(found.temporal_error)}", "failed")))
        return
    backlog = "unknown" if found.backlog is None else str(found.backlog)
    age = f", the oldest for {live_duration(found.backlog_age_seconds)}" if found.backlog else ""
    tone = "attention" if found.backlog and found.backlog_age_seconds > 5 else "text"
    yield Row(line("  waiting     ", Span(f"{backlog}{age}", tone)))
    if not found.pollers:
        yield Row(line("  pollers     ", Span("✖ none: no worker asks for work.", "failed")))
    for poller in found.pollers:
        ago = live_duration(max((now - poller.last_access).total_seconds(), 0.0))
        yield Row(line(f"  poller      {pad(safe(poller.identity), 40)} {ago} ago"), copy=poller.identity)
    yield Row(line(f"  namespace   {safe(found.namespace)}   schema {safe(found.schema_revision)}"))


def _quota(answer: SystemAnswer, now: datetime, zone: tzinfo) -> Iterator[Row]:
    usage = answer.quota
    yield Row(())
    yield _heading("Quota")
    tone = "failed" if usage.exhausted else "text"
    until = moment(usage.period_end, now, zone)
    yield Row(line("  used        ", Span(quota_text(usage), tone), Span(f"   until {until}", "dim")))
    yield Row(line(f"  waiting     {counted(usage.paused_runs, 'run')}", _resume_hint(usage)))
    for run in answer.paused:
        since = moment(run.wait.since if run.wait is not None else run.started_at, now, zone)
        made: Line = line(f"    ◔ {pad(safe(run.workflow_name), 26)} since {since}")
        yield Row(made, copy=run.run_id, key=f"{QUOTA_RUN}{run.run_id}", link=f"run:{run.run_id}")


def _resume_hint(usage: QuotaUsage) -> Span:
    if not usage.paused_runs:
        return Span("")
    if usage.exhausted:
        return Span("   the limit is used up: runstudio quota set raises it", "dim")
    return Span("   e lets one go on, E all", "dim")


def _jobs(jobs: tuple[Job, ...], now: datetime, zone: tzinfo) -> Iterator[Row]:
    if not jobs:
        return
    yield Row(())
    yield _heading("Jobs")
    for job in jobs:
        glyph, tone = _JOBS.get(job.state, (LATER_GLYPH, "text"))
        settled = f"{job.total - job.left:,} of {job.total:,}{'' if job.filled else '+'}"
        failed = f", {job.failed:,} failed" if job.failed else ""
        since = moment(job.created_at, now, zone)
        about = f"{pad(job.kind.value, 10)} {pad(settled + failed, 24)} {pad(since, 9)} {pad(safe(job.actor), 10)} "
        chosen = safe(job.filter_text or _everything(job))
        made = line("  ", Span(f"{glyph} {pad(job.state.value, 9)}", tone), about, chosen)
        yield Row(made, copy=job.job_id, key=f"{JOB}{job.job_id}")
        if job.trouble:
            told = line(" " * 13, Span(safe(job.trouble), "attention"))
            yield Row(told, copy=job.job_id, key=f"{JOB}{job.job_id}{TROUBLE}")


def job_text(job: Job, zone: tzinfo) -> str:
    """Everything of a job, for reading and for a ticket; not safe to draw."""
    told = [
        f"{job.kind.value} {job.state.value}, by {job.actor}: {job.reason}",
        f"filter     {job.filter_text or _everything(job)}",
        f"frozen at  {full_moment(job.frozen_at, zone)}",
        f"settled    {job.done:,} done, {job.skipped:,} skipped, {job.failed:,} failed, {job.left:,} left of {job.total:,}",
    ]
    if not job.filled:
        told.append("           targets are still being collected")
    if job.trouble:
        told.append(f"kept by    {job.trouble}")
    told += ["", f"runstudio jobs show {job.job_id}", "says of each why it was skipped or failed"]
    if job.kind is JobKind.EXPORT:
        told += ["", f"runstudio jobs download {job.job_id} -o FILE", "writes what was exported"]
    return "\n".join(told)


def _everything(job: Job) -> str:
    return "all deliveries" if job.kind is JobKind.REDELIVER else "all runs"


def _alerts(given_up: tuple[AlertMessage, ...], now: datetime, zone: tzinfo) -> Iterator[Row]:
    if not given_up:
        return
    yield Row(())
    yield _heading("Alerts that were not taken")
    for message in given_up:
        since = moment(message.created_at, now, zone)
        about = f"{pad(since, 9)} {pad(safe(message.alert), 20)} {safe(message.last_error or '')}"
        yield Row(line("  ", Span("✖ ", "failed"), about), copy=message.message_id)
