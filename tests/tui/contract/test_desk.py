"""Human tasks that wait, deliveries that are dead, runs out of quota: what every backend does about them, and refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC
from functools import partial

import pytest
from temporalio.client import Client

from engine.errors import Conflict, Invalid, NotFound
from engine.records import RunStatus
from runstudio_tui.clock import ServerTime, SystemClock
from runstudio_tui.ports import Backend
from runstudio_tui.store.feed import ChangeFeed
from runstudio_tui.store.journal import Journal
from runstudio_tui.store.quota import GoOnFlow, all_for_quota
from runstudio_tui.store.session import Studio
from tests.engine.operations.conftest import until

from .desk import ANSWERED, DISAGREED, FORM, PAUSED, Desk, engine_desk, fake_desk, waits_for_quota

NOBODY = "0198c2aa-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
async def desk(servers: tuple[str, Client] | None) -> AsyncIterator[Desk]:
    """One of each backend; each test takes something else from it."""
    async with fake_desk() if servers is None else engine_desk(*servers) as made:
        yield made


async def held_by(desk: Desk, task_id: str) -> tuple[str, str | None]:
    """State of a task, and who has it."""
    row = (await desk.backend.tasks.get(task_id)).row
    return row.status, row.claimed_by


async def dead(desk: Desk) -> set[str]:
    """Ids of the dead deliveries."""
    return {row.delivery_id for row in (await desk.backend.events.deliveries(status="dead", limit=100)).rows}


async def test_a_task_is_claimed_handed_over_and_given_back(desk: Desk) -> None:
    tasks, task_id = desk.backend.tasks, desk.tasks[0]
    me = (await desk.backend.system.session()).actor
    for _ in range(2):
        assert (await tasks.claim(task_id)).claimed_by == me
        assert await held_by(desk, task_id) == ("claimed", me)
    for _ in range(2):
        assert (await tasks.assign(task_id, "grace", "she knows it")).claimed_by == "grace"
        assert await held_by(desk, task_id) == ("claimed", "grace")
    with pytest.raises(Conflict, match="TASK_CLAIMED"):
        await tasks.claim(task_id)
    for _ in range(2):
        assert (await tasks.release(task_id)).claimed_by is None
        assert await held_by(desk, task_id) == ("pending", None)


async def test_an_answer_must_fit_and_ends_the_task_once(desk: Desk) -> None:
    tasks, task_id = desk.backend.tasks, desk.tasks[0]
    form = (await tasks.get(task_id)).form
    assert isinstance(form, dict)
    assert isinstance(FORM, dict)
    assert set(form["required"]) == set(FORM["required"])
    with pytest.raises(Invalid, match="RESPONSE_REJECTED") as refused:
        await tasks.complete(task_id, {"approved": "yes"})
    found = {(issue["pointer"], issue["message"]) for issue in refused.value.details["issues"]}
    assert ("", "cost_center is required, but missing") in found
    assert "/approved" in {pointer for pointer, _ in found}
    assert await held_by(desk, task_id) == ("pending", None)
    closed = await tasks.complete(task_id, ANSWERED)
    assert (closed.task_id, closed.status, closed.repeated) == (task_id, "completed", False)
    detail = await tasks.get(task_id)
    assert detail.response is not None
    assert (detail.response.value, detail.row.status) == (ANSWERED, "completed")
    assert detail.row.completed_by == (await desk.backend.system.session()).actor
    again = await tasks.complete(task_id, ANSWERED)
    assert (again.status, again.repeated) == ("completed", True)
    with pytest.raises(Conflict, match="TASK_CLOSED"):
        await tasks.complete(task_id, {**ANSWERED, "approved": False})
    for refused_now in (tasks.claim(task_id), tasks.release(task_id), tasks.assign(task_id, "ada", "because")):
        with pytest.raises(Conflict, match="TASK_CLOSED"):
            await refused_now


async def test_a_task_is_canceled_with_a_reason_once(desk: Desk) -> None:
    tasks, task_id = desk.backend.tasks, desk.tasks[1]
    with pytest.raises(Invalid, match="REASON_TOO_SHORT"):
        await tasks.cancel(task_id, " x ")
    assert (await held_by(desk, task_id))[0] == "pending"
    closed = await tasks.cancel(task_id, "asked twice")
    assert (closed.status, closed.repeated) == ("canceled", False)
    assert (await held_by(desk, task_id))[0] == "canceled"
    assert (await tasks.cancel(task_id, "asked twice")).repeated
    with pytest.raises(Conflict, match="TASK_CLOSED"):
        await tasks.complete(task_id, ANSWERED)


async def test_a_dead_delivery_is_made_again_once(desk: Desk) -> None:
    events = desk.backend.events
    assert desk.skipped in await dead(desk)
    with pytest.raises(Invalid, match="REASON_TOO_SHORT"):
        await events.redeliver(desk.skipped, "x")
    assert desk.skipped in await dead(desk)
    await events.redeliver(desk.skipped, "the pause is over")
    await desk.deliver()
    assert desk.skipped not in await dead(desk)
    with pytest.raises(Conflict, match="DELIVERY_NOT_FAILED"):
        await events.redeliver(desk.skipped, "once more")


async def test_an_event_that_could_not_be_routed_is_routed_again(desk: Desk) -> None:
    delivery_id, event_id = desk.unrouted
    events = desk.backend.events
    rows = (await events.deliveries(status="failed", limit=100)).rows
    row = next(row for row in rows if row.delivery_id == delivery_id)
    assert (row.kind, row.target, row.event_id, row.run_id) == ("routing", "", event_id, None)
    assert (row.last_error or "").startswith("ROUTING_FAILED: ")
    detail = await events.get(event_id)
    assert (detail.row.status, detail.row.error, [one.kind for one in detail.deliveries]) == (
        "error",
        row.last_error,
        ["routing"],
    )
    seen = [item for item in (await desk.backend.system.attention()).items if item.key == delivery_id]
    assert [(item.kind, item.event_id, item.reason) for item in seen] == [("delivery", event_id, row.last_error)]
    await events.redeliver(delivery_id, "it was mended")
    detail = await events.get(event_id)
    assert (detail.row.status, detail.row.error, detail.deliveries) == ("received", None, ())
    assert delivery_id not in await dead(desk)
    with pytest.raises(Conflict, match="DELIVERY_NOT_FAILED"):
        await events.redeliver(delivery_id, "once more")


@pytest.mark.parametrize(("which", "code"), [("over", "DELIVERY_TARGET_OVER"), ("unroutable", "DELIVERY_NOT_ROUTABLE")])
async def test_a_delivery_that_would_be_skipped_again_is_refused(desk: Desk, which: str, code: str) -> None:
    delivery = getattr(desk, which)
    with pytest.raises(Conflict, match=code) as refused:
        await desk.backend.events.redeliver(delivery, "try once more")
    assert refused.value.hint
    assert delivery in await dead(desk)


async def test_a_run_goes_on_only_while_there_is_quota(desk: Desk) -> None:
    quota = desk.backend.quota
    usage = await quota.usage()
    await desk.set_limit(usage.used_count)
    usage = await quota.usage()
    assert (usage.remaining, usage.exhausted) == (0, True)
    assert usage.paused_runs >= PAUSED
    with pytest.raises(Conflict, match="QUOTA_EXHAUSTED"):
        await quota.resume(desk.out_of_quota[0])
    assert await waits_for_quota(desk.backend, desk.out_of_quota[0])
    with pytest.raises(Conflict, match="NOT_QUOTA_PAUSED"):
        await quota.resume(desk.waiting)
    with pytest.raises(NotFound, match="RUN_NOT_FOUND"):
        await quota.resume(NOBODY)


async def test_one_then_marked_ones_and_then_all_that_wait_go_on(desk: Desk) -> None:
    backend = desk.backend
    await desk.set_limit(1_000_000)
    first, marked, *others = desk.out_of_quota
    await backend.quota.resume(first)
    await until(partial(goes_on, backend, first))

    clock = SystemClock()
    bugs: list[Exception] = []
    feed = ChangeFeed(clock, backend.system)
    studio = Studio(backend, clock, UTC, 3.0, Journal(clock), ServerTime(clock), feed, bugs.append)
    flow = GoOnFlow(studio, await backend.runs.rows([marked, desk.waiting]), lambda: None)
    await flow.run("")
    assert bugs == []
    assert {target.row.run_id: target.text for target in flow.targets} == {
        marked: "asked to go on",
        desk.waiting: "skipped: does not wait for quota",
    }
    await until(partial(goes_on, backend, marked))

    left = await all_for_quota(backend.runs)
    all_left = {row.run_id for row in left}
    assert not all_left & {first, marked, desk.waiting}
    assert all_left >= set(others)
    assert all(row.waits_for_quota for row in left)
    for run_id in all_left:
        await backend.quota.resume(run_id)
    for run_id in all_left:
        await until(partial(goes_on, backend, run_id))
    assert (await backend.quota.usage()).paused_runs == 0


async def goes_on(backend: Backend, run_id: str) -> bool:
    """Whether a run does not wait for quota any more, and did not fail of it."""
    row = (await backend.runs.get(run_id)).row
    return row.status in (RunStatus.RUNNING, RunStatus.SUCCEEDED)


async def test_a_run_about_which_the_stores_disagreed_needs_attention_once(desk: Desk) -> None:
    """What was found and done last, and all of it in the run's audit log."""
    run_id, told = desk.disagreed
    [item] = [
        one for one in (await desk.backend.system.attention()).items if one.run_id == run_id and one.kind == "stores"
    ]
    row = (await desk.backend.runs.get(run_id)).row
    assert (item.key, item.workflow_id, item.title) == (run_id, row.workflow_id, row.workflow_id)
    assert item.reason == told
    entries = [one for one in (await desk.backend.runs.audit(run_id)).rows if one.target_kind == "stores"]
    assert [(one.reason, one.operation) for one in entries] == [
        (said, "workflow_stores_reconcile") for said in reversed(DISAGREED)
    ]
    assert item.since == entries[0].at


async def test_a_failed_run_needs_attention_until_it_is_replayed(desk: Desk) -> None:
    async def failed() -> set[str | None]:
        return {item.run_id for item in (await desk.backend.system.attention()).items if item.kind == "failed"}

    run_id = sorted(await failed(), key=str)[-1]
    assert run_id is not None
    assert (await desk.backend.runs.get(run_id)).status is RunStatus.FAILED
    await desk.backend.runs.replay(run_id, "contract test")
    assert run_id not in await failed()
