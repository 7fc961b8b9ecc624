"""Jobs: what matched when it was frozen is settled once, under the name of who submitted it, and can be held up."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from engine.ids import new_id
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.events.redelivery import redeliver_event
from engine.operations.jobs import exporting, jobs, settling
from engine.operations.keeping.retention import apply_retention, set_retention
from engine.operations.runs.cancel import cancel_run
from engine.operations.runs.delete import delete_run
from engine.operations.runs.export import export_run
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.runs.replay import replay_run, replay_runs
from engine.records import ItemState, JobKind, JobState, Keep, Level, Original, RunFilter, RunStatus
from engine.store.database.engine import LOCKED
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import AsUser, Execute, Query, add_version

FAILED = RunFilter(statuses=frozenset({RunStatus.FAILED}))
WHY = "the partner is back"


async def ended_runs(execute: Execute, number: int, status: str = "FAILED") -> list[str]:
    """Runs that ended an hour ago, oldest first."""
    ids = [new_id() for _ in range(number)]
    for run_id in ids:
        await execute(
            "INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine, input_json, started_at,"
            " completed_at) VALUES (:run, 'orders', 1, :status, 'temporal', '{\"n\": 1}', now() - interval '1 hour',"
            " now() - interval '1 hour')",
            run=run_id,
            status=status,
        )
    return ids


async def work(worker: OperationContext) -> None:
    """Turns until no job is free."""
    while (await settling.take_turn(worker)).found:
        pass


async def test_a_replay_of_everything_that_failed(
    context: OperationContext, worker: OperationContext, store: Store, execute: Execute, query: Query
) -> None:
    await add_version(store)
    failed = await ended_runs(execute, 3)
    await ended_runs(execute, 1, "SUCCEEDED")
    submitted = await jobs.submit_job(context, JobKind.REPLAY, FAILED, WHY, filter_text="status:failed")
    # What fails after that is not meant.
    await execute("UPDATE workflow_jobs SET frozen_at = now() - interval '1 minute'")
    late = new_id()
    await execute(
        "INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine, input_json)"
        " VALUES (:run, 'orders', 1, 'FAILED', 'temporal', '{}')",
        run=late,
    )
    assert (submitted.created, submitted.matching.value, submitted.job.state) == (True, 3, JobState.QUEUED)
    await work(worker)
    job = await jobs.get_job(context, submitted.job.job_id)
    assert (job.state, job.total, job.done, job.left, job.trouble) == (JobState.DONE, 3, 3, 0, "")
    items = await jobs.job_items(context, job.job_id, ItemState.DONE)
    made = await query("SELECT run_id, replay_of_run_id FROM workflow_runs WHERE replay_of_run_id IS NOT NULL")
    assert {row["replay_of_run_id"]: row["run_id"] for row in made} == {item.target: item.run_id for item in items}
    assert sorted(item.target for item in items) == sorted(failed)
    # Each was the operation that a person calls, under the name of who wanted it.
    audited = await query("SELECT * FROM workflow_audit_log WHERE operation = 'workflow_run_replay'")
    assert {(row["actor"], row["actor_known_by"], row["reason"]) for row in audited} == {("tester", "service", WHY)}
    assert {row["actor_remark"] for row in audited} == {f"job {job.job_id}"}


async def test_a_target_that_a_dead_worker_had_taken_up_is_not_replayed_twice(
    context: OperationContext, worker: OperationContext, store: Store, execute: Execute, query: Query
) -> None:
    await add_version(store)
    await ended_runs(execute, 2)
    job_id = (await jobs.submit_job(context, JobKind.REPLAY, FAILED, WHY)).job.job_id
    await work(worker)
    # As if the worker had died between the operation and its record.
    await execute("UPDATE workflow_job_items SET state = 'pending', run_id = NULL, settled_at = NULL")
    await execute("UPDATE workflow_jobs SET state = 'running', done = 0, claimed_by = 'gone', claimed_until = now()")
    await work(replace(worker, actor=Actor("18@host", None, "reconciler", "service")))
    job = await jobs.get_job(context, job_id)
    assert (job.state, job.done) == (JobState.DONE, 2)
    assert len(await query("SELECT 1 FROM workflow_runs WHERE replay_of_run_id IS NOT NULL")) == 2


async def test_nobody_uses_up_the_key_of_a_target_beforehand(
    context: OperationContext, worker: OperationContext, store: Store, execute: Execute
) -> None:
    await add_version(store)
    [failed] = await ended_runs(execute, 1)
    job_id = (await jobs.submit_job(context, JobKind.REPLAY, FAILED, WHY)).job.job_id
    key = f"job:{job_id}:{failed}"
    with pytest.raises(Invalid, match="KEY_RESERVED"):
        await launch_published_run(context, LaunchRequest("orders", {"n": 1}, idempotency_key=key))
    with pytest.raises(Invalid, match="KEY_RESERVED"):
        await replay_run(context, failed, WHY, Original(), idempotency_key=key)
    [refused] = await replay_runs(context, [failed], WHY, idempotency_key=f"job:{job_id}")
    assert refused.error is not None
    assert refused.error.code == "KEY_RESERVED"
    # What only looks a little like it is its caller's own.
    assert (await launch_published_run(context, LaunchRequest("orders", {}, idempotency_key="job:17"))).created
    await work(worker)
    [done] = await jobs.job_items(context, job_id, ItemState.DONE)
    assert (done.target, done.result) == (failed, "replayed")


@pytest.mark.parametrize("kind", [JobKind.CANCEL, JobKind.DELETE, JobKind.REDELIVER])
async def test_what_a_dead_worker_had_done_counts_as_done_and_what_others_did_does_not(
    context: OperationContext, worker: OperationContext, store: Store, execute: Execute, query: Query, kind: JobKind
) -> None:
    """After the operation a target does not qualify any more: it was this job that saw to that."""
    wanted: RunFilter | str = FAILED
    if kind is JobKind.CANCEL:
        await add_version(store)
        for _ in range(3):
            await launch_published_run(context, LaunchRequest("orders", {}))
        wanted = RunFilter(statuses=frozenset({RunStatus.RUNNING}))
    elif kind is JobKind.DELETE:
        await ended_runs(execute, 3)
    else:
        wanted = "failed"
        await execute(
            "INSERT INTO workflow_event_deliveries (delivery_id, event_id, target_kind, target, status)"
            " SELECT gen_random_uuid(), 'e' || n, 'launch', 'orders', 'failed' FROM generate_series(1, 3) AS n"
        )
    job_id = (await jobs.submit_job(context, kind, wanted, WHY)).job.job_id
    await settling.take_turn(worker, _twice())
    [by_another, *_] = await query("SELECT target::text FROM workflow_job_items ORDER BY target")
    await _by_hand(context, kind, by_another["target"])
    ended = "UPDATE workflow_runs SET status = 'CANCELED' WHERE cancel_requested_at IS NOT NULL"
    await execute(ended)
    await work(worker)
    await execute(ended)
    assert (await jobs.get_job(context, job_id)).done == 2
    await execute("UPDATE workflow_job_items SET state = 'pending', run_id = NULL, settled_at = NULL")
    await execute(
        "UPDATE workflow_jobs SET state = 'running', done = 0, skipped = 0, claimed_by = 'gone', claimed_until = now()"
    )
    await work(replace(worker, actor=Actor("18@host", None, "reconciler", "service")))
    job = await jobs.get_job(context, job_id)
    assert (job.state, job.done, job.skipped) == (JobState.DONE, 2, 1)
    [skipped] = await jobs.job_items(context, job_id, ItemState.SKIPPED)
    assert skipped.target == by_another["target"]


async def _by_hand(context: OperationContext, kind: JobKind, target: str) -> None:
    match kind:
        case JobKind.CANCEL:
            await cancel_run(context, target, WHY, settle_seconds=0)
        case JobKind.DELETE:
            await delete_run(context, target, WHY)
        case _:
            await redeliver_event(context, target, WHY)


async def test_what_does_not_qualify_any_more_is_skipped_with_the_reason(
    context: OperationContext, worker: OperationContext, execute: Execute
) -> None:
    changed, unknown = await ended_runs(execute, 2)
    job_id = (await jobs.submit_job(context, JobKind.REPLAY, FAILED, WHY)).job.job_id
    # Between collecting and settling somebody has changed one of them; the workflow of the other is not published.
    claimed = await settling.take_turn(worker, _twice())
    assert claimed.settled == 0
    await execute("UPDATE workflow_runs SET status = 'CANCELED' WHERE run_id = :run", run=changed)
    await work(worker)
    job = await jobs.get_job(context, job_id)
    assert (job.state, job.total, job.skipped) == (JobState.DONE, 2, 2)
    codes = {item.target: item.error_code for item in await jobs.job_items(context, job_id, ItemState.SKIPPED)}
    assert codes == {changed: "NO_LONGER_MATCHES", unknown: "WORKFLOW_NOT_FOUND"}


def _twice() -> Any:
    """Keeps on for the collecting alone."""
    answers = iter([True])
    return lambda: next(answers, False)


async def test_a_job_is_held_up_goes_on_and_is_ended(
    context: OperationContext, worker: OperationContext, execute: Execute, query: Query
) -> None:
    await ended_runs(execute, 1)
    job_id = (await jobs.submit_job(context, JobKind.DELETE, FAILED, WHY)).job.job_id
    assert (await jobs.pause_job(context, job_id)).state is JobState.PAUSED
    await work(worker)
    assert (await jobs.get_job(context, job_id)).total == 0
    assert (await jobs.resume_job(context, job_id)).state is JobState.QUEUED
    assert (await jobs.cancel_job(context, job_id)).state is JobState.CANCELED
    await work(worker)
    assert len(await query("SELECT 1 FROM workflow_runs")) == 1
    assert [job.job_id for job in await jobs.list_jobs(context)] == [job_id]
    assert await jobs.list_jobs(context, open_only=True) == ()
    with pytest.raises(Conflict, match="has ended"):
        await jobs.resume_job(context, job_id)
    operations = [
        row["operation"] for row in await query("SELECT operation FROM workflow_audit_log ORDER BY created_at")
    ]
    assert operations == ["job_submit", "job_pause", "job_resume", "job_cancel"]


async def test_a_job_that_something_keeps_says_so_and_goes_on_later(
    context: OperationContext, worker: OperationContext, store: Store, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_version(store)
    await execute("UPDATE workflow_definitions SET concurrency_limit = 1")
    await launch_published_run(context, LaunchRequest("orders", {}))
    await ended_runs(execute, 1)
    job_id = (await jobs.submit_job(context, JobKind.REPLAY, FAILED, WHY)).job.job_id

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("TEMPORAL_UNREACHABLE", "Temporal does not answer.", "Look at it.")

    with monkeypatch.context() as patched:
        patched.setattr(settling, "replay_run", away)
        await work(worker)
    job = await jobs.get_job(context, job_id)
    assert (job.state, job.left, job.trouble) == (JobState.RUNNING, 1, "Temporal does not answer.")
    await execute("UPDATE workflow_jobs SET claimed_until = now()")
    await work(worker)
    [item] = await jobs.job_items(context, job_id, ItemState.PENDING)
    assert item.error_code == "CONCURRENCY_LIMIT"
    assert "tried again" in (await jobs.get_job(context, job_id)).trouble


async def test_a_target_whose_row_somebody_holds_holds_up_no_other(
    context: OperationContext, worker: OperationContext, execute: Execute, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres answers; it is that one row."""
    held, *_ = sorted(await ended_runs(execute, 20))
    job_id = (await jobs.submit_job(context, JobKind.DELETE, FAILED, WHY)).job.job_id

    async def unless_held(acting: OperationContext, run_id: str, reason: str) -> None:
        if run_id == held:
            raise Unavailable(LOCKED, "Another transaction is in the way of this one.", "Look for long transactions.")
        await delete_run(acting, run_id, reason)

    monkeypatch.setattr(settling, "delete_run", unless_held)
    assert (await settling.take_turn(worker)).settled == 19
    job = await jobs.get_job(context, job_id)
    assert (job.state, job.done, job.left) == (JobState.RUNNING, 19, 1)
    [item] = await jobs.job_items(context, job_id, ItemState.PENDING)
    assert (item.target, item.error_code) == (held, LOCKED)


