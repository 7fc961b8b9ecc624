"""Jobs for people and programs: submitting one for a filter, and how one is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runstudio_tui.commands.connection import display_zone, open_engine
from runstudio_tui.commands.output import Exit, print_json, say
from runstudio_tui.commands.run_filter import read_filter

if TYPE_CHECKING:
    from datetime import datetime

    from engine.records import Job, JobKind, JobSubmitted


Filter = Annotated[
    str | None,
    typer.Option(
        "--filter",
        metavar="TEXT",
        help="All runs that match, as `status:failed since:24h`, as a job of the workers; '' for all.",
        show_default=False,
    ),
]


def require_runs(run_ids: Sequence[str] | None, filter_text: str | None) -> None:
    """Raises ``Invalid`` (WHICH_RUNS) unless either runs are named or a filter is given."""
    from engine.errors import Invalid

    if bool(run_ids) is (filter_text is not None):
        told = "Run ids and --filter exclude each other." if run_ids else "Nothing says which runs."
        raise Invalid("WHICH_RUNS", told, "Name run ids, or give --filter; --filter '' is all runs.")


async def submit_for_filter(kind: JobKind, filter_text: str, reason: str, key: str | None, *, as_json: bool) -> Exit:
    """Submit a job over the runs of a filter, and say so. Raises ``EngineError``."""
    line = read_filter(filter_text)
    async with open_engine() as engine:
        now = (await engine.system.session()).server_now
        wanted = line.resolve(now, display_zone())
        submitted = await engine.jobs.submit(kind, wanted, reason, filter_text=filter_text, idempotency_key=key)
    return tell_submitted(submitted, as_json=as_json)


def tell_submitted(submitted: JobSubmitted, *, as_json: bool) -> Exit:
    """Say that a job was taken."""
    job, matching = submitted.job, submitted.matching
    if as_json:
        print_json({"job": job_facts(job), "matching": matching, "created": submitted.created})
    else:
        number = f"{matching.value:,}{'+' if matching.capped else ''}"
        say(
            job.job_id,
            f"{job.kind.value} of what matches: {number}. `runstudio jobs show {job.job_id}` tells how far it is.",
        )
    return Exit.DONE if job.state.ended else Exit.ACCEPTED


def job_facts(job: Job) -> dict[str, Any]:
    """A job as a JSON answer has it."""
    return {
        "jobId": job.job_id,
        "kind": job.kind,
        "filter": job.filter_text,
        "frozenAt": job.frozen_at,
        "reason": job.reason,
        "actor": job.actor,
        "level": job.actor_level,
        "state": job.state,
        "collected": job.filled,
        "total": job.total,
        "done": job.done,
        "skipped": job.skipped,
        "failed": job.failed,
        "left": job.left,
        "trouble": job.trouble,
        "worker": job.claimed_by,
        "createdAt": job.created_at,
        "updatedAt": job.updated_at,
        "completedAt": job.completed_at,
    }


def job_columns(job: Job, now: datetime, zone: tzinfo) -> tuple[str, ...]:
    """A job as a row of a table."""
    from runstudio_tui.domain.present import moment

    return (
        job.job_id,
        job.kind.value,
        job.state.value,
        f"{job.total - job.left}/{job.total}{'' if job.filled else '+'}",
        str(job.failed),
        job.actor,
        moment(job.created_at, now, zone),
        job.filter_text or "all",
    )


JOB_HEADINGS = ("JOB", "KIND", "STATE", "SETTLED", "FAILED", "BY", "SINCE", "FILTER")
