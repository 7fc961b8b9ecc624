"""The standing duties of an installation: which they are, and when each was last done by whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select

from engine.store.database.transactions import Connection
from engine.store.tables import workflow_leases as leases


@dataclass(frozen=True, slots=True)
class Duty:
    """Work that some worker does again and again, one at a time."""

    name: str
    """Of its lease, and as `doctor` calls it."""
    overdue_seconds: float
    """Not done for so long, several periods, is a failure."""


ROUTING: Final = Duty("routing", 30.0)
RECONCILER: Final = Duty("reconciler", 90.0)
SCHEDULE_SYNC: Final = Duty("schedule-sync", 300.0)
QUOTA_SCAN: Final = Duty("quota-scan", 900.0)
SWEEP: Final = Duty("sweep", 300.0)
ALERTS: Final = Duty("alerts", 300.0)
RETENTION: Final = Duty("retention", 1800.0)
DUTIES: Final = (ROUTING, RECONCILER, SCHEDULE_SYNC, QUOTA_SCAN, SWEEP, ALERTS, RETENTION)


@dataclass(frozen=True, slots=True)
class DutyRecord:
    """How a duty stands."""

    name: str
    done_at: datetime | None
    """None: never yet."""
    done_by: str | None
    failure: str | None
    """Why the last attempt since then did not get to its end."""
    holder: str | None
    """Who is at it now."""
    since: datetime
    """Since when it has not been done."""
    seconds: float
    """How long ago that was."""
    overdue: bool


async def load_duties(connection: Connection) -> list[DutyRecord]:
    """Those of ``DUTIES`` that any worker has ever begun, in that order."""
    rows = {row.name: row for row in await connection.execute(_DUTIES)}
    return [_record(duty, rows[duty.name]) for duty in DUTIES if duty.name in rows]


def _record(duty: Duty, row: Any) -> DutyRecord:
    since: datetime = row.done_at or row.first_at
    return DutyRecord(
        name=row.name,
        done_at=row.done_at,
        done_by=row.done_by,
        failure=row.failure,
        holder=row.holder if row.expires_at > row.now else None,
        since=since,
        seconds=(row.now - since).total_seconds(),
        # Also what was done at a time that is still to come: the clock was put back, and since then nobody has done it.
        overdue=abs(row.now - since) > timedelta(seconds=duty.overdue_seconds),
    )


_DUTIES: Final = select(
    leases.c.name,
    leases.c.done_at,
    leases.c.done_by,
    leases.c.failure,
    leases.c.holder,
    leases.c.first_at,
    leases.c.expires_at,
    func.now().label("now"),
).where(leases.c.name.in_([duty.name for duty in DUTIES]))
