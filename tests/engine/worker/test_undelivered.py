"""What came for a run and could not be sent to it so far: `why` says what keeps it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from temporalio.client import Client, Interceptor, OutboundInterceptor, SignalWorkflowInput
from temporalio.service import RPCError, RPCStatusCode

from engine.operations.context import OperationContext
from engine.operations.diagnosis.diagnose import diagnose_run
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.routing import route_received
from engine.operations.tasks.tasks import complete_task
from engine.store.database.transactions import Store
from engine.store.runs.diagnosing import load_row_facts
from engine.temporal.connection import TemporalConnection
from tests.engine.operations.runs.test_query_plans import explained
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import ask, wait_event


class Refusing(Interceptor):
    """No signal is taken; everything else is."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        class Outbound(OutboundInterceptor):
            async def signal_workflow(self, input: SignalWorkflowInput) -> None:
                raise RPCError("Request unauthorized.", RPCStatusCode.PERMISSION_DENIED, b"")

        return Outbound(next)


@pytest.mark.parametrize("kind", ["event", "human"])
async def test_why_says_what_keeps_an_event_or_an_answer_from_its_run(
    context: OperationContext, store: Store, temporal: Client, temporal_address: str, kind: str
) -> None:
    refused = TemporalConnection.from_client(await Client.connect(temporal_address, interceptors=[Refusing()]))
    bench = Bench(store, temporal)
    async with bench.worker():
        await bench.publish([wait_event("w", key='"k"') if kind == "event" else ask("t")])
        run = await bench.start()
        await run.waiting(kind)
        at = replace(context, temporal=refused)
        if kind == "event":
            await submit_event(at, EventRequest("PING", {}, "k"))
            assert await route_received(at) == 1
            assert await make_due_deliveries(at) == 1
        else:
            [task] = await bench.rows("SELECT task_id::text AS id FROM workflow_human_tasks")
            assert not (await complete_task(at, task["id"], {})).delivered
        [finding] = (await diagnose_run(context, run.id)).findings
        assert finding.code == "NOT_DELIVERED"
        assert "Request unauthorized" in finding.evidence[-1]
        assert (await run.row())["status"] == "WAITING"


async def test_however_many_are_pending_those_of_a_run_are_found_by_an_index(
    context: OperationContext, store: Store
) -> None:
    bench = Bench(store, await context.temporal.client())
    await bench.publish([wait_event("w")])
    run = await bench.start()
    await bench.execute("UPDATE workflow_runs SET status = 'WAITING', waiting_on = 'event'")
    await bench.execute(
        "INSERT INTO workflow_event_deliveries (delivery_id, tenant, target_kind, target, run_id, last_error)"
        " SELECT gen_random_uuid(), :tenant, 'task', n, gen_random_uuid(), 'x' FROM generate_series(1, 10000) AS n",
        tenant=context.tenant,
    )
    plans = await explained(store, lambda c: load_row_facts(c, context.tenant, run.id), about="WITH of_run")
    assert len(plans) == 1
    assert "workflow_event_deliveries_run" in str(plans[0])
    assert "Seq Scan" not in str(plans[0])
