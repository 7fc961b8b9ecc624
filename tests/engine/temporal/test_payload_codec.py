"""F28: a value by reference is read only by the run it was kept for, and only as it was kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from temporalio.api.common.v1 import Payload

from engine.ids import new_id
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from engine.store.trace.payloads import INLINE_BYTES, ForgedPayload
from engine.temporal.payload_codec import ENCODING, LargePayloads

BODY = json.dumps({"definition": "x" * INLINE_BYTES})
PLAIN = {"encoding": b"json/plain"}


@pytest_asyncio.fixture
async def run_id(store: Store) -> str:
    run_id = new_id()
    async with store.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO workflow_runs (run_id, tenant, workflow_id, workflow_version, status, engine)"
                " VALUES (CAST(:id AS uuid), CAST(:tenant AS uuid), 'wf', 1, 'RUNNING', 'temporal')"
            ),
            {"id": run_id, "tenant": DEFAULT_TENANT},
        )
    return run_id


async def kept(store: Store, run_id: str) -> Payload:
    [reference] = await LargePayloads(store, run_id).encode([Payload(metadata=PLAIN, data=BODY.encode())])
    return reference


async def read(store: Store, run_id: str | None, reference: Payload) -> str:
    [payload] = await LargePayloads(store, run_id).decode([reference])
    return payload.data.decode()


def changed(reference: Payload, **fields: Any) -> Payload:
    said = {**json.loads(reference.data), **fields}
    body = json.dumps({name: value for name, value in said.items() if value is not None})
    return Payload(metadata=reference.metadata, data=body.encode())


async def test_the_run_itself_reads_it_also_by_a_reference_of_before(store: Store, run_id: str) -> None:
    reference = await kept(store, run_id)
    for known in (reference, changed(reference, run=None, sha256=None)):
        assert await read(store, run_id, known) == BODY
        assert await read(store, None, known) == BODY


@pytest.mark.parametrize("forged", [{}, {"run": "own"}, {"run": "own", "sha256": None}, {"run": None, "sha256": None}])
async def test_no_other_run_reads_it(store: Store, run_id: str, forged: dict[str, Any]) -> None:
    reference, other = await kept(store, run_id), new_id()
    named = {name: other if value == "own" else value for name, value in forged.items()}
    with pytest.raises(ForgedPayload):
        await read(store, other, changed(reference, **named))


@pytest.mark.parametrize(
    "change",
    [
        "value_json = to_jsonb('{\"definition\": 1}'::text)",
        "run_id = gen_random_uuid()",
        "tenant = gen_random_uuid()",
    ],
)
async def test_what_was_changed_is_not_read(store: Store, run_id: str, change: str) -> None:
    reference = await kept(store, run_id)
    async with store.begin() as connection:
        await connection.execute(text(f"UPDATE workflow_payloads SET {change}"))
    with pytest.raises(ForgedPayload):
        await read(store, run_id, reference)


@pytest.mark.parametrize("data", ["[]", "{", '{"payload_id": 1}', '{"payload_id": "none"}', "{}", '{"payload_id": {}}'])
async def test_what_is_no_reference_is_forged(store: Store, run_id: str, data: str) -> None:
    with pytest.raises(ForgedPayload):
        await read(store, run_id, Payload(metadata={"encoding": ENCODING}, data=data.encode()))


@pytest.mark.parametrize("spelling", ["urn:uuid:{}", "uuid:{}", "{{{}}}", "{}-"])
async def test_an_id_is_read_in_every_spelling_that_is_taken_for_one(store: Store, run_id: str, spelling: str) -> None:
    """Postgres takes fewer than Python does, and what it refuses is repeated as if it were away: for ever."""
    reference = await kept(store, run_id)
    named = spelling.format(json.loads(reference.data)["payload_id"])
    assert await read(store, run_id, changed(reference, payload_id=named)) == BODY
    with pytest.raises(LookupError):
        await read(store, run_id, changed(reference, payload_id=spelling.format(new_id())))


async def test_what_somebody_put_there_beforehand_gives_way(store: Store, run_id: str) -> None:
    await kept(store, run_id)
    async with store.begin() as connection:
        await connection.execute(text("UPDATE workflow_payloads SET value_json = to_jsonb('forged'::text)"))
    assert await read(store, run_id, await kept(store, run_id)) == BODY