async def test_deliveries_that_failed_are_made_again(
    context: OperationContext, worker: OperationContext, execute: Execute, query: Query
) -> None:
    await execute(
        "INSERT INTO workflow_event_deliveries (delivery_id, event_id, target_kind, target, status, attempts) VALUES"
        " (gen_random_uuid(), 'a', 'launch', 'orders', 'failed', 10), (gen_random_uuid(), 'b', 'launch', 'orders', 'failed', 10),"
        " (gen_random_uuid(), 'c', 'launch', 'orders', 'done', 1)"
    )
    job_id = (await jobs.submit_job(context, JobKind.REDELIVER, "failed", WHY)).job.job_id
    # What fails after that is not meant.
    await execute(
        "INSERT INTO workflow_event_deliveries (delivery_id, event_id, target_kind, target, status, attempts) VALUES"
        " (gen_random_uuid(), 'd', 'launch', 'orders', 'failed', 10)"
    )
    await work(worker)
    job = await jobs.get_job(context, job_id)
    assert (job.state, job.total, job.done) == (JobState.DONE, 2, 2)
    rows = await query("SELECT event_id, status FROM workflow_event_deliveries ORDER BY event_id")
    assert [row["status"] for row in rows] == ["pending", "pending", "done", "failed"]


def of_orders(day: int) -> RunFilter:
    return RunFilter(workflow="orders", started_from=datetime(2026, 1, day, tzinfo=UTC))


