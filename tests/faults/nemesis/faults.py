"""What fails, by name. Each function makes it fail and puts it right again; none needs anything but the installation."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from engine.store.database.transactions import Store
from tests.faults.installation import Installation
from tests.faults.nemesis.journal import Journal
from tests.faults.nemesis.plan import Fault
from tests.faults.nemesis.restores import restore_postgres, restore_temporal
from tests.faults.nemesis.workforce import Workforce
from tests.faults.stalls import frozen, read_only

FOR_LONG_SECONDS: Final = 150.0


@dataclass(frozen=True)
class Target:
    """What may be made to fail."""

    installation: Installation
    workforce: Workforce
    journal: Journal
    store: Store
    """Of its own: those of the programs may all be taken."""


async def kill_worker(target: Target, fault: Fault) -> None:
    """SIGKILL, in whatever it does."""
    await target.workforce.kill(fault.which)


async def stop_worker(target: Target, fault: Fault) -> None:
    """SIGSTOP: it goes on later, and does not know that others took its work."""
    target.workforce.send(fault.which, signal.SIGSTOP)
    try:
        await asyncio.sleep(fault.seconds)
    finally:
        target.workforce.send(fault.which, signal.SIGCONT)


async def end_worker(target: Target, fault: Fault) -> None:
    """SIGTERM, as a deployment does it."""
    await target.workforce.end(fault.which)


async def kill_backends(target: Target, _fault: Fault) -> None:
    """Every connection to the database is ended, as by an administrator."""
    statement = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    async def end_all() -> None:
        async with target.store.connect() as connection:
            await connection.execute(statement)

    await _tried(end_all)


async def read_only_database(target: Target, fault: Fault) -> None:
    """Postgres takes no writes."""
    try:
        await _tried(lambda: read_only(target.store, "on"))
        await asyncio.sleep(fault.seconds)
    finally:
        await _tried(lambda: read_only(target.store, "off"))


async def stall_postgres(target: Target, fault: Fault) -> None:
    """Every process of Postgres stands still."""
    with frozen(target.installation.postgres.process()):
        await asyncio.sleep(fault.seconds)


async def stall_temporal(target: Target, fault: Fault) -> None:
    """Every process of Temporal stands still."""
    with frozen(target.installation.temporal.process):
        await asyncio.sleep(fault.seconds)


async def kill_postgres(target: Target, fault: Fault) -> None:
    """SIGKILL, and away for a while."""
    await target.installation.restart_postgres(away=fault.seconds)


async def kill_temporal(target: Target, fault: Fault) -> None:
    """SIGKILL, and away for a while."""
    await target.installation.restart_temporal(away=fault.seconds)


async def kill_temporal_for_long(target: Target, _fault: Fault) -> None:
    """Away for longer than anything is tried a limited number of times."""
    await target.installation.restart_temporal(away=FOR_LONG_SECONDS)


async def to_an_earlier_postgres(target: Target, fault: Fault) -> None:
    """Restored from a copy that was made so many seconds before."""
    target.journal.rows_lost = True
    await restore_postgres(target.installation, fault.seconds)


async def to_an_earlier_temporal(target: Target, fault: Fault) -> None:
    """The same of Temporal."""
    await restore_temporal(target.installation, fault.seconds)


FAULTS: Final[dict[str, Callable[[Target, Fault], Awaitable[None]]]] = {
    "kill_worker": kill_worker,
    "stop_worker": stop_worker,
    "end_worker": end_worker,
    "kill_backends": kill_backends,
    "read_only": read_only_database,
    "stall_postgres": stall_postgres,
    "stall_temporal": stall_temporal,
    "kill_postgres": kill_postgres,
    "kill_temporal": kill_temporal,
    "kill_temporal_for_long": kill_temporal_for_long,
    "restore_postgres": to_an_earlier_postgres,
    "restore_temporal": to_an_earlier_temporal,
}


async def make_fail(target: Target, fault: Fault) -> None:
    """One fault, from its beginning to its end."""
    target.journal.note(fault.name, f"{fault.seconds:g} s, {fault.which}")
    await FAULTS[fault.name](target, fault)
    target.journal.tell(f"{fault.name} is over")


async def _tried(work: Callable[[], Awaitable[None]], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await work()
            except (SQLAlchemyError, OSError):
                await asyncio.sleep(0.2)
