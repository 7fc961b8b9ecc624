"""A worker that dies while Postgres is at its statements: one is carried out though nobody waits for it, another rolled back."""

from __future__ import annotations

import asyncio
import signal

import pytest
from sqlalchemy import text

from tests.engine.workflow.harness import PATIENCE_SECONDS, Run
from tests.engine.workflow.steps import call
from tests.faults.installation import END_SECONDS
from tests.faults.world import World

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

LOCK = 4711
HOLD = f"""
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE wanted jsonb := (SELECT input_json FROM workflow_runs WHERE run_id = NEW.run_id);
BEGIN
    IF wanted->>'statement' = TG_OP || ' ' || NEW.step_path THEN
        PERFORM set_config('application_name', wanted->>'fate', false);
        PERFORM pg_advisory_xact_lock_shared({LOCK});
    END IF;
    RETURN NEW;
END $$
"""
HELD = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
CLAIM, OUTCOME = "INSERT root.steps[0]", "UPDATE root.steps[0]"
NEXT, END = "INSERT root.steps[1]", "UPDATE root.steps[1]"
"""In a chain the claim of the next step is in the statement with the outcome, and so is the end of the run in the last one."""
CASES = [
    (kind, statement, fate)
    for kind, statements in {
        "fault.quick": (CLAIM, OUTCOME, NEXT, END),
        "fault.ordinary": (CLAIM, OUTCOME),
        # Its claim, what it does and its outcome are one transaction.
        "fault.inside": (CLAIM,),
    }.items()
    for statement in statements
    for fate in ("carried out", "rolled back")
]


async def test_killed_inside_a_statement(world: World) -> None:
    bench, runs = world.bench, list[Run]()
    await bench.execute(HOLD)
    await bench.execute(
        "CREATE TRIGGER hold BEFORE INSERT OR UPDATE ON workflow_action_invocations"
        " FOR EACH ROW EXECUTE FUNCTION hold()"
    )
    for kind, statement, fate in CASES:
        await bench.publish([call("a", kind), call("q", "fault.quick")])
        runs.append(await world.start({"statement": statement, "fate": fate}))

    async def all_held() -> bool:
        [row] = await bench.rows(f"SELECT count(*) AS n {HELD}")
        return bool(row["n"] == len(CASES))

    async def none_is_to_be_rolled_back() -> bool:
        return not await bench.rows(f"SELECT 1 {HELD} AND application_name = 'rolled back'")

    async with bench.store.connect() as holder:
        # Before there is a worker: the runs are on the queue already.
        await holder.execute(text(f"SELECT pg_advisory_lock({LOCK})"))
        await holder.commit()
        async with world.worker("doomed") as doomed:
            await bench.until(all_held)
            doomed.send_signal(signal.SIGKILL)
            assert await doomed.ended(PATIENCE_SECONDS) == -signal.SIGKILL
        await bench.rows(f"SELECT pg_terminate_backend(pid) {HELD} AND application_name = 'rolled back'")
        await bench.until(none_is_to_be_rolled_back)
        await holder.execute(text(f"SELECT pg_advisory_unlock({LOCK})"))
        await holder.commit()
    async with world.worker("heir"):
        # An ordinary action of a dead worker is noticed by its missing heartbeats, after half a minute.
        await asyncio.gather(*(run.result(END_SECONDS) for run in runs))
    for run in runs:
        # The death of a worker is no failure of the action: there is one try, and its row says how it ended.
        assert [(tried["status"], tried["attempt"]) for tried in await run.tries()] == [("SUCCEEDED", 1)] * 2
    outside = [case for case in CASES if case[0] != "fault.inside"]
    # What was executed, and whose outcome was rolled back, is executed again under its key.
    repeated = [case for case in outside if case[1] != CLAIM and case[2] == "rolled back"]
    assert await world.executions() == [1] * (len(CASES) + len(outside) - len(repeated)) + [2] * len(repeated)
    assert len(await bench.rows("SELECT 1 FROM inside")) == len(CASES) - len(outside)
    await world.balance()
