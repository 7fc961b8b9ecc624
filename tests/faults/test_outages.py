"""Servers that go away under load, and what the people at both ends of the engine are told meanwhile."""

from __future__ import annotations

import asyncio
import random

import httpx
import pytest

from engine.errors import Unavailable
from engine.operations.context import OperationContext
from engine.operations.diagnosis.diagnose import diagnose_run
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.runs.cancel import cancel_run
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.records import Started
from tests.engine.workflow.harness import PATIENCE_SECONDS, Run
from tests.engine.workflow.steps import call, for_each, wait_event
from tests.faults.installation import Installation

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

OUTAGE_SECONDS = 30.0


class TestPostgres:
    RUNS = 60
    RESTARTS = 5

    async def test_restarted_at_random_while_programs_use_the_engine(self, installation: Installation) -> None:
        chance, context = random.Random(4711), installation.context
        await installation.bench.publish([
            call("q", "ledger.quick"),
            call("i", "ledger.inside"),
            wait_event("w", "GO", key="payload.order"),
            call("o", "ledger.ordinary", seconds=0.1),
        ])  # fmt: skip

        async def customer(number: int) -> str:
            """Starts a run and sends it its event, again and again until both were accepted."""
            await asyncio.sleep(number * 0.25)
            order = f"o-{number}"
            request = LaunchRequest("wf.main", {"order": order}, idempotency_key=order)
            run_id = (await _accepted(lambda: launch_published_run(context, request))).run_id
            event = EventRequest("GO", {"n": number}, order, event_id=order)
            await _accepted(lambda: submit_event(context, event))
            return str(run_id)

        async with installation.worker("worker"):
            customers = asyncio.gather(*(customer(number) for number in range(self.RUNS)))
            for _ in range(self.RESTARTS):
                await asyncio.sleep(chance.uniform(0.2, 3))
                await installation.restart_postgres(away=chance.uniform(0, 1.5))
            runs = [Run(installation.bench, run_id) for run_id in await customers]
            await installation.all_ended()
        counted = await installation.account(runs, executed=2 * self.RUNS, inside=self.RUNS)
        assert counted == {"SUCCEEDED": self.RUNS}

    async def test_away_for_longer_than_a_workflow_task(self, installation: Installation) -> None:
        each = [call("q", "ledger.quick"), call("i", "ledger.inside")]
        await installation.bench.publish([for_each("l", "[1..10]", each), call("o", "ledger.ordinary"), *each])
        runs = await installation.launch(5, lambda _: {})
        async with installation.worker("worker"):
            await installation.done(10)
            await installation.restart_postgres(away=25)
            await installation.all_ended()
        assert await installation.account(runs, executed=5 * 12, inside=5 * 11) == {"SUCCEEDED": 5}
        for run in runs:
            # An activity that waits for Postgres is no reason to fill the history.
            assert sum((await run.events()).values()) < 250


async def _accepted(request):  # type: ignore[no-untyped-def]
    async with asyncio.timeout(60):
        while True:
            try:
                return await request()
            except Unavailable:
                await asyncio.sleep(0.2)


class TestTemporal:
    async def test_away_for_half_a_minute(self, installation: Installation) -> None:
        bench, context = installation.bench, installation.context
        await bench.publish([
            call("q", "ledger.quick"),
            call("o", "ledger.ordinary", seconds=4),
            wait_event("w", "GO", key="payload.order"),
            call("i", "ledger.inside"),
        ])  # fmt: skip
        async with installation.worker("worker") as worker, httpx.AsyncClient() as web:
            health = f"http://127.0.0.1:{worker.port}"
            before = await installation.launch(20, lambda number: {"order": f"before-{number}"})
            await installation.done(20)
            await asyncio.to_thread(installation.temporal.kill)
            outage = asyncio.create_task(asyncio.sleep(OUTAGE_SECONDS))

            async def noticed() -> bool:
                return (await web.get(f"{health}/readyz")).status_code == 503

            await installation.until(noticed, PATIENCE_SECONDS)
            assert (await web.get(f"{health}/livez")).status_code == 200
            during = await asyncio.gather(*(
                launch_published_run(context, LaunchRequest("wf.main", {"order": f"during-{number}"}))
                for number in range(10)
            ))  # fmt: skip
            assert all(result.pending for result in during)
            assert all(result.message.startswith("Accepted, not started yet") for result in during)
            for order in [f"before-{n}" for n in range(20)] + [f"during-{n}" for n in range(10)]:
                await submit_event(context, EventRequest("GO", {}, order))
            await self.what_an_operator_sees(context, installation, before[0], during[0])
            # All of that was during the outage, which lasts half a minute or, on a slow machine, longer.
            await outage
            await installation.start_temporal()
            await installation.all_ended()
            await installation.ready(worker)
        runs = [*before, *(Run(bench, result.run_id) for result in during)]
        assert await installation.account(runs, executed=60, inside=30) == {"SUCCEEDED": 30}
        completed = await bench.rows(
            "SELECT DISTINCT run_id FROM workflow_run_logs WHERE message = 'Launch completed by the reconciler'"
        )
        assert {str(row["run_id"]) for row in completed} == {result.run_id for result in during}

    async def what_an_operator_sees(
        self, context: OperationContext, installation: Installation, under_way: Run, pending: Started
    ) -> None:
        untouched = await under_way.row()
        with pytest.raises(Unavailable, match="TEMPORAL_UNAVAILABLE"):
            await cancel_run(context, under_way.id, "does not answer")
        assert (await under_way.row())["cancel_requested_at"] is untouched["cancel_requested_at"] is None
        said = [finding.code for finding in (await diagnose_run(context, pending.run_id)).findings]
        assert said[:2] == ["TEMPORAL_UNREACHABLE", "LAUNCH_PENDING"]
        said = [finding.code for finding in (await diagnose_run(context, under_way.id)).findings]
        assert said[0] == "TEMPORAL_UNREACHABLE"
        assert "LAUNCH_PENDING" not in said
