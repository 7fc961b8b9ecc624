"""Events and cancels that come twice, together, too early and too late, while workers of two builds share the runs."""

from __future__ import annotations

import asyncio
import random
import signal
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import Conflict
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.runs import launch
from engine.operations.runs.cancel import cancel_run
from engine.records import Canceled, EventReceipt
from tests.engine.operations.conftest import add_version
from tests.engine.workflow.harness import PATIENCE_SECONDS, Run
from tests.engine.workflow.steps import Step, assign, attempt, call, call_workflow, for_each, wait_event
from tests.faults.installation import END_SECONDS, Installation

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

SHORT_HISTORIES = "import engine.workflow.continuation as c; c.MAX_EVENTS = 40"
"""A build whose runs go on as new executions every few steps."""
NEXT_VERSION = "import engine; engine.__version__ = '9.9.9'"
NEXT_SEMANTICS = "2099-01.1"
KNOWS_THE_NEXT = (
    f"{NEXT_VERSION}; import engine.workflow.run_workflow as r;"
    f" r.SUPPORTED_SEMANTICS = (*r.SUPPORTED_SEMANTICS, {NEXT_SEMANTICS!r})"
)


async def start(installation: Installation, number: int, steps: list[Step], waiting_on: str = "event") -> list[Run]:
    """So many runs of these steps, each with an order of its own, that have come to their wait."""
    await installation.bench.publish(steps)
    runs = await installation.launch(number, lambda index: {"order": f"o-{index}"})
    for run in runs:
        await run.waiting(waiting_on)
    return runs


def go(index: int, event_id: str | None = None) -> EventRequest:
    """The event of the order with this number."""
    return EventRequest("GO", {"n": index}, f"o-{index}", event_id=event_id or f"e-{index}")


async def test_every_event_once_from_many_producers_to_two_builds_of_which_one_dies(installation: Installation) -> None:
    bench, context, ticks = installation.bench, installation.context, 20
    seen = assign("a", seen="append(coalesce(vars.seen, []), vars.event.n)")
    tick = wait_event("w", "TICK", key="payload.order")
    await bench.publish([for_each("l", f"[1..{ticks}]", [tick, seen, call("q", "ledger.quick")])])
    await add_version(
        bench.store, "wf.fired", trigger={"type": "event", "eventName": "FIRE"}, steps=[call("i", "ledger.inside")]
    )
    runs = await installation.launch(3, lambda index: {"order": f"o-{index}"})
    chance = random.Random(11)

    async def produce(index: int) -> list[EventReceipt]:
        """Events of one order, one after the other, each by three producers at once."""
        receipts = []
        for tick in range(ticks):
            await asyncio.sleep(chance.uniform(0, 0.4))
            request = EventRequest("TICK", {"n": tick}, f"o-{index}", event_id=f"t-{index}-{tick}")
            receipts += await asyncio.gather(*(submit_event(context, request) for _ in range(3)))
        return receipts

    async def fire() -> list[EventReceipt]:
        """Events that start runs, all at once."""
        requests = [EventRequest("FIRE", {}, event_id=f"f-{number}") for number in range(10)]
        return await asyncio.gather(*(submit_event(context, request) for request in requests for _ in range(3)))

    async with installation.worker("old", before=SHORT_HISTORIES) as old, installation.worker(
        "new", before=f"{SHORT_HISTORIES}\n{NEXT_VERSION}"
    ):  # fmt: skip
        producing = asyncio.gather(fire(), *(produce(index) for index in range(len(runs))))
        await installation.done(20)
        old.send(signal.SIGKILL)
        receipts = [receipt for some in await producing for receipt in some]
        await installation.all_ended()
    assert sum(receipt.accepted for receipt in receipts) == len(receipts) / 3 == 3 * ticks + 10
    builds = await bench.rows("SELECT DISTINCT build FROM workflow_workers")
    assert len(builds) == 2
    for run in runs:
        assert (await run.row())["output_json"]["seen"] == list(range(ticks))
    fired = [Run(bench, str(row["run_id"])) for row in await bench.rows(
        "SELECT run_id FROM workflow_runs WHERE workflow_id = 'wf.fired'"
    )]  # fmt: skip
    assert len(fired) == 10
    assert await installation.account([*runs, *fired], executed=3 * ticks, inside=10) == {"SUCCEEDED": 13}


async def test_an_event_together_with_its_timeout_is_used_once(installation: Installation) -> None:
    context, chance, number = installation.context, random.Random(12), 24
    in_time = [wait_event("w", "GO", key="payload.order", timeoutMs=4000), call("in", "ledger.quick")]
    too_late = [wait_event("w", "GO", key="payload.order"), call("late", "ledger.quick")]
    async with installation.worker("worker"):
        runs = await start(installation, number, [attempt("t", in_time, too_late)])

        async def send(index: int, run: Run) -> None:
            wait, *_ = await run.waits()
            moment = wait["timeout_at"] + timedelta(seconds=chance.uniform(-0.2, 1.0))
            await asyncio.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()))
            await submit_event(context, go(index))

        await asyncio.gather(*(send(index, run) for index, run in enumerate(runs)))
        await installation.all_ended()
    assert await installation.account(runs, executed=number) == {"SUCCEEDED": number}
    for index, run in enumerate(runs):
        waits = [(wait["status"], wait["matched_event_id"]) for wait in await run.waits()]
        assert waits in ([("RESOLVED", f"e-{index}")], [("TIMED_OUT", None), ("RESOLVED", f"e-{index}")])
        paths = [entry.step_path for entry in installation.entries() if entry.run_id == run.id]
        assert paths == ["root.steps[0].try.steps[1]" if len(waits) == 1 else "root.steps[0].catch.steps[1]"]