async def test_what_is_refused_and_what_is_repeated(context: OperationContext, as_user: AsUser, query: Query) -> None:
    for kind, wanted, reason, code in (
        (JobKind.CANCEL, FAILED, "x", "REASON_TOO_SHORT"),
        (JobKind.CANCEL, "failed", WHY, "FILTER_INVALID"),
        (JobKind.REDELIVER, FAILED, WHY, "FILTER_INVALID"),
        (JobKind.REDELIVER, "done", WHY, "FILTER_INVALID"),
        (JobKind.REDELIVER, None, WHY, "FILTER_INVALID"),
        ("redeliver", FAILED, WHY, "FILTER_INVALID"),
        ("destroy", FAILED, WHY, "JOB_KIND_INVALID"),
    ):
        with pytest.raises(Invalid) as refused:
            await jobs.submit_job(context, kind, wanted, reason)  # type: ignore[arg-type] # as a program may call it
        assert refused.value.code == code
    async with as_user(Level.OPERATE) as operator:
        with pytest.raises(Forbidden):
            await jobs.submit_job(operator, JobKind.CANCEL, FAILED, WHY)
    assert await query("SELECT 1 FROM workflow_jobs") == []
    first = await jobs.submit_job(context, JobKind.CANCEL, FAILED, WHY, idempotency_key="k")
    again = await jobs.submit_job(context, JobKind.CANCEL, FAILED, WHY, idempotency_key="k")
    assert (again.created, again.job.job_id) == (False, first.job.job_id)
    with pytest.raises(Conflict, match="another one"):
        await jobs.submit_job(context, JobKind.DELETE, FAILED, WHY, idempotency_key="k")
    # The same words can stand for other runs, but for the moment at which `since:24h` was read.
    await jobs.submit_job(context, JobKind.CANCEL, of_orders(1), WHY, filter_text="mine", idempotency_key="words")
    later = await jobs.submit_job(
        context, JobKind.CANCEL, of_orders(2), WHY, filter_text="mine", idempotency_key="words"
    )
    assert not later.created
    with pytest.raises(Conflict, match="another one"):
        await jobs.submit_job(context, JobKind.CANCEL, FAILED, WHY, filter_text="mine", idempotency_key="words")
    async with as_user(Level.READ) as reader:
        assert (await jobs.get_job(reader, first.job.job_id)).filter_text == "statuses:['FAILED']"


