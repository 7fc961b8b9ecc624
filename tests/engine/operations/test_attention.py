"""What needs attention, read from real tables and a real Temporal."""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.operations.attention import attention
from engine.operations.context import OperationContext
from engine.records import AttentionKind
from tests.engine.operations.conftest import Query
from tests.engine.store.rows import insert_run


async def test_a_run_that_should_have_moved_on_needs_attention(context: OperationContext, query: Query) -> None:
    [row] = await query("SELECT clock_timestamp() AS now")
    now: datetime = row["now"]

    async def run(quiet: int, due: int | None = None, **more: object) -> str:
        """``quiet``: minutes since something happened. ``due``: in how many minutes the action of its step must have ended."""
        due_at = None if due is None else now + timedelta(minutes=due)
        at = now - timedelta(minutes=quiet)
        return await insert_run(
            context.store, started_at=at, updated_at=at, step_due_at=due_at, node_step_id="charge", **more
        )

    between_steps, overdue = await run(quiet=5), await run(quiet=30, due=-5)
    await run(quiet=0)
    await run(quiet=30, due=10)
    await run(quiet=30, status="WAITING")
    await run(quiet=30, status="SUCCEEDED", completed_at=now)
    no_step_yet = await run(quiet=30, step_count=0)

    found = await attention(context)
    stalled = [item.key for item in found.items if item.kind is AttentionKind.STALLED]
    assert sorted(stalled) == sorted([between_steps, overdue])
    [told] = {item.reason for item in found.items if item.kind is AttentionKind.STALLED}
    assert told == "It should have moved on from charge by now."
    assert [item.key for item in found.items if item.kind is AttentionKind.STUCK] == [no_step_yet]
