"""A duty that another process is at: whether it is being done."""

from __future__ import annotations

from engine import advice
from engine.errors import EngineError
from engine.store.database.transactions import Connection, Store, writing
from engine.store.tenant.duties import Duty, DutyRecord, load_duties
from engine.values.timestamps import iso_milliseconds
from engine.wording import sentence


def last_done(record: DutyRecord) -> str:
    """``last done at 2026-11-30T08:00:00.000Z by 17@host``, or since when it is not; and why."""
    if record.done_at is None:
        told = f"never done since {iso_milliseconds(record.since)}"
    else:
        told = f"last done at {iso_milliseconds(record.done_at)} by {record.done_by}"
    return f"{told}: {record.failure}" if record.failure else told


async def refuse_if_overdue(connection: Connection, duty: Duty) -> None:
    """Raises ``EngineError`` (DUTY_OVERDUE) unless the duty, which somebody else is at, was done lately."""
    for record in await load_duties(connection):
        if record.name == duty.name and record.overdue:
            raise EngineError(
                "DUTY_OVERDUE",
                sentence(f"{record.holder or 'Another worker'} is at the {duty.name}, and it was {last_done(record)}"),
                advice.PARTS.to("See how the workers are, and read the log of that one"),
            )


async def require_done(store: Store, duty: Duty) -> None:
    """As ``refuse_if_overdue``, in a transaction of its own. Raises ``Unavailable`` too."""
    async with writing(store) as connection:
        await refuse_if_overdue(connection, duty)