async def test_an_export_keeps_a_document_of_each_run_until_it_is_too_old(
    context: OperationContext, worker: OperationContext, execute: Execute, query: Query
) -> None:
    first, second, gone = sorted(await ended_runs(execute, 3))
    job = (await jobs.submit_job(context, JobKind.EXPORT, FAILED, WHY)).job
    with pytest.raises(NotFound, match="JOB_FILES_NOT_FOUND"):
        await lines(context, job.job_id)
    await work(worker)
    assert (await jobs.get_job(context, job.job_id)).done == 3
    made = await lines(context, job.job_id)
    assert [document["run"]["row"]["run_id"] for document in made] == [first, second, gone]
    assert made[0] == without_time(await whole(context, first))
    # A document goes with its run, and with the bodies of its run.
    await delete_run(context, gone, WHY)
    await set_retention(context, Keep(bodies=14), WHY)
    await execute(
        "UPDATE workflow_runs SET started_at = now() - interval '20 days', completed_at = now() - interval '19 days'"
        " WHERE run_id = :run",
        run=second,
    )
    await apply_retention(context)
    assert [document["run"]["row"]["run_id"] for document in await lines(context, job.job_id)] == [first]
    await execute("UPDATE workflow_job_files SET made_at = now() - interval '8 days'")
    await apply_retention(context)
    assert await query("SELECT 1 FROM workflow_job_files") == []
    other = (await jobs.submit_job(context, JobKind.CANCEL, FAILED, WHY)).job
    with pytest.raises(Invalid, match="JOB_EXPORTS_NOTHING"):
        await lines(context, other.job_id)


