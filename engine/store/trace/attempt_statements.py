# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""Statements that claim and settle attempts: an attempt is found by its place in the run, its key by the index that holds it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from engine.store.trace.trace_rows import duration_ms

CLAIM: Final = """claim AS (
        INSERT INTO workflow_action_invocations
            (run_id, tenant, step_path, iteration, visit, attempt, action_id, action_version, idempotency_key, status,
             worker_identity, input_json, input_ref, input_bytes, started_at)
        SELECT live.run_id, live.tenant, :path, :iteration, :visit, :attempt, :action_id, :action_version, :key, 'STARTED',
            :worker, CAST(:input AS jsonb), CAST(:input_ref AS uuid), :input_bytes, CAST(:claimed_at AS timestamptz)
        FROM live
        ON CONFLICT DO NOTHING
        RETURNING 1
    )"""
CLAIMED: Final = "SELECT count(*) AS claimed FROM claim"

LIVE: Final = """live AS (
        SELECT r.run_id, r.tenant FROM workflow_runs AS r
        WHERE r.run_id = CAST(:run_id AS uuid) AND r.status IN ('RUNNING', 'WAITING')"""
CLAIM_ONLY: Final = text(f"WITH {LIVE}), {CLAIM} {CLAIMED}")

THE_ATTEMPT: Final = """i.run_id = CAST(:run_id AS uuid) AND i.step_path = :path AND i.iteration = :iteration
        AND i.visit = :visit AND i.attempt = :attempt AND i.visit > 0"""
THE_STEP: Final = """s.run_id = CAST(:run_id AS uuid) AND s.step_path = :path AND s.iteration = :iteration
        AND s.visit = :visit AND s.visit > 0 AND s.status = 'STARTED'"""
SUCCESS: Final = f"""settled AS (
        UPDATE workflow_action_invocations AS i
        SET status = 'SUCCEEDED', output_json = CAST(:output AS jsonb), output_ref = CAST(:output_ref AS uuid),
            output_bytes = :output_bytes, completed_at = CAST(:at AS timestamptz)
        WHERE {THE_ATTEMPT} AND i.status = 'STARTED'
        RETURNING 1
    )"""
STEP_SUCCESS: Final = f"""UPDATE workflow_run_steps AS s
        SET status = 'SUCCEEDED', error_json = NULL, completed_at = CAST(:at AS timestamptz),
            duration_ms = {duration_ms("CAST(:at AS timestamptz)")}"""
CANCELING: Final = """(SELECT r.cancel_requested_at IS NOT NULL FROM workflow_runs AS r
        WHERE r.run_id = CAST(:run_id AS uuid)) AS canceling"""
LIVE_ROWS: Final = f"SELECT count(*) AS live, {CANCELING} FROM live"
SUCCEED: Final = text(
    f"WITH {SUCCESS}, step AS ({STEP_SUCCESS} FROM settled WHERE {THE_STEP})"
    f" SELECT count(*) AS settled, {CANCELING} FROM settled"
)
STEP_SUCCEEDED: Final = text(f"{STEP_SUCCESS} WHERE {THE_STEP}")


HOLD_RUN: Final = "SELECT run_id FROM workflow_runs WHERE run_id = CAST(:run_id AS uuid) FOR NO KEY UPDATE"
"""The row of the run comes first, in every statement that also writes one of an attempt: two executions of one step would else
wait for each other."""
RUN_HELD: Final = text(HOLD_RUN)
FAIL: Final = text(f"""WITH held AS MATERIALIZED ({HOLD_RUN}), failed AS (
        UPDATE workflow_action_invocations AS i
        SET status = 'FAILED', error_json = CAST(:error AS jsonb), error_message = :message,
            completed_at = CAST(:at AS timestamptz)
        FROM held WHERE i.run_id = held.run_id AND {THE_ATTEMPT} AND i.status = 'STARTED'
        RETURNING i.run_id
    ), step AS (
        UPDATE workflow_run_steps AS s SET error_json = CAST(:error AS jsonb) FROM failed WHERE {THE_STEP}
    ), run AS (
        UPDATE workflow_runs AS r SET last_error_code = :code, updated_at = now()
        FROM failed WHERE r.run_id = failed.run_id AND r.status IN ('RUNNING', 'WAITING')
    ) SELECT count(*) AS settled, {CANCELING} FROM failed
""")

