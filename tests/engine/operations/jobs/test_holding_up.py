"""A job is held up at any time, also while its targets are collected, and one leaves the others their turns."""

from __future__ import annotations

from typing import Any

import pytest

from engine.operations.context import OperationContext
from engine.operations.jobs import jobs, settling
from engine.records import JobKind, JobState, RunFilter
from tests.engine.operations.conftest import Execute, Query
from tests.engine.operations.jobs.test_jobs import FAILED, WHY, ended_runs, work


@pytest.mark.parametrize("hold", ["cancel", "pause"])
async def test_a_job_that_is_held_up_while_its_targets_are_collected_does_nothing_more(
    context: OperationContext,
    worker: OperationContext,
    execute: Execute,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    hold: str,
) -> None:
    await ended_runs(execute, 4)
    job_id = (await jobs.submit_job(context, JobKind.DELETE, FAILED, WHY)).job.job_id
    monkeypatch.setattr(settling, "FILL_PAGE", 1)
    pages = 0

    async def a_page(*arguments: Any, **more: Any) -> Any:
        nonlocal pages
        pages += 1
        if pages == 2:
            await (jobs.cancel_job if hold == "cancel" else jobs.pause_job)(context, job_id)
        return await runs_page(*arguments, **more)

    runs_page = settling.listing.runs_page
    monkeypatch.setattr(settling.listing, "runs_page", a_page)
    await work(worker)
    job = await jobs.get_job(context, job_id)
    assert (job.state.ended or job.state is JobState.PAUSED, job.total, job.done, job.trouble) == (True, 1, 0, "")
    assert (pages, len(await query("SELECT 1 FROM workflow_runs"))) == (2, 4)


async def test_a_job_that_is_held_up_before_its_first_target_does_nothing(
    context: OperationContext, worker: OperationContext, execute: Execute, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ended_runs(execute, 2)
    job_id = (await jobs.submit_job(context, JobKind.DELETE, FAILED, WHY)).job.job_id
    add_targets = settling.items.add_targets

    async def added(*arguments: Any) -> bool:
        ours = await add_targets(*arguments)
        await arguments[0].commit()
        await jobs.cancel_job(context, job_id)
        return ours

    monkeypatch.setattr(settling.items, "add_targets", added)
    await work(worker)
    job = await jobs.get_job(context, job_id)
    assert (job.state, job.total, job.left) == (JobState.CANCELED, 2, 2)
    assert len(await query("SELECT 1 FROM workflow_runs")) == 2


async def test_a_long_collection_leaves_other_jobs_their_turns(
    context: OperationContext, worker: OperationContext, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ended_runs(execute, 5)
    long = (await jobs.submit_job(context, JobKind.DELETE, FAILED, WHY)).job.job_id
    short = (await jobs.submit_job(context, JobKind.CANCEL, RunFilter(workflow="none"), WHY)).job.job_id
    monkeypatch.setattr(settling, "FILL_PAGE", 1)
    monkeypatch.setattr(settling, "FILL_PAGES", 2)
    await settling.take_turn(worker)
    assert ((await jobs.get_job(context, long)).total, (await jobs.get_job(context, long)).filled) == (2, False)
    await settling.take_turn(worker)
    assert (await jobs.get_job(context, short)).filled
    await work(worker)
    assert (await jobs.get_job(context, long)).done == 5


async def test_a_job_of_a_kind_of_another_release_is_left_to_its_workers(
    context: OperationContext, worker: OperationContext, execute: Execute, query: Query
) -> None:
    of_tomorrow = (await jobs.submit_job(context, JobKind.CANCEL, FAILED, WHY)).job.job_id
    await execute("ALTER TABLE workflow_jobs DROP CONSTRAINT workflow_jobs_kind_check")
    await execute("UPDATE workflow_jobs SET kind = 'of_tomorrow'")
    job_id = (await jobs.submit_job(context, JobKind.CANCEL, FAILED, WHY)).job.job_id
    await work(worker)
    assert (await jobs.get_job(context, job_id)).state is JobState.DONE
    assert await query("SELECT state FROM workflow_jobs WHERE job_id = :job", job=of_tomorrow) == [{"state": "queued"}]
