"""The standing duties: whether each is being done, whoever does it."""

from __future__ import annotations

from typing import Final

from engine.errors import EngineError
from engine.records import HealthPart, PartState
from engine.store.database.transactions import Connection, Store, writing
from engine.store.tenant.duties import DUTIES, Duty, DutyRecord, load_duties
from engine.wording import sentence, span

OVERDUE_ADVICE: Final = "Read the workers' logs; start a worker where none is alive. It goes on by itself."


async def duty_parts(connection: Connection) -> list[HealthPart]:
    """All duties, for ``doctor``."""
    known = {record.name: record for record in await load_duties(connection)}
    return [_part(duty, known.get(duty.name)) for duty in DUTIES]


def _part(duty: Duty, record: DutyRecord | None) -> HealthPart:
    if record is None:
        return HealthPart(duty.name, PartState.UNKNOWN, "No worker has done it yet.")
    told = last_done(record)
    if record.overdue:
        return HealthPart(duty.name, PartState.DOWN, f"overdue; {told}", OVERDUE_ADVICE)
    return HealthPart(duty.name, PartState.DEGRADED if record.failure else PartState.OK, told)


def last_done(record: DutyRecord) -> str:
    """``last done 12 s ago by 17@host``, or for how long it is not; and why."""
    long = span(abs(record.seconds))
    ago = f"{long} ago" if record.seconds >= 0 else f"{long} from now, before the clock of Postgres was put back,"
    told = f"never done for {long}" if record.done_at is None else f"last done {ago} by {record.done_by}"
    return f"{told}: {record.failure}" if record.failure else told


async def refuse_if_overdue(connection: Connection, duty: Duty) -> None:
    """Raises ``EngineError`` (DUTY_OVERDUE) unless the duty, which somebody else is at, was done lately."""
    for record in await load_duties(connection):
        if record.name == duty.name and record.overdue:
            raise EngineError(
                "DUTY_OVERDUE",
                sentence(f"{record.holder or 'Another worker'} is at the {duty.name}, and it was {last_done(record)}"),
                OVERDUE_ADVICE,
            )


async def require_done(store: Store, duty: Duty) -> None:
    """As ``refuse_if_overdue``, in a transaction of its own. Raises ``Unavailable`` too."""
    async with writing(store) as connection:
        await refuse_if_overdue(connection, duty)
