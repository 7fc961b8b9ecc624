"""Jobs: one operation over everything that matches a filter, and what became of each target."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    text,
)

from engine.store.tables.base import id_column, json_column, metadata, tenant_column, text_column, time_column

JOB_KINDS: Final = ("cancel", "replay", "redeliver", "export", "delete")
JOB_STATES: Final = ("queued", "running", "paused", "done", "canceled")
ITEM_STATES: Final = ("pending", "done", "skipped", "failed")


def _one_of(column: str, words: tuple[str, ...], name: str) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(text(f"{column} IN ({listed})"), name=name)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


workflow_jobs = Table(
    "workflow_jobs",
    metadata,
    id_column("job_id", nullable=False),
    tenant_column(),
    text_column("kind", nullable=False),
    json_column("filter_json", nullable=False, doc="Of runs, or for redeliver of deliveries; times are instants."),
    text_column("filter_text", nullable=False, doc="As it was written."),
    time_column("frozen_at", defaults_to_now=True, doc="What began later is not meant."),
    text_column("reason", nullable=False),
    text_column("actor", nullable=False),
    text_column("actor_level", nullable=False),
    text_column("idempotency_key"),
    text_column("state", nullable=False, server_default="queued"),
    text_column("fill_cursor", doc="Up to where targets were collected."),
    time_column("filled_at", doc="NULL: targets are still being collected."),
    _count("total"),
    _count("done"),
    _count("skipped"),
    _count("failed"),
    text_column("trouble", doc="Why it does not go on just now."),
    text_column("claimed_by", doc="The worker at it."),
    time_column("claimed_until", defaults_to_now=True, doc="Then any worker may take it up."),
    time_column("created_at", defaults_to_now=True),
    time_column("updated_at", defaults_to_now=True),
    time_column("completed_at"),
    PrimaryKeyConstraint("job_id", name="workflow_jobs_pkey"),
    _one_of("kind", JOB_KINDS, "workflow_jobs_kind_check"),
    _one_of("state", JOB_STATES, "workflow_jobs_state_check"),
    Index(
        "workflow_jobs_key_unique",
        "tenant",
        "idempotency_key",
        unique=True,
        postgresql_where=text("idempotency_key IS NOT NULL"),
    ),
    Index("workflow_jobs_list", "tenant", "created_at", "job_id"),
    Index("workflow_jobs_open", "claimed_until", "job_id", postgresql_where=text("state IN ('queued', 'running')")),
)

workflow_job_items = Table(
    "workflow_job_items",
    metadata,
    id_column("job_id", nullable=False),
    id_column("target", nullable=False, doc="A run, or for redeliver a delivery."),
    tenant_column(),
    text_column("state", nullable=False, server_default="pending"),
    time_column("not_before", defaults_to_now=True, doc="Of a pending one: when it is tried again."),
    text_column("result", doc="What came of it, or why nothing did."),
    text_column("error_code"),
    id_column("run_id", doc="The run that a replay made."),
    time_column("settled_at"),
    PrimaryKeyConstraint("job_id", "target", name="workflow_job_items_pkey"),
    ForeignKeyConstraint(["job_id"], ["workflow_jobs.job_id"], name="workflow_job_items_job_fkey", ondelete="CASCADE"),
    _one_of("state", ITEM_STATES, "workflow_job_items_state_check"),
    Index("workflow_job_items_state", "job_id", "state", "not_before", "target"),
    Index("workflow_job_items_runs", "job_id", "settled_at", postgresql_where=text("run_id IS NOT NULL")),
)

workflow_job_files = Table(
    "workflow_job_files",
    metadata,
    id_column("job_id", nullable=False),
    id_column("run_id", nullable=False),
    tenant_column(),
    Column("body", LargeBinary, nullable=False, doc="The document of the run, redacted, as gzip."),
    Column("bytes", BigInteger, nullable=False),
    time_column("made_at", defaults_to_now=True),
    PrimaryKeyConstraint("job_id", "run_id", name="workflow_job_files_pkey"),
    ForeignKeyConstraint(["job_id"], ["workflow_jobs.job_id"], name="workflow_job_files_job_fkey", ondelete="CASCADE"),
    Index("workflow_job_files_run", "run_id"),
    Index("workflow_job_files_age", "made_at"),
)
