"""What a run needs to begin: its row, its pinned definition, and whether its tenant has a limit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, bindparam, select

from engine.errors import Invalid
from engine.store.catalog.definitions import as_authored, authored_columns
from engine.store.database.transactions import Connection, Store
from engine.store.runs.payload import as_given, input_columns
from engine.store.tables import workflow_definition_versions as versions
from engine.store.tables import workflow_runs as runs
from engine.store.tables import workflow_settings as settings

Json = Any


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run's row and the version it is pinned to, read at one moment."""

    tenant: str
    status: str
    workflow_id: str
    workflow_version: int
    input: Json
    definition: Json
    """None when the version does not exist."""
    definition_hash: str | None
    """The hash the run was pinned to."""
    semantics_version: str | None
    source_payload_schema_ref: str | None
    trigger_mapping_applied: bool
    root_run_id: str | None
    is_child: bool
    limited: bool
    """Whether the tenant has a quota."""
    engine: str | None
    started_at: datetime
    seq: int
    """Of the last record of the run's trace that was written."""
    action_traits: dict[str, dict[str, Json]] | None
    """By id@version: what was known of its actions when the version was published; None: from before that was kept."""

    @property
    def meta(self) -> dict[str, Json]:
        """``meta`` of the run's first expression."""
        meta: dict[str, Json] = {}
        if self.source_payload_schema_ref is not None:
            meta["sourcePayloadSchemaRef"] = self.source_payload_schema_ref
        if self.trigger_mapping_applied:
            meta["triggerMappingApplied"] = True
        return meta


async def load_run(store: Store, run_id: str) -> LoadedRun | None:
    """The run, or None when there is no such row. Raises ``Invalid`` (``ROW_UNREADABLE``)."""
    async with store.connect() as connection:
        return await read_run(await connection.execution_options(isolation_level="AUTOCOMMIT"), run_id)


async def read_run(connection: Connection, run_id: str) -> LoadedRun | None:
    """As ``load_run``, in the caller's transaction."""
    try:
        row = (await connection.execute(_QUESTION, {"of_run": run_id})).one_or_none()
    except (RecursionError, ValueError) as problem:
        # Postgres keeps deeper lists and longer numbers than Python reads. Nothing of ours writes such a value.
        raise Invalid(
            "ROW_UNREADABLE",
            f"The run's input or its definition is stored as JSON that cannot be read ({type(problem).__name__}).",
            "Correct the row of the run or of its version; it was written past the engine.",
        ) from problem
    return row and LoadedRun(
        tenant=row.tenant,
        status=row.status,
        workflow_id=row.workflow_id,
        workflow_version=row.workflow_version,
        input=as_given(row),
        definition=as_authored(row),
        definition_hash=row.definition_hash,
        semantics_version=row.runtime_semantics_version,
        source_payload_schema_ref=row.source_payload_schema_ref,
        trigger_mapping_applied=row.trigger_mapping_applied,
        root_run_id=row.root_run_id,
        is_child=row.parent_run_id is not None,
        limited=row.quota_limit is not None,
        engine=row.engine,
        started_at=row.started_at,
        seq=row.seq,
        action_traits=row.action_traits,
    )


# Asked at the beginning of every run, and put together once: that costs as much as asking.
_QUESTION: Final = (
    select(
        runs.c.tenant,
        runs.c.status,
        runs.c.workflow_id,
        runs.c.workflow_version,
        *input_columns(),
        *authored_columns(),
        runs.c.definition_hash,
        runs.c.runtime_semantics_version,
        runs.c.source_payload_schema_ref,
        runs.c.trigger_mapping_applied,
        runs.c.root_run_id,
        runs.c.parent_run_id,
        settings.c.quota_limit,
        runs.c.engine,
        runs.c.started_at,
        runs.c.seq,
        versions.c.action_traits,
    )
    .select_from(runs)
    .outerjoin(
        versions,
        and_(
            versions.c.tenant == runs.c.tenant,
            versions.c.workflow_id == runs.c.workflow_id,
            versions.c.version == runs.c.workflow_version,
        ),
    )
    .outerjoin(settings, settings.c.tenant == runs.c.tenant)
    .where(runs.c.run_id == bindparam("of_run"))
)
