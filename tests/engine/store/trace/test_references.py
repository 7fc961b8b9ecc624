"""A value that is kept by reference is only ever the one that was put there, for that run and tenant."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.ids import derived_id, new_id
from engine.store.database.reader import open_reader
from engine.store.tables import workflow_action_invocations, workflow_payloads
from engine.store.trace.payloads import INLINE_BYTES, ForgedPayload, place, read, reference_of, sized
from engine.store.trace.reading_attempts import attempt_body
from engine.store.trace.recorded_attempts import read_attempts
from tests.engine.store.conftest import TENANT
from tests.engine.store.rows import insert, insert_run

BIG = "x" * INLINE_BYTES
VALUES: dict[str, Any] = {
    "an object whose keys jsonb puts in another order": {"zz": 1, "a": BIG, "bbb": [1, {"y": 1, "x": 2}]},
    "numbers that jsonb spells otherwise": [1e22, -0.0, 5.0, 5, 1e-7, 0.1, 10**30, 1e300, 2**60, BIG],
    "texts": ["é", "\U0001f600", "\u2028", BIG],
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
async def test_what_was_put_there_is_read(engine: AsyncEngine, value: Any) -> None:
    run_id = await insert_run(engine)
    async with engine.begin() as connection:
        placed = await place(connection, run_id, sized(value))
        assert placed.ref is not None
        found = await read(connection, placed.ref, run_id=run_id, tenant=TENANT)
        assert len(found) == len(value)
        assert reference_of(run_id, found) == placed.ref != reference_of(run_id, [found])
        again = await place(connection, run_id, sized(value))
    assert again.ref == placed.ref


async def _attempt(engine: AsyncEngine, run_id: str, reference: str) -> str:
    attempt_id = new_id()
    row = {"step_path": "root.steps[0]", "visit": 1, "action_id": "a", "action_version": 1, "idempotency_key": new_id()}
    kept = {"invocation_id": attempt_id, "run_id": run_id, "status": "SUCCEEDED", "input_ref": reference}
    await insert(engine, workflow_action_invocations, {**row, **kept, "output_ref": reference})
    return attempt_id


async def test_another_value_another_run_and_another_tenant_are_refused(engine: AsyncEngine) -> None:
    ours, theirs = await insert_run(engine), await insert_run(engine)
    async with engine.begin() as connection:
        mine = (await place(connection, ours, sized({"a": BIG}))).ref
        other = (await place(connection, theirs, sized({"theirs": BIG}))).ref
    assert mine is not None
    assert other is not None
    good, stolen = await _attempt(engine, ours, mine), await _attempt(engine, theirs, mine)

    async def shown(run_id: str, attempt_id: str) -> list[Any]:
        body = await attempt_body(engine, TENANT, run_id, attempt_id)
        return [side and side.value for side in (body.input, body.output)]

    async def recorded(run_id: str) -> list[Any]:
        async with open_reader(engine, TENANT) as reader:
            found = await read_attempts(reader, run_id, {}, {}, inputs=True)
        return [side for attempt in found.values() for side in (attempt.input, attempt.output)]

    assert await shown(ours, good) == [{"a": BIG}] * 2
    assert await recorded(ours) == [{"a": BIG}] * 2
    forged = [{"$omitted": "PAYLOAD_FORGED"}] * 2
    assert await shown(theirs, stolen) == forged
    assert BIG not in str(await recorded(theirs))
    async with engine.begin() as connection:
        with pytest.raises(ForgedPayload, match="belongs to another run or tenant, or was changed"):
            await read(connection, mine, run_id=theirs, tenant=TENANT)
        with pytest.raises(ForgedPayload):
            await read(connection, mine, run_id=ours, tenant=new_id())
        changed = update(workflow_payloads).where(workflow_payloads.c.payload_id == mine)
        await connection.execute(changed.values(value_json={"a": BIG, "b": 1}))
    assert await shown(ours, good) == forged
    assert BIG not in str(await recorded(ours))
    async with engine.begin() as connection:
        with pytest.raises(ForgedPayload):
            await read(connection, mine, run_id=ours, tenant=TENANT)


async def test_a_reference_from_before_there_were_digests_is_held_to_run_and_tenant(engine: AsyncEngine) -> None:
    ours, theirs = await insert_run(engine), await insert_run(engine)
    old = derived_id("payload", ours, "a digest of the text")
    await insert(engine, workflow_payloads, {"payload_id": old, "run_id": ours, "value_json": [1], "size_bytes": 3})
    async with engine.connect() as connection:
        assert await read(connection, old, run_id=ours, tenant=TENANT) == [1]
        with pytest.raises(ForgedPayload):
            await read(connection, old, run_id=theirs, tenant=TENANT)
    assert reference_of(ours, [1]) != old
