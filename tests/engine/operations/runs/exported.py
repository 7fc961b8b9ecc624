"""Who exports, and what is read of the files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.runs.export import export_run
from engine.records import ExportPart
from engine.store.database.transactions import Store
from engine.temporal.connection import TemporalConnection

CANARY = "canary-4711"
UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def reader(store: Store) -> OperationContext:
    """Somebody who reads, without any Temporal."""

    async def nobody() -> Any:
        raise AssertionError("an export asks Temporal nothing")

    return OperationContext(store, TemporalConnection(nobody), Actor("tester", source="api"))


@pytest.fixture
def asked(store: Store) -> Iterator[list[str]]:
    """Every statement that was sent."""
    statements: list[str] = []

    def sent(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(store.sync_engine, "before_cursor_execute", sent)
    yield statements
    event.remove(store.sync_engine, "before_cursor_execute", sent)


async def file_of(parts: AsyncIterator[ExportPart]) -> str:
    """The whole file."""
    return "".join([part.text async for part in parts])


async def document_of(reader: OperationContext, run_id: str) -> dict[str, Any]:
    """The document of a run."""
    document: dict[str, Any] = json.loads(await file_of(export_run(reader, run_id)))
    return document


async def steps(store: Store, run_id: str, number: int) -> None:
    """That many steps of a run, each with one attempt."""
    async with store.begin() as connection:
        for table, columns, values in (
            ("workflow_run_steps", "definition_step_id, status", "'s' || n, 'SUCCEEDED'"),
            (
                "workflow_action_invocations",
                "action_id, action_version, idempotency_key, status, input_json, output_json",
                "'store.put', 1, gen_random_uuid()::text, 'SUCCEEDED', jsonb_build_object('n', n), '{}'",
            ),
        ):
            await connection.execute(
                text(
                    f"INSERT INTO {table} (run_id, step_path, iteration, visit, {columns})"
                    f" SELECT :run, 'root.steps[0].body.steps[0]', n::text, 1, {values} FROM generate_series(1, :number) AS n"
                ),
                {"run": run_id, "number": number},
            )
