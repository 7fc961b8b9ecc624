"""A run of many steps, written into a database as its worker would have left it: played in memory, its trace copied in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from engine.contract import SEMANTICS_VERSION
from engine.definition.compile import compile_definition
from engine.definition.hash import definition_hash
from engine.definition.parse import parse_definition
from engine.ids import new_id
from engine.interpreter import effects as fx
from engine.interpreter.ledger import Ledger, key_of
from engine.interpreter.machine import Machine
from engine.rebuild.memory_host import EvenHost, VirtualClock
from engine.settings import DEFAULT_TENANT

WORKFLOW: Final = "long-run"
STEPS_PER_ITEM: Final = 4
_STARTED: Final = datetime(2026, 1, 1, tzinfo=UTC)
_TRY: Final = timedelta(milliseconds=5)
_RUN_COLUMNS: Final = (
    "run_id", "tenant", "workflow_id", "workflow_version", "status", "input_json", "output_json", "engine",
    "definition_hash", "runtime_semantics_version", "step_count", "seq", "started_at", "completed_at", "updated_at",
)  # fmt: skip
_STEP_COLUMNS: Final = (
    "run_id", "tenant", "step_path", "iteration", "visit", "definition_step_id", "step_type", "status", "attempt", "seq",
    "outcome_json", "started_at", "completed_at",
)  # fmt: skip
_TRY_COLUMNS: Final = (
    "run_id", "tenant", "step_path", "iteration", "visit", "attempt", "action_id", "action_version", "idempotency_key",
    "status", "input_json", "output_json", "input_bytes", "output_bytes", "started_at", "completed_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LongRun:
    """What was written."""

    run_id: str
    steps: tuple[tuple[str, str], ...]
    """Path and iteration of every step, in the order they were executed."""


def write_long_run(url: str, items: int) -> LongRun:
    """Write an ended run of ``STEPS_PER_ITEM`` steps per item, one of them an action, into the database at a libpq ``url``."""
    run_id, definition, payload = (
        new_id(),
        _definition(),
        {"items": [{"sku": f"SKU-{n}", "n": n} for n in range(items)]},
    )
    digest = definition_hash(definition)
    facts = fx.RunFacts(run_id, WORKFLOW, 1, DEFAULT_TENANT, digest, SEMANTICS_VERSION)
    clock, ledger, tries = VirtualClock(_STARTED), Ledger(), list[tuple[Any, ...]]()
    plan = compile_definition(parse_definition(definition))
    machine = Machine.start(plan, facts, payload, None, EvenHost(), {}, None, at_ms=clock.now_ms)
    while not isinstance(effect := machine.advance(), fx.Finish):
        ledger.add(effect.trace)
        if isinstance(effect, fx.CallAction):
            began = clock.now
            clock.move_to(began + _TRY)
            output = {"stored": True, "place": f"shelf {len(tries) % 97}"}
            names = key_of(effect.step)
            key = f"{run_id}:{':'.join(map(str, names))}"
            tries.append((
                run_id, DEFAULT_TENANT, *names, effect.attempt, effect.action_id, effect.action_version, key, "SUCCEEDED",
                Jsonb(effect.input), Jsonb(output), 20, 40, began, clock.now,
            ))  # fmt: skip
            machine.resume(fx.ActionSucceeded(output), clock.now_ms)
        else:
            machine.resume(fx.Flushed(), None)
    ledger.add(effect.trace)
    steps = [
        (
            run_id, DEFAULT_TENANT, *key_of(step.step), step.step.step_id, step.step.step_type, step.status, step.attempt,
            step.seq, Jsonb(step.outcome), step.started_at, step.completed_at,
        )
        for step in ledger.steps
    ]  # fmt: skip
    run = (
        run_id, DEFAULT_TENANT, WORKFLOW, 1, effect.status, Jsonb(payload), Jsonb(effect.scopes["vars"]), "temporal", digest,
        SEMANTICS_VERSION, effect.steps_started, max(step.seq for step in ledger.steps), _STARTED, clock.now, clock.now,
    )  # fmt: skip
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO workflow_definitions (tenant, workflow_id, name, payload_schema_ref, draft_definition)"
            " VALUES (%s, %s, 'Long run', 'bench.Payload.v1', '{}')",
            (DEFAULT_TENANT, WORKFLOW),
        )
        connection.execute(
            "INSERT INTO workflow_definition_versions (tenant, workflow_id, version, definition_json) VALUES (%s, %s, 1, %s)",
            (DEFAULT_TENANT, WORKFLOW, Jsonb(definition)),
        )
        _copy(connection, "workflow_runs", _RUN_COLUMNS, [run])
        _copy(connection, "workflow_run_steps", _STEP_COLUMNS, steps)
        _copy(connection, "workflow_action_invocations", _TRY_COLUMNS, tries)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE workflow_run_steps, workflow_action_invocations, workflow_runs")
    return LongRun(run_id, tuple((step.step.path, step.step.iteration) for step in ledger.steps))


def _copy(connection: psycopg.Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"  # names of this file only
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copying:
        for row in rows:
            copying.write_row(row)


def _definition() -> dict[str, Any]:
    def expr(source: str) -> dict[str, str]:
        return {"$expr": source}

    put = {
        "id": "put",
        "type": "action.call",
        "config": {
            "actionId": "bench.put",
            "version": 1,
            "inputMapping": {"sku": expr("line.sku"), "n": expr("line.n")},
            "saveAs": "vars.stored",
        },
    }
    add = {"id": "add", "type": "transform.assign", "config": {"assign": {"vars.total": expr("total + line.n")}}}
    seen = {"id": "seen", "type": "state.set", "config": {"state": "COUNTING"}}
    choose = {"id": "large", "type": "control.if", "condition": expr("line.n >= 0"), "then": [seen], "else": []}
    loop = {
        "id": "each",
        "type": "control.forEach",
        "items": expr("payload.items"),
        "itemVar": "line",
        "body": [put, add, choose],
    }
    begin = {"id": "begin", "type": "transform.assign", "config": {"assign": {"vars.total": expr("0")}}}
    return {
        "id": WORKFLOW,
        "version": 1,
        "name": "Long run",
        "payloadSchemaRef": "bench.Payload.v1",
        "steps": [begin, loop],
    }
