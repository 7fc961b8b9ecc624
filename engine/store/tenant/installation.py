"""Which Temporal the database belongs to: one row, written at the first start of a worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import Insert, insert

from engine.contract import ENGINE
from engine.store.database.transactions import Connection
from engine.store.runs.runs import is_active
from engine.store.tables import workflow_installation as installation
from engine.store.tables import workflow_runs as runs

PROOF_RUNS: Final = 20
"""How many open runs are looked for in a Temporal that the database does not know yet."""


@dataclass(frozen=True, slots=True)
class TemporalIdentity:
    """A namespace of a Temporal cluster, by its ids."""

    namespace: str
    namespace_id: str
    cluster_id: str | None
    """None: this Temporal does not tell it."""

    def __str__(self) -> str:
        cluster = "" if self.cluster_id is None else f" of cluster {self.cluster_id}"
        return f"namespace {self.namespace} ({self.namespace_id}){cluster}"

    def is_same(self, other: TemporalIdentity) -> bool:
        """Whether both are one; a cluster id that is not told by one of them decides nothing."""
        clusters = {self.cluster_id, other.cluster_id} - {None}
        return self.namespace_id == other.namespace_id and len(clusters) < 2


@dataclass(frozen=True, slots=True)
class Recorded:
    """The Temporal that the database remembers, since when, and who recorded it."""

    temporal: TemporalIdentity
    at: datetime
    by: str


async def load_installation(connection: Connection) -> Recorded | None:
    """None: no worker has started yet."""
    row = (await connection.execute(_LOAD)).first()
    if row is None:
        return None
    return Recorded(TemporalIdentity(row.namespace, row.namespace_id, row.cluster_id), row.recorded_at, row.recorded_by)


async def remember_installation(connection: Connection, temporal: TemporalIdentity, by: str) -> None:
    """Record it, unless one is recorded already."""
    await connection.execute(_row(temporal, by).on_conflict_do_nothing())


async def replace_installation(connection: Connection, temporal: TemporalIdentity, by: str) -> None:
    """Record it in the place of another one."""
    row = _row(temporal, by)
    values = {**{name: row.excluded[name] for name in _VALUES}, "recorded_at": func.now()}
    await connection.execute(row.on_conflict_do_update(index_elements=[installation.c.single], set_=values))


async def runs_to_prove_by(connection: Connection) -> list[str]:
    """Ids of open runs that Temporal was told of, the latest first."""
    question = (
        select(runs.c.run_id)
        .where(is_active(), runs.c.launch_state == "started", runs.c.engine == ENGINE)
        .order_by(runs.c.updated_at.desc(), runs.c.run_id)
        .limit(PROOF_RUNS)
    )
    return [str(run_id) for run_id in (await connection.execute(question)).scalars()]


def _row(temporal: TemporalIdentity, by: str) -> Insert:
    return insert(installation).values(
        cluster_id=temporal.cluster_id,
        namespace=temporal.namespace,
        namespace_id=temporal.namespace_id,
        recorded_by=by,
    )


_VALUES: Final = ("cluster_id", "namespace", "namespace_id", "recorded_by")
_LOAD: Final = select(installation)
