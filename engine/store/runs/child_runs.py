"""Child runs: a child's row, written together with its parent's wait for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from engine.contract import ENGINE, workflow_id_for
from engine.store.database.single_statement import execute_alone
from engine.store.database.transactions import Connection, Store
from engine.store.runs.runs import FIRST_STEP
from engine.store.trace.projection import Progress, Waiting, projecting
from engine.values.json_policy import dumps_for_storage
from engine.values.jsonb_order import text_in_order


@dataclass(frozen=True, slots=True)
class Parent:
    """What a parent's row says about the children it may have."""

    tenant: str
    depth: int
    """Ancestors of the parent."""
    child_exists: bool
    """The child was created before: nothing is left to decide."""


@dataclass(frozen=True, slots=True)
class NewChild:
    """A child run to create. Its id is derived from the parent's step and attempt, so a repeat finds it."""

    run_id: str
    workflow_id: str
    workflow_version: int
    definition_hash: str
    payload: dict[str, Any]
    payload_bytes: int


async def parent_of(connection: Connection, parent_run_id: str, child_run_id: str) -> Parent | None:
    """The parent; None when it does not exist."""
    row = (await connection.execute(_PARENT, {"parent": parent_run_id, "child": child_run_id})).one_or_none()
    return None if row is None else Parent(row.tenant, row.depth, row.child_exists)


async def open_child(connection: Connection, progress: Progress, waiting: Waiting, child: NewChild | None) -> bool:
    """Write the parent's trace and its wait, and create the child. None: the child exists. False: the parent is closed."""
    if child is None:
        statement, parameters = projecting(progress, waiting)
    else:
        statement, parameters = projecting(progress, waiting, beside=_CHILD)
        parameters |= _parameters(progress, waiting, child)
    return bool((await connection.execute(statement, parameters)).scalar_one())


async def record_execution(store: Store, child_run_id: str, temporal_run_id: str) -> None:
    """Note which execution a child runs as: for other runs the launch does that, but a child is started by its parent."""
    await execute_alone(store, _EXECUTION, {"child": child_run_id, "temporal_run_id": temporal_run_id})


def _parameters(progress: Progress, waiting: Waiting, child: NewChild) -> dict[str, Any]:
    log = {
        "workflowId": child.workflow_id,
        "workflowVersion": child.workflow_version,
        "payloadSizeBytes": child.payload_bytes,
        "triggerType": "child",
        "parentRunId": progress.run_id,
        "parentStepPath": waiting.step.path,
    }
    return {
        "child": child.run_id,
        "temporal_workflow_id": workflow_id_for(child.run_id),
        "workflow_id": child.workflow_id,
        "workflow_version": child.workflow_version,
        "definition_hash": child.definition_hash,
        "engine": ENGINE,
        "first_step": FIRST_STEP,
        "input": dumps_for_storage(child.payload),
        "input_text": text_in_order(child.payload),
        "parent_step_path": waiting.step.path,
        "held_iteration": waiting.step.iteration,
        "held_visit": waiting.step.visit,
        "held_attempt": waiting.attempt,
        "log_context": dumps_for_storage(log),
    }


_EXECUTION: Final = text("""
    UPDATE workflow_runs SET temporal_run_id = :temporal_run_id
    WHERE run_id = CAST(:child AS uuid) AND temporal_run_id IS NULL
""")
_PARENT: Final = text("""
    SELECT p.tenant::text AS tenant, p.depth,
        EXISTS (SELECT FROM workflow_runs AS c WHERE c.run_id = CAST(:child AS uuid)) AS child_exists
    FROM workflow_runs AS p WHERE p.run_id = CAST(:parent AS uuid)
""")

# The child counts as started at once: nobody but its parent may start it. And it runs by its parent's semantics. One whose call
# was held by a pause began with the call, which is on record then: from there it looks back for events.
_CHILD: Final = """child AS (
        INSERT INTO workflow_runs
            (run_id, tenant, workflow_id, workflow_version, status, node_path, input_json, input_text, trigger_type,
             trigger_metadata_json, engine, temporal_workflow_id, definition_hash, runtime_semantics_version,
             parent_run_id, root_run_id, depth, launch_state, started_at)
        SELECT CAST(:child AS uuid), p.tenant, :workflow_id, CAST(:workflow_version AS int), 'RUNNING', :first_step,
            CAST(:input AS jsonb), :input_text, 'child',
            jsonb_build_object('parentRunId', p.run_id, 'rootRunId', coalesce(p.root_run_id, p.run_id),
                'parentStepPath', CAST(:parent_step_path AS text)),
            :engine, :temporal_workflow_id, :definition_hash, p.runtime_semantics_version,
            p.run_id, coalesce(p.root_run_id, p.run_id), p.depth + 1, 'started',
            least(now(), (SELECT w.created_at FROM workflow_run_waits AS w
                WHERE w.run_id = p.run_id AND w.step_path = :parent_step_path AND w.iteration = :held_iteration
                    AND w.visit = :held_visit AND w.wait_type = 'child' AND w.attempt = :held_attempt AND w.visit > 0))
        FROM live JOIN workflow_runs AS p ON p.run_id = live.run_id
        ON CONFLICT (run_id) DO NOTHING
        RETURNING run_id, tenant
    ), child_log AS (
        INSERT INTO workflow_run_logs (run_id, tenant, level, message, context_json, source)
        SELECT child.run_id, child.tenant, 'INFO', 'Run started', CAST(:log_context AS jsonb), 'workflow' FROM child
    )"""
