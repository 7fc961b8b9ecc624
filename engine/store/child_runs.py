"""Child runs: what decides whether one may start, and its row, written together with the parent's wait for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from engine.contract import ENGINE, SEMANTICS_VERSION, workflow_id_for
from engine.store.json_policy import dumps_for_storage
from engine.store.payloads import Sized
from engine.store.projection import Progress, Waiting, projecting
from engine.store.single_statement import execute_alone
from engine.store.transactions import Store

FIRST_STEP: Final = "root.steps[0]"


@dataclass(frozen=True, slots=True)
class NewChild:
    """A child run to create. Its id is derived from the parent's step and try, so a repeat finds it."""

    run_id: str
    workflow_id: str
    workflow_version: int
    payload: Sized


@dataclass(frozen=True, slots=True)
class ChildFacts:
    """What the launch rules look at."""

    exists: bool
    """The child was created before: the rules have been applied."""
    depth: int
    """Ancestors the child will have."""
    workflow_exists: bool
    version_exists: bool
    paused: bool
    payload_schema: Any


async def child_facts(store: Store, parent_run_id: str, child: NewChild) -> ChildFacts | None:
    """What is known before the child is created; None when the parent does not exist."""
    parameters = {
        "parent": parent_run_id,
        "child": child.run_id,
        "workflow_id": child.workflow_id,
        "workflow_version": child.workflow_version,
    }
    row = await execute_alone(store, _FACTS, parameters)
    return row and ChildFacts(
        exists=row.child_exists,
        depth=row.depth + 1,
        workflow_exists=row.is_paused is not None,
        version_exists=row.version_id is not None,
        paused=bool(row.is_paused),
        payload_schema=row.payload_schema_json,
    )


async def open_child(store: Store, progress: Progress, waiting: Waiting, child: NewChild) -> bool:
    """Write the parent's trace and wait, and create the child, in one statement. False: the parent is closed or further."""
    statement, parameters = projecting(progress, waiting, beside=_CHILD)
    step = waiting.step
    parameters |= {
        "child": child.run_id,
        "temporal_workflow_id": workflow_id_for(child.run_id),
        "workflow_id": child.workflow_id,
        "workflow_version": child.workflow_version,
        "engine": ENGINE,
        "semantics_version": SEMANTICS_VERSION,
        "first_step": FIRST_STEP,
        "input": child.payload.text,
        "step_path": step.path,
        "log_context": dumps_for_storage(
            {
                "workflowId": child.workflow_id,
                "workflowVersion": child.workflow_version,
                "payloadSizeBytes": child.payload.size,
                "triggerType": "child",
                "parentRunId": progress.run_id,
                "parentStepPath": step.path,
            }
        ),
    }
    row = await execute_alone(store, statement, parameters)
    return row is not None and bool(row[0])


_FACTS: Final = text("""
    SELECT p.depth, d.is_paused, v.version_id, v.payload_schema_json,
        EXISTS (SELECT FROM workflow_runs AS c WHERE c.run_id = CAST(:child AS uuid)) AS child_exists
    FROM workflow_runs AS p
    LEFT JOIN workflow_definitions AS d ON d.tenant = p.tenant AND d.workflow_id = :workflow_id
    LEFT JOIN workflow_definition_versions AS v
        ON v.tenant = p.tenant AND v.workflow_id = :workflow_id AND v.version = :workflow_version
    WHERE p.run_id = CAST(:parent AS uuid)
""")

# The child counts as started at once: only its parent may start it. The hash is the version's own, or, for a version from
# before the cutover, checked by nobody.
_CHILD: Final = """child AS (
        INSERT INTO workflow_runs
            (run_id, tenant, workflow_id, workflow_version, status, node_path, input_json, trigger_type,
             trigger_metadata_json, engine, temporal_workflow_id, definition_hash, runtime_semantics_version,
             parent_run_id, root_run_id, depth, launch_state)
        SELECT CAST(:child AS uuid), p.tenant, :workflow_id, CAST(:workflow_version AS int), 'RUNNING', :first_step,
            CAST(:input AS jsonb), 'child',
            jsonb_build_object('parentRunId', p.run_id, 'rootRunId', coalesce(p.root_run_id, p.run_id),
                'parentStepPath', CAST(:step_path AS text)),
            :engine, :temporal_workflow_id, v.definition_hash, :semantics_version,
            p.run_id, coalesce(p.root_run_id, p.run_id), p.depth + 1, 'started'
        FROM run JOIN workflow_runs AS p ON p.run_id = run.run_id
        JOIN workflow_definition_versions AS v
            ON v.tenant = p.tenant AND v.workflow_id = :workflow_id AND v.version = :workflow_version
        ON CONFLICT (run_id) DO NOTHING
        RETURNING run_id, tenant
    ), child_log AS (
        INSERT INTO workflow_run_logs (run_id, tenant, level, message, context_json, source)
        SELECT child.run_id, child.tenant, 'INFO', 'Run started', CAST(:log_context AS jsonb), 'workflow' FROM child
    )"""
