"""The quota scan: oldest first, fair between tenants, never beyond what is left, and one process at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from temporalio.client import Client, Interceptor, OutboundInterceptor, SignalWorkflowInput
from temporalio.service import RPCError, RPCStatusCode

from engine.contract import SIGNAL_QUOTA_RESUME, workflow_id_for
from engine.errors import Unavailable
from engine.ids import new_id
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.quota.quota import Scanned
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from engine.temporal.connection import TemporalConnection
from engine.worker.parts import PartReport
from engine.worker.quota_scan import QuotaScan
from tests.engine.operations.conftest import Execute, Query, until
from tests.engine.operations.crashing import unreachable
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import quick

ALPHA, BETA, GAMMA = (f"00000000-0000-0000-0000-00000000000{n}" for n in "abc")


class Signals(Interceptor):
    """Counts resumes in the order they are sent; can hold them up, or answer in Temporal's place."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.gate: asyncio.Event | None = None
        self.reached = asyncio.Event()
        self.answers: dict[int, RPCStatusCode] = {}
        """By the number of the signal, from 1."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        signals = self

        class Outbound(OutboundInterceptor):
            async def signal_workflow(self, input: SignalWorkflowInput) -> None:
                assert input.signal == SIGNAL_QUOTA_RESUME
                signals.sent.append(input.id.removeprefix(workflow_id_for("")))
                signals.reached.set()
                if signals.gate is not None:
                    await signals.gate.wait()
                if (status := signals.answers.get(len(signals.sent))) is not None:
                    raise RPCError("as the test wants it", status, b"")

        return Outbound(next)


@pytest.fixture
def signals() -> Signals:
    return Signals()


@pytest_asyncio.fixture
async def scan(store: Store, temporal_address: str, signals: Signals) -> QuotaScan:
    """A scan whose signals are only counted."""
    client = await Client.connect(temporal_address, interceptors=[signals])
    return QuotaScan(OperationContext(store, TemporalConnection.from_client(client), Actor("w1", source="reconciler")))


async def pause(execute: Execute, tenant: str, minutes_ago: int, **changes: Any) -> str:
    """A run that has waited for units for so long."""
    run_id = new_id()
    values = {"status": "WAITING", "waiting_on": "quota", "wait": "WAITING", **changes}
    await execute(
        "INSERT INTO workflow_runs (run_id, tenant, workflow_id, workflow_version, status, waiting_on, engine)"
        " VALUES (:run, :tenant, 'orders', 1, :status, :waiting_on, 'temporal')",
        run=run_id,
        tenant=tenant,
        status=values["status"],
        waiting_on=values["waiting_on"],
    )
    await execute(
        "INSERT INTO workflow_run_waits (run_id, tenant, step_path, wait_type, status, visit, created_at)"
        " VALUES (:run, :tenant, 'root.steps[0]', 'quota', :wait, 1, now() - :ago * interval '1 minute')",
        run=run_id,
        tenant=tenant,
        wait=values["wait"],
        ago=minutes_ago,
    )
    return run_id


async def limit(execute: Execute, tenant: str, steps: int | None, used: int = 0) -> None:
    await execute(
        "INSERT INTO workflow_settings (tenant, quota_limit) VALUES (:tenant, :steps)", tenant=tenant, steps=steps
    )
    await execute(
        "INSERT INTO workflow_step_usage_periods (tenant, period_start, period_end, used_count)"
        " SELECT :tenant, start, start + interval '1 month', :used"
        " FROM (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS start) AS this",
        tenant=tenant,
        used=used,
    )


async def test_a_tenant_gets_what_it_has_left_and_the_oldest_pauses_first(
    scan: QuotaScan, signals: Signals, execute: Execute
) -> None:
    await limit(execute, ALPHA, 10, used=7)
    runs = [await pause(execute, ALPHA, ago) for ago in (1, 5, 3, 4, 2)]
    assert await scan.scan() == Scanned(asked=3)
    assert signals.sent == [runs[1], runs[3], runs[2]]


async def test_an_exhausted_tenant_holds_up_nobody(scan: QuotaScan, signals: Signals, execute: Execute) -> None:
    await limit(execute, ALPHA, 10, used=10)
    await limit(execute, BETA, 10, used=12)
    for ago in range(100, 130):
        await pause(execute, ALPHA, ago)
        await pause(execute, BETA, ago)
    await limit(execute, GAMMA, 10, used=9)
    run = await pause(execute, GAMMA, 1)
    assert await scan.scan() == Scanned(asked=1)
    assert signals.sent == [run]


async def test_tenants_take_turns(scan: QuotaScan, signals: Signals, execute: Execute) -> None:
    await limit(execute, ALPHA, 100)
    alpha = [await pause(execute, ALPHA, 100 - n) for n in range(4)]
    beta = [await pause(execute, BETA, 10 - n) for n in range(2)]
    assert await scan.scan() == Scanned(asked=6)
    assert signals.sent == [alpha[0], beta[0], alpha[1], beta[1], alpha[2], alpha[3]]


async def test_without_a_limit_all_go_on(scan: QuotaScan, signals: Signals, execute: Execute) -> None:
    await limit(execute, ALPHA, None, used=1_000_000)
    runs = [await pause(execute, ALPHA, 1000 - n) for n in range(60)]
    assert await scan.scan() == Scanned(asked=60)
    assert signals.sent == runs


@pytest.mark.parametrize(
    "changes",
    [
        {"wait": "RESOLVED"},
        {"wait": "CANCELED", "status": "CANCELED", "waiting_on": None},
        {"status": "RUNNING", "waiting_on": None},
        {"waiting_on": "event"},
    ],
)
async def test_a_run_that_is_not_paused_any_more_is_left_alone(
    scan: QuotaScan, signals: Signals, execute: Execute, changes: dict[str, Any]
) -> None:
    await pause(execute, ALPHA, 5, **changes)
    assert await scan.scan() == Scanned()
    assert signals.sent == []


async def test_the_scan_says_on_each_run_that_it_asked_and_moves_no_row(
    scan: QuotaScan, execute: Execute, query: Query
) -> None:
    run = await pause(execute, ALPHA, 5)
    await scan.scan()
    [line] = await query("SELECT run_id, tenant, level, message, source FROM workflow_run_logs")
    assert line == {
        "run_id": run,
        "tenant": ALPHA,
        "level": "INFO",
        "message": "Quota is available; the run was asked to go on",
        "source": "reconciler",
    }
    assert await query("SELECT status, waiting_on FROM workflow_runs") == [{"status": "WAITING", "waiting_on": "quota"}]
    assert await query("SELECT status FROM workflow_run_waits") == [{"status": "WAITING"}]


async def test_a_run_whose_row_somebody_holds_keeps_no_other_from_being_noted(
    scan: QuotaScan, signals: Signals, execute: Execute, query: Query, store: Store
) -> None:
    held, free = await pause(execute, ALPHA, 5), await pause(execute, ALPHA, 4)
    async with store.begin() as theirs:
        await theirs.execute(text("SELECT 1 FROM workflow_runs WHERE run_id = :run FOR UPDATE"), {"run": held})
        assert await scan.scan() == Scanned(2, 0)
    assert signals.sent == [held, free]
    assert await query("SELECT run_id FROM workflow_run_logs") == [{"run_id": free}]


async def test_of_two_scans_at_once_only_one_asks(
    scan: QuotaScan, signals: Signals, execute: Execute, store: Store
) -> None:
    runs = [await pause(execute, ALPHA, 9 - n) for n in range(3)]
    signals.gate = asyncio.Event()
    first = asyncio.create_task(scan.scan())
    await signals.reached.wait()
    # It would fail if it asked anybody.
    assert await QuotaScan(OperationContext(store, unreachable(), Actor("w2"))).scan() == Scanned()
    signals.gate.set()
    assert await first == Scanned(asked=3)
    assert signals.sent == runs


async def test_a_run_that_is_gone_keeps_nobody_else(
    scan: QuotaScan, signals: Signals, execute: Execute, query: Query
) -> None:
    runs = [await pause(execute, ALPHA, 9 - n) for n in range(3)]
    signals.answers[2] = RPCStatusCode.NOT_FOUND
    assert await scan.scan() == Scanned(asked=2, gone=1)
    logged = {line["run_id"] for line in await query("SELECT run_id FROM workflow_run_logs")}
    assert logged == {runs[0], runs[2]}


@pytest.mark.parametrize("status", [RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.OUT_OF_RANGE])
async def test_a_run_that_temporal_will_not_have_signalled_keeps_nobody_else(
    scan: QuotaScan, signals: Signals, execute: Execute, query: Query, status: RPCStatusCode
) -> None:
    """One that was sent as many signals as an execution takes."""
    runs = [await pause(execute, ALPHA, 9 - n) for n in range(3)]
    signals.answers[1] = status
    assert await scan.scan() == Scanned(asked=2, refused=1)
    logged = {line["run_id"] for line in await query("SELECT run_id FROM workflow_run_logs")}
    assert logged == {runs[1], runs[2]}


async def test_a_temporal_that_goes_away_ends_the_scan_and_loses_nothing(
    scan: QuotaScan, signals: Signals, execute: Execute, query: Query
) -> None:
    runs = [await pause(execute, ALPHA, 9 - n) for n in range(3)]
    signals.answers[2] = RPCStatusCode.UNAVAILABLE
    with pytest.raises(Unavailable, match="TEMPORAL_UNAVAILABLE"):
        await scan.scan()
    assert [line["run_id"] for line in await query("SELECT run_id FROM workflow_run_logs")] == [runs[0]]
    assert await scan.scan() == Scanned(asked=3)
    assert signals.sent == [*runs[:2], *runs]


async def test_a_stopping_worker_does_not_finish_a_long_scan(
    scan: QuotaScan, signals: Signals, execute: Execute
) -> None:
    for ago in range(5):
        await pause(execute, ALPHA, ago)
    assert await scan.scan(lambda: len(signals.sent) < 2) == Scanned(asked=2)


async def test_the_part_tells_that_it_cannot_and_goes_on_trying(store: Store, execute: Execute) -> None:
    await pause(execute, ALPHA, 5)
    stop = asyncio.Event()
    report = PartReport("quotaScan", 1.0, stop)
    running = asyncio.create_task(QuotaScan(OperationContext(store, unreachable(), Actor("w"))).run(report))

    async def told() -> bool:
        return report.state == "failing"

    await until(told)
    assert report.detail == "Temporal does not answer."
    stop.set()
    await running


async def test_paused_runs_go_on_by_themselves(
    context: OperationContext, store: Store, temporal: Client, execute: Execute
) -> None:
    bench = Bench(store, temporal)
    async with bench.worker():
        await limit(execute, DEFAULT_TENANT, 2)
        await bench.publish([quick("a"), quick("b"), quick("c")])
        run = await bench.start()
        await run.waiting("quota")
        scanning = QuotaScan(context)
        assert await scanning.scan() == Scanned()
        await execute("UPDATE workflow_settings SET quota_limit = 100")
        assert await scanning.scan() == Scanned(asked=1)
        assert (await run.ended())["status"] == "SUCCEEDED"
        assert await scanning.scan() == Scanned()
