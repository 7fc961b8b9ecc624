"""Jobs over everything that matches: submitted once, held up, ended, and refused, on every backend alike."""

from __future__ import annotations

import pytest

from engine.errors import Conflict, Invalid, NotFound
from engine.records import JobKind, JobState, RunFilter, RunStatus
from tests.tui.contract.conftest import Scenario

FAILED = RunFilter(statuses=frozenset({RunStatus.FAILED}))
WHY = "contract test"
NOTHING = "0198c2aa-0000-7000-8000-000000000000"


async def test_a_job_is_submitted_once_and_held_up_and_ended(own_scenario: Scenario) -> None:
    jobs, runs = own_scenario.backend.jobs, own_scenario.backend.runs
    matching = (await runs.counts(FAILED)).matching(FAILED)
    submitted = await jobs.submit(JobKind.REPLAY, FAILED, WHY, filter_text="status:failed", idempotency_key="k")
    job = submitted.job
    assert (submitted.created, submitted.matching, matching.value > 0) == (True, matching, True)
    assert (job.kind, job.state, job.reason, job.filter_text) == (JobKind.REPLAY, JobState.QUEUED, WHY, "status:failed")
    assert job.actor == (await own_scenario.backend.system.session()).actor
    again = await jobs.submit(JobKind.REPLAY, FAILED, WHY, filter_text="status:failed", idempotency_key="k")
    assert (again.created, again.job.job_id) == (False, job.job_id)
    with pytest.raises(Conflict, match="IDEMPOTENCY_KEY_REUSED"):
        await jobs.submit(JobKind.DELETE, FAILED, WHY, filter_text="status:failed", idempotency_key="k")
    for kind, wanted, reason, code in (
        (JobKind.EXPORT, FAILED, " x ", "REASON_TOO_SHORT"),
        (JobKind.EXPORT, "dead", WHY, "FILTER_INVALID"),
        (JobKind.REDELIVER, FAILED, WHY, "FILTER_INVALID"),
        (JobKind.REDELIVER, "pending", WHY, "FILTER_INVALID"),
    ):
        with pytest.raises(Invalid, match=code):
            await jobs.submit(kind, wanted, reason)
    for _ in range(2):
        assert (await jobs.pause(job.job_id)).state is JobState.PAUSED
    for _ in range(2):
        assert (await jobs.resume(job.job_id)).state is JobState.QUEUED
    other = (await jobs.submit(JobKind.REDELIVER, "dead", WHY)).job
    for _ in range(2):
        assert (await jobs.cancel(job.job_id)).state is JobState.CANCELED
    assert [known.job_id for known in await jobs.list(open_only=True)] == [other.job_id]
    assert {known.job_id for known in await jobs.list()} == {job.job_id, other.job_id}
    with pytest.raises(Conflict, match="JOB_ENDED"):
        await jobs.pause(job.job_id)
    with pytest.raises(NotFound, match="JOB_NOT_FOUND"):
        await jobs.cancel(NOTHING)
