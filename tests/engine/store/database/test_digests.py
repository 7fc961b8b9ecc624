"""A page learns in its one round trip whether what is hidden in its runs and events is known: nothing new is missed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.ids import new_id
from engine.records import EventFilter, RunFilter, RunRow
from engine.store.database import question as asking
from engine.store.database.engine import create_store_engine
from engine.store.database.following import document_limits
from engine.store.database.hidden_documents import CONTENTS, LISTED
from engine.store.database.question import Telling, ask, ask_telling, question, telling, tells
from engine.store.events.reading import events_page
from engine.store.runs.listing import runs_page
from engine.store.runs.reading import run_summary
from engine.store.tables import (
    workflow_action_invocations,
    workflow_definition_versions,
    workflow_definitions,
    workflow_event_deliveries,
    workflow_human_tasks,
    workflow_runs,
    workflow_runtime_events,
)
from engine.values.redaction.placeholder import PLACEHOLDER
from tests.engine.store.conftest import TENANT
from tests.engine.store.rows import START, insert, insert_run
from tests.engine.store.wire import RoundTrips

SECRET = "Kanarie-4711-geheim"
MARKED = {"properties": {"badge": {"x-sensitive": True}}}
Appears = Callable[[AsyncEngine, str], Awaitable[None]]


async def _output(engine: AsyncEngine, run_id: str) -> None:
    await insert(engine, workflow_action_invocations, _attempt(run_id, output_json={"password": SECRET}))


def _attempt(run_id: str, **values: Any) -> dict[str, Any]:
    return {
        "invocation_id": new_id(),
        "run_id": run_id,
        "step_path": "root.steps[0]",
        "action_id": "shop.pay",
        "action_version": 1,
        "idempotency_key": new_id(),
        "status": "SUCCEEDED",
        "attempt": 1,
        "created_at": START,
        **values,
    }


async def _output_that_is_marked(engine: AsyncEngine, run_id: str) -> None:
    await _published(engine, action_traits={"shop.pay@1": {"sensitive": {"input": MARKED}}})
    await insert(engine, workflow_action_invocations, _attempt(run_id, input_json={"badge": SECRET}, status="FAILED"))


async def _payload_that_is_marked(engine: AsyncEngine, _: str) -> None:
    await _published(engine, payload_schema_json=MARKED)


async def _published(engine: AsyncEngine, **values: Any) -> None:
    workflow = {"workflow_id": "order-fulfilment"}
    await insert(
        engine,
        workflow_definitions,
        {**workflow, "name": "Orders", "payload_schema_ref": "a", "status": "published", "draft_definition": {}},
    )
    await insert(engine, workflow_definition_versions, {**workflow, "version": 3, "definition_json": {}, **values})


async def _event(engine: AsyncEngine, run_id: str) -> None:
    event_id = new_id()
    event = {"event_id": event_id, "event_name": "paid", "payload": {"token": SECRET}, "state": "routed"}
    await insert(engine, workflow_runtime_events, event)
    delivery = {"delivery_id": new_id(), "event_id": event_id, "run_id": run_id, "target_kind": "wait", "target": "a"}
    await insert(engine, workflow_event_deliveries, {**delivery, "status": "done", "event_name": "paid"})


async def _answer(engine: AsyncEngine, run_id: str) -> None:
    task = {"task_id": new_id(), "run_id": run_id, "step_path": "root.steps[0]", "task_type": "check", "title": "Check"}
    await insert(engine, workflow_human_tasks, {**task, "status": "completed", "response_json": {"pin": SECRET}})


async def _parent(engine: AsyncEngine, run_id: str) -> None:
    """It is not said later who started a run; that somebody did is all the same a document more."""
    above = await insert_run(engine, input_json={"password": SECRET})
    async with engine.begin() as connection:
        of_run = update(workflow_runs).where(workflow_runs.c.run_id == run_id)
        await connection.execute(of_run.values(parent_run_id=above, root_run_id=above))


@pytest.mark.parametrize(
    "appears",
    [_output, _output_that_is_marked, _payload_that_is_marked, _event, _answer, _parent],
    ids=lambda f: f.__name__,
)
async def test_what_appears_later_is_hidden_on_the_next_page(engine: AsyncEngine, appears: Appears) -> None:
    failed = {"status": "FAILED", "error_json": {"message": f"no luck with {SECRET.upper()}"}}
    run_id = await insert_run(engine, input_json={"badge": SECRET}, **failed)
    for _ in range(2):
        assert (await _listed(engine, run_id)).error_message == f"no luck with {SECRET.upper()}"
    await appears(engine, run_id)
    for _ in range(2):
        assert (await _listed(engine, run_id)).error_message == PLACEHOLDER


async def _listed(engine: AsyncEngine, run_id: str) -> RunRow:
    [row] = [row for row in (await runs_page(engine, TENANT, RunFilter())).rows if row.run_id == run_id]
    return row


async def test_an_event_that_has_the_id_of_one_that_was_deleted_is_another(engine: AsyncEngine) -> None:
    event = {"event_id": "paid-1", "event_name": "paid", "state": "routed", "correlation_key": SECRET}

    async def key() -> str | None:
        [row] = (await events_page(engine, TENANT, EventFilter())).rows
        return row.key

    await insert(engine, workflow_runtime_events, {**event, "payload": {"n": 1}})
    assert await key() == SECRET
    async with engine.begin() as connection:
        await connection.execute(delete(workflow_runtime_events))
    await insert(engine, workflow_runtime_events, {**event, "payload": {"password": SECRET}})
    assert await key() == PLACEHOLDER


async def test_a_page_brings_as_little_for_many_documents_as_for_one(engine: AsyncEngine) -> None:
    run_ids = {await insert_run(engine, input_json={"password": SECRET}) for _ in range(3)}
    await insert(
        engine,
        workflow_action_invocations,
        *(_attempt(run_id, output_json={"n": number}) for run_id in sorted(run_ids) for number in range(7)),
    )
    asked = _of_runs()
    _, [rows] = await ask(engine, TENANT, asked.digests, parameters=document_limits(TENANT))
    assert sorted((row.kind, row.documents) for row in rows) == [*[("output", 7)] * 3, *[("run", 1)] * 3]
    assert {row.of for row in rows} == run_ids


async def test_what_a_page_receives_does_not_grow_with_its_documents(
    engine: AsyncEngine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = {"status": "FAILED", "error_json": {"message": "it is down"}}
    run_id = await insert_run(engine, input_json={"password": SECRET}, **failed)
    round_trips = RoundTrips(tmp_path, monkeypatch)
    traced = create_store_engine(database_url)

    async def received() -> int:
        for _ in range(8):
            round_trips.start()
            await runs_page(traced, TENANT, RunFilter())
        assert (round_trips.count, round_trips.statements) == (1, 5)
        return round_trips.received

    try:
        await insert(engine, workflow_action_invocations, _attempt(run_id, output_json={"n": 0}))
        one = await received()
        await insert(
            engine, workflow_action_invocations, *(_attempt(run_id, output_json={"n": number}) for number in range(100))
        )
        # A number has more digits, and the time as many as it needs; a hundred ids alone would be 3,600 bytes.
        assert abs(await received() - one) < 30
    finally:
        await traced.dispose()


async def test_only_what_was_never_seen_is_looked_up(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = await insert_run(engine, input_json={"password": SECRET})
    asked: list[tuple[str, Any]] = []
    ask_one = asking.ask

    async def recording(*given: Any, parameters: Any = None) -> Any:
        if given[2].query in {LISTED, CONTENTS}:
            asked.append(
                (
                    "listed" if given[2].query is LISTED else "contents",
                    parameters.get("runs", parameters.get("payloads")),
                )
            )
        return await ask_one(*given, parameters=parameters)

    monkeypatch.setattr(asking, "ask", recording)
    await ask_telling(engine, TENANT, _of_runs())
    assert asked == [("listed", [seen]), ("contents", [seen])]
    asked.clear()
    reading, _ = await ask_telling(engine, TENANT, _of_runs())
    assert asked == []
    assert reading.of(run_id=seen).hide_text(SECRET[::-1]) == PLACEHOLDER
    unseen = await insert_run(engine, input_json={"password": SECRET[::-1]})
    reading, _ = await ask_telling(engine, TENANT, _of_runs())
    assert asked == [("listed", [unseen]), ("contents", [unseen])]
    assert reading.of(run_id=seen).hide_text(SECRET) == reading.of(run_id=unseen).hide_text(SECRET) == PLACEHOLDER


async def test_a_row_that_tells_nothing_is_not_followed(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine, input_json={"password": SECRET})
    silent = telling(
        question(select(workflow_runs.c.run_id, workflow_runs.c.error_json)), ("error_json",), run="run_id"
    )
    reading, [[row]] = await ask_telling(engine, TENANT, silent)
    assert not tells(row, silent.texts)
    assert reading.of(run_id=run_id).hide_text("anything") == PLACEHOLDER


async def test_a_page_is_told_what_it_hides_where_the_policy_may_not_be_read(
    engine: AsyncEngine, database_url: str
) -> None:
    """Then each question is asked alone; what a page says is hidden, its rows are there."""
    run_id = await insert_run(engine, input_json={"password": SECRET})
    owner = create_store_engine(database_url)
    async with owner.begin() as connection:
        await connection.execute(text("CREATE ROLE half_blind LOGIN IN ROLE runstudio_service"))
        await connection.execute(text("REVOKE SELECT ON workflow_settings FROM runstudio_service"))
    blind = create_store_engine(database_url.replace("postgres@", "half_blind@"))
    try:
        reading, [[row], [one]] = await ask_telling(
            blind, TENANT, _of_runs(), question(select(literal(1).label("one")))
        )
        assert (str(row.run_id), one.one) == (run_id, 1)
        assert reading.of(run_id=run_id).hide_text("anything") == PLACEHOLDER
    finally:
        await blind.dispose()
        async with owner.begin() as connection:
            await connection.execute(text("DROP ROLE half_blind"))
        await owner.dispose()


async def test_a_secret_that_is_called_like_a_field_hides_no_field(engine: AsyncEngine) -> None:
    """The names in a row are ours; what stands under them is a copy or not."""
    values = {"password": "message", "token": "code", "pin": "category"}
    told = {"message": "it is down", "code": "DOWN", "category": "ActionError"}
    failed = {"status": "FAILED", "error_json": told}
    run_id = await insert_run(engine, input_json=values, **failed)
    row = await _listed(engine, run_id)
    assert (row.error_code, row.error_message) == ("DOWN", "it is down")
    error = (await run_summary(engine, TENANT, run_id)).error
    assert error is not None
    assert (error.category, error.code, error.message) == ("ActionError", "DOWN", "it is down")


def _of_runs() -> Telling:
    return telling(question(select(workflow_runs.c.run_id)), ("run_id",), run="run_id")
