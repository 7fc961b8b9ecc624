"""What a run did: steps, attempts of actions, waits, log lines; and the snapshots of runs from before the cutover.

``visit`` is 0 in rows from before the cutover, where loop iterations and re-entries cannot be told apart; every row written
since has 1 or more, and only those are unique.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    text,
)

from engine.store.tables.base import (
    INVOCATION_STATUSES,
    LOG_LEVELS,
    STEP_STATUSES,
    WAIT_STATUSES,
    WAIT_TYPES,
    id_column,
    json_column,
    metadata,
    one_of,
    tenant_column,
    text_column,
    time_column,
)

workflow_change_seq: Final = Sequence("workflow_change_seq", metadata=metadata, data_type=BigInteger)
"""Numbers every insert and update of a step and every log line, so that a reader can ask for what came since."""


def _of_run(name: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["run_id"], ["workflow_runs.run_id"], name=name, ondelete="CASCADE")


def _step_position() -> list[Column[Any]]:
    return [
        text_column("step_path", nullable=False),
        text_column("iteration", nullable=False, server_default="", doc="Loop indexes from the outside in, 0.3."),
        Column("visit", Integer, nullable=False, server_default=text("0"), doc="From 1; 0: before the cutover."),
    ]


workflow_run_steps = Table(
    "workflow_run_steps",
    metadata,
    id_column("step_id", nullable=False, server_default=text("gen_random_uuid()")),
    id_column("run_id", nullable=False),
    tenant_column(),
    *_step_position(),
    text_column("definition_step_id", nullable=False, doc="The author's id."),
    text_column("step_type"),
    text_column("status", nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("1")),
    Column("seq", Integer, nullable=False, server_default=text("0"), doc="Trace sequence of the state in this row."),
    Column("duration_ms", Integer),
    json_column("outcome_json", doc="Branch, items, values assigned, event matched; redacted, at most 4 KiB."),
    json_column("error_json"),
    text_column("handled_by"),
    id_column("snapshot_id", doc="History only."),
    # Written by a trigger: no writer can forget it. See migrations 0002.
    Column("change_no", BigInteger, nullable=False, server_default=text("0")),
    time_column("started_at", defaults_to_now=True),
    time_column("completed_at"),
    PrimaryKeyConstraint("step_id", name="workflow_run_steps_pkey"),
    _of_run("workflow_run_steps_run_fkey"),
    one_of("status", STEP_STATUSES, "workflow_run_steps_status_check"),
    Index(
        "workflow_run_steps_position_unique",
        "run_id",
        "step_path",
        "iteration",
        "visit",
        unique=True,
        postgresql_where=text("visit > 0"),
    ),
    Index("workflow_run_steps_changes", "run_id", "change_no", "started_at", "step_id"),
    postgresql_with={"fillfactor": 80},
)

workflow_action_invocations = Table(
    "workflow_action_invocations",
    metadata,
    id_column("invocation_id", nullable=False, server_default=text("gen_random_uuid()")),
    id_column("run_id", nullable=False),
    tenant_column(),
    *_step_position(),
    Column("attempt", Integer, nullable=False, server_default=text("1"), doc="Try of the step, from 1."),
    text_column("action_id", nullable=False),
    Column("action_version", Integer, nullable=False),
    text_column("idempotency_key", nullable=False),
    text_column("status", nullable=False),
    text_column("worker_identity"),
    json_column("input_json", doc="Resolved input; secrets stay markers."),
    json_column("output_json"),
    id_column("input_ref", doc="workflow_payloads row that holds the input instead."),
    id_column("output_ref", doc="workflow_payloads row that holds the output instead."),
    Column("input_bytes", Integer),
    Column("output_bytes", Integer),
    text_column("error_message"),
    json_column("error_json"),
    text_column("lease_owner", doc="History only."),
    time_column("lease_expires_at", doc="History only."),
    time_column("created_at", defaults_to_now=True),
    time_column("started_at"),
    time_column("completed_at"),
    PrimaryKeyConstraint("invocation_id", name="workflow_action_invocations_pkey"),
    _of_run("workflow_action_invocations_run_fkey"),
    one_of("status", INVOCATION_STATUSES, "workflow_action_invocations_status_check"),
    Index(
        "workflow_action_invocations_try_unique",
        "run_id",
        "step_path",
        "iteration",
        "visit",
        "attempt",
        unique=True,
        postgresql_where=text("visit > 0"),
    ),
    # A FAILED or ABANDONED try leaves this index, and the next try claims the key with INSERT ... ON CONFLICT.
    Index(
        "workflow_action_invocations_key_unique",
        "tenant",
        "action_id",
        "action_version",
        "idempotency_key",
        unique=True,
        postgresql_where=text("status IN ('STARTED', 'SUCCEEDED')"),
    ),
    Index("workflow_action_invocations_run", "run_id", "created_at", "invocation_id"),
    Index("workflow_action_invocations_open", "run_id", postgresql_where=text("status = 'STARTED'")),
    postgresql_with={"fillfactor": 80},
)

workflow_run_waits = Table(
    "workflow_run_waits",
    metadata,
    id_column("wait_id", nullable=False, server_default=text("gen_random_uuid()")),
    id_column("run_id", nullable=False),
    tenant_column(),
    *_step_position(),
    text_column("wait_type", nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("1"), doc="Of a retry or child: the try."),
    text_column("key", doc="event: correlation key, NULL accepts any; human: task id."),
    text_column("event_name"),
    time_column("timeout_at"),
    text_column("status", nullable=False, server_default="WAITING"),
    text_column("matched_event_id"),
    json_column("payload"),
    Column("seq", Integer, nullable=False, server_default=text("0"), doc="Trace sequence of the state in this row."),
    time_column("created_at", defaults_to_now=True),
    time_column("resolved_at"),
    time_column("told_at", doc="The run was sent an event that this wait takes; it is sent no other."),
    PrimaryKeyConstraint("wait_id", name="workflow_run_waits_pkey"),
    _of_run("workflow_run_waits_run_fkey"),
    one_of("wait_type", WAIT_TYPES, "workflow_run_waits_type_check"),
    one_of("status", WAIT_STATUSES, "workflow_run_waits_status_check"),
    Index(
        "workflow_run_waits_position_unique",
        "run_id",
        "step_path",
        "iteration",
        "visit",
        "wait_type",
        "attempt",
        unique=True,
        postgresql_where=text("visit > 0"),
    ),
    Index("workflow_run_waits_run", "run_id", "created_at", "wait_id"),
    Index(
        "workflow_run_waits_open_event",
        "tenant",
        "event_name",
        "key",
        "created_at",
        postgresql_where=text("status = 'WAITING'"),
    ),
    Index("workflow_run_waits_open_type", "wait_type", "created_at", postgresql_where=text("status = 'WAITING'")),
    Index("workflow_run_waits_key", "tenant", "key", postgresql_where=text("key IS NOT NULL")),
    Index(
        "workflow_run_waits_matched_event",
        "tenant",
        "matched_event_id",
        postgresql_where=text("matched_event_id IS NOT NULL"),
    ),
)

workflow_run_logs = Table(
    "workflow_run_logs",
    metadata,
    id_column("log_id", nullable=False, server_default=text("gen_random_uuid()")),
    id_column("run_id", nullable=False),
    tenant_column(),
    id_column("step_id"),
    text_column("step_path"),
    text_column("iteration"),
    text_column("level", nullable=False),
    text_column("message", nullable=False),
    json_column("context_json"),
    text_column("correlation_key"),
    text_column("event_name"),
    text_column("source", doc="workflow, action, api, ui, cli, worker or reconciler; runtime in history."),
    Column("seq", Integer, doc="Trace sequence: a repeated activity writes the line once. NULL outside the trace."),
    # 0 in history; a line written since has its number from the sequence.
    Column("line_no", BigInteger, nullable=False, server_default=workflow_change_seq.next_value()),
    time_column("created_at", defaults_to_now=True),
    PrimaryKeyConstraint("log_id", name="workflow_run_logs_pkey"),
    _of_run("workflow_run_logs_run_fkey"),
    one_of("level", LOG_LEVELS, "workflow_run_logs_level_check"),
    Index("workflow_run_logs_seq_unique", "run_id", "seq", unique=True, postgresql_where=text("seq IS NOT NULL")),
    Index("workflow_run_logs_lines", "run_id", "line_no", "created_at", "log_id"),
)

# Read-only history from before the cutover; nothing writes it.
workflow_run_snapshots = Table(
    "workflow_run_snapshots",
    metadata,
    id_column("snapshot_id", nullable=False, server_default=text("gen_random_uuid()")),
    id_column("run_id", nullable=False),
    tenant_column(),
    text_column("step_path", nullable=False),
    json_column("envelope_json", nullable=False, doc="{payload, vars, meta, error} or {truncated, size, max}."),
    Column("size_bytes", Integer, nullable=False),
    time_column("created_at", defaults_to_now=True),
    PrimaryKeyConstraint("snapshot_id", name="workflow_run_snapshots_pkey"),
    _of_run("workflow_run_snapshots_run_fkey"),
    Index("workflow_run_snapshots_run", "run_id", "created_at", "snapshot_id"),
)