async def test_a_document_that_is_too_large_fails_its_target_alone(
    context: OperationContext, worker: OperationContext, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = await ended_runs(execute, 2)
    await execute(
        "UPDATE workflow_runs SET input_json = to_jsonb((SELECT string_agg(md5(n::text), '')"
        " FROM generate_series(1, 1000) AS n)) WHERE run_id = :run",
        run=large,
    )
    monkeypatch.setattr(exporting, "MAX_BYTES", 4_000)
    job_id = (await jobs.submit_job(context, JobKind.EXPORT, FAILED, WHY)).job.job_id
    await work(worker)
    [failed] = await jobs.job_items(context, job_id, ItemState.FAILED)
    assert (failed.target, failed.error_code) == (large, "EXPORT_TOO_LARGE")
    assert [item.target for item in await jobs.job_items(context, job_id, ItemState.DONE)] == [small]


async def lines(context: OperationContext, job_id: str) -> list[Any]:
    """The documents a job has exported, without the time they were made at."""
    return [without_time(json.loads(part.text)) async for part in exporting.job_files(context, job_id)]


async def whole(context: OperationContext, run_id: str) -> Any:
    """The document of a run as it is exported on its own."""
    return json.loads("".join([part.text async for part in export_run(context, run_id)]))


def without_time(document: Any) -> Any:
    del document["serverNow"], document["run"]["server_now"]
    return document


async def test_what_is_said_of_a_job_is_shown_as_text_is(context: OperationContext, execute: Execute) -> None:
    """Its reason, its filter and what keeps it, in each answer."""
    secret, said = "abcdefgh12345678", "as told with Authorization: Bearer abcdefgh12345678"
    submitted = await jobs.submit_job(
        context, JobKind.CANCEL, FAILED, said, filter_text=f"text:password={secret}", idempotency_key="once"
    )
    job_id = submitted.job.job_id
    await execute("UPDATE workflow_jobs SET trouble = :said", said=said)
    answers = [
        submitted,
        await jobs.get_job(context, job_id),
        *await jobs.list_jobs(context),
        await jobs.pause_job(context, job_id),
        await jobs.pause_job(context, job_id),
        await jobs.resume_job(context, job_id),
        await jobs.cancel_job(context, job_id),
    ]
    assert [answer for answer in answers if secret in repr(answer)] == []
    # It is compared as it was written.
    again = await jobs.submit_job(
        context, JobKind.CANCEL, FAILED, said, filter_text=f"text:password={secret}", idempotency_key="once"
    )
    assert (again.job.job_id, again.created) == (job_id, False)