@pytest.mark.parametrize("before", ["", SHORT_HISTORIES], ids=["", "at-continue-as-new"])
async def test_an_event_together_with_a_cancel(installation: Installation, before: str) -> None:
    context, chance, number = installation.context, random.Random(13), 16
    long = [for_each("l", "[1..6]", [call("o", "ledger.ordinary")])]
    steps = [*(long if before else []), wait_event("w", "GO", key="payload.order"), *long]
    async with installation.worker("worker", before=before):
        runs = await start(installation, number, steps)

        async def cancel(run: Run) -> Canceled | Conflict:
            await asyncio.sleep(chance.uniform(0, 0.4))
            try:
                return await cancel_run(context, run.id, "together", settle_seconds=PATIENCE_SECONDS)
            except Conflict as ended:
                return ended

        answers = await asyncio.gather(
            *(cancel(run) for run in runs), *(submit_event(context, go(index)) for index in range(number))
        )
        await installation.all_ended()
    tries = await installation.bench.rows("SELECT 1 FROM workflow_action_invocations WHERE status = 'SUCCEEDED'")
    executed = len({entry.key for entry in installation.entries()})
    assert 0 <= executed - len(tries) <= number, "a cancel may come between an effect and its record, once per run"
    counted = await installation.account(runs, executed=executed)
    assert set(counted) <= {"SUCCEEDED", "CANCELED"}
    for run, answer in zip(runs, answers[:number], strict=True):
        status = (await run.row())["status"]
        if isinstance(answer, Canceled):
            assert answer.outcome == {"CANCELED": "canceled", "SUCCEEDED": "ended"}[status]
        else:
            assert isinstance(answer, Conflict)
            assert (answer.code, status) == ("RUN_ENDED", "SUCCEEDED")


async def test_a_cancel_asked_for_again_and_again(installation: Installation) -> None:
    bench, context = installation.bench, installation.context
    await bench.publish([wait_event("w")], "wf.child")
    async with installation.worker("worker") as worker:
        [run] = await start(installation, 1, [call_workflow("c", "wf.child")], waiting_on="child")

        async def child_waits() -> bool:
            rows = await bench.rows("SELECT waiting_on FROM workflow_runs WHERE parent_run_id IS NOT NULL")
            return [row["waiting_on"] for row in rows] == ["event"]

        await bench.until(child_waits)

        async def all_asked() -> bool:
            rows = await bench.rows("SELECT 1 FROM workflow_audit_log WHERE run_id = CAST(:id AS uuid)"
                                    " AND operation = 'workflow_run_cancel'", id=run.id)  # fmt: skip
            return len(rows) == 4

        # Else the first one may be answered before the last one is asked for.
        worker.send(signal.SIGSTOP)
        canceling = asyncio.gather(
            *(cancel_run(context, run.id, f"cancel {n}", settle_seconds=PATIENCE_SECONDS) for n in range(4))
        )
        await bench.until(all_asked)
        worker.send(signal.SIGCONT)
        assert {outcome.outcome for outcome in await canceling} == {"canceled"}
        await installation.all_ended()
        ended = await run.row()
        with pytest.raises(Conflict, match="RUN_ENDED"):
            await cancel_run(context, run.id, "once more")
        assert await run.row() == ended
    assert await installation.account([run], executed=0) == {"CANCELED": 1}
    statuses = await bench.rows("SELECT DISTINCT status FROM workflow_runs")
    assert [row["status"] for row in statuses] == ["CANCELED"]


async def test_a_cancel_while_the_first_one_is_being_cleaned_up_without_postgres(installation: Installation) -> None:
    async with installation.worker("worker") as worker:
        runs = await start(installation, 5, [wait_event("w")])
        worker.send(signal.SIGSTOP)
        for run in runs:
            assert (await cancel_run(installation.context, run.id, "first", settle_seconds=0)).outcome == "requested"
        await asyncio.to_thread(installation.postgres.kill)
        worker.send(signal.SIGCONT)

        async def cleaning_up() -> bool:
            # What only needs Postgres becomes an ordinary activity when Postgres does not answer.
            return all([(await run.events())["ACTIVITY_TASK_SCHEDULED"] for run in runs])

        await installation.until(cleaning_up, PATIENCE_SECONDS)
        for run in runs:
            await run.handle.cancel(reason="second")
        await installation.restart_postgres(away=1)
        await installation.all_ended()
    assert await installation.account(runs, executed=0) == {"CANCELED": 5}
    assert {(await run.row())["error_json"]["message"] for run in runs} == {"first"}


async def test_a_build_that_does_not_know_the_semantics_leaves_the_runs_to_one_that_does(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = installation.bench
    await bench.publish([call("q", "ledger.quick"), call("i", "ledger.inside")])
    runs = await installation.launch(10, lambda _: {})
    monkeypatch.setattr(launch, "SEMANTICS_VERSION", NEXT_SEMANTICS)
    runs += await installation.launch(4, lambda _: {})
    async with installation.worker("old") as old:

        async def old_ones_ended() -> bool:
            return await installation.active() == 4

        await installation.until(old_ones_ended, END_SECONDS)

        async def refused() -> bool:
            return all([(await run.events())["WORKFLOW_TASK_FAILED"] for run in runs[-4:]])

        await installation.until(refused, PATIENCE_SECONDS)
        assert {((await run.row())["status"], (await run.row())["step_count"]) for run in runs[-4:]} == {("RUNNING", 0)}
        async with installation.worker("new", before=KNOWS_THE_NEXT):
            old.send(signal.SIGTERM)
            assert await old.ended() == 0
            await installation.all_ended()
    assert await installation.account(runs, executed=14, inside=14) == {"SUCCEEDED": 14}