COLUMNS: Final = "invocation_id, run_id, tenant, status, output_json, output_ref, error_json, completed_at"
OWN: Final = text(f"SELECT {COLUMNS} FROM workflow_action_invocations AS i WHERE {THE_ATTEMPT} FOR UPDATE")
RUN_STATUS: Final = text("SELECT status FROM workflow_runs WHERE run_id = CAST(:run_id AS uuid)")
HOLDER: Final = text("""
    SELECT i.invocation_id, i.status, i.output_json, i.output_ref, i.error_json, i.completed_at,
        i.run_id, i.tenant, i.step_path, i.iteration, i.visit,
        coalesce(i.input_json, (SELECT p.value_json FROM workflow_payloads AS p
            WHERE p.payload_id = i.input_ref AND p.run_id = i.run_id AND p.tenant = i.tenant))
            = CAST(:input_text AS jsonb) AS same_input,
        (SELECT r.status FROM workflow_runs AS r WHERE r.run_id = i.run_id) AS run_status,
        (SELECT r.bodies_deleted_at FROM workflow_runs AS r WHERE r.run_id = i.run_id) AS bodies_deleted_at
    FROM workflow_action_invocations AS i
    WHERE i.tenant = CAST(:tenant AS uuid) AND i.action_id = :action_id AND i.action_version = :action_version
        AND i.idempotency_key = :key AND i.status IN ('STARTED', 'SUCCEEDED')
    FOR UPDATE OF i
""")
ABANDON: Final = text("""
    UPDATE workflow_action_invocations SET status = 'ABANDONED', completed_at = clock_timestamp()
    WHERE invocation_id = CAST(:invocation_id AS uuid)
""")
TAKE_OVER: Final = text("""
    UPDATE workflow_action_invocations
    SET status = 'STARTED', worker_identity = :worker, started_at = CAST(:claimed_at AS timestamptz), completed_at = NULL
    WHERE invocation_id = CAST(:invocation_id AS uuid)
""")
REUSED: Final = text("""
    INSERT INTO workflow_action_invocations
        (run_id, tenant, step_path, iteration, visit, attempt, action_id, action_version, idempotency_key, status,
         input_json, input_ref, input_bytes, output_json, output_ref, output_bytes, started_at, completed_at)
    SELECT CAST(:run_id AS uuid), h.tenant, :path, :iteration, :visit, :attempt, h.action_id, h.action_version, :key,
        'SUCCEEDED', h.input_json, CAST(:input_ref AS uuid), h.input_bytes, h.output_json, CAST(:output_ref AS uuid),
        h.output_bytes,
        CAST(:at AS timestamptz), CAST(:at AS timestamptz)
    FROM workflow_action_invocations AS h WHERE h.invocation_id = CAST(:holder AS uuid)
    ON CONFLICT DO NOTHING
""")
REUSED_BY_OWN: Final = text(f"""
    UPDATE workflow_action_invocations AS i
    SET status = 'SUCCEEDED', idempotency_key = :key, output_json = h.output_json, output_ref = CAST(:output_ref AS uuid),
        output_bytes = h.output_bytes, completed_at = CAST(:at AS timestamptz)
    FROM workflow_action_invocations AS h
    WHERE h.invocation_id = CAST(:holder AS uuid) AND {THE_ATTEMPT}
""")

_CONFLICT_TOLD: Final = f"""step AS (
        UPDATE workflow_run_steps AS s SET error_json = CAST(:error AS jsonb) FROM failed WHERE {THE_STEP}
    ) UPDATE workflow_runs AS r SET last_error_code = :code, updated_at = now()
    FROM failed WHERE r.run_id = failed.run_id AND r.status IN ('RUNNING', 'WAITING')"""
CONFLICT: Final = text(f"""WITH failed AS (
        INSERT INTO workflow_action_invocations
            (run_id, tenant, step_path, iteration, visit, attempt, action_id, action_version, idempotency_key, status,
             worker_identity, input_json, input_ref, input_bytes, error_json, error_message, started_at, completed_at)
        SELECT r.run_id, r.tenant, :path, :iteration, :visit, :attempt, :action_id, :action_version, :key, 'FAILED',
            :worker, CAST(:input AS jsonb), CAST(:input_ref AS uuid), :input_bytes, CAST(:error AS jsonb), :message,
            CAST(:claimed_at AS timestamptz), CAST(:claimed_at AS timestamptz)
        FROM workflow_runs AS r WHERE r.run_id = CAST(:run_id AS uuid)
        ON CONFLICT DO NOTHING
        RETURNING run_id
    ), {_CONFLICT_TOLD}
""")
CONFLICT_OF_OWN: Final = text(f"""WITH failed AS (
        UPDATE workflow_action_invocations AS i
        SET status = 'FAILED', error_json = CAST(:error AS jsonb), error_message = :message,
            completed_at = CAST(:claimed_at AS timestamptz)
        WHERE {THE_ATTEMPT}
        RETURNING run_id
    ), {_CONFLICT_TOLD}
""")
