"""Where the database is: on which server, and by what name. A copy has everything of the original but this.

Each place at which it was taken into use has a row in ``workflow_places``: where else it is found, nobody has said that it is
the one that Temporal executes. The row's mark is on the executions that were started from there, by which they are told from
those of another database that speaks to the same Temporal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from engine.ids import new_id
from engine.store.database.transactions import Connection, Store, writing_at_once
from engine.store.tables import workflow_places as places

UNTOLD: Final = "that does not tell its identity"
_HERE: Final = text(
    "SELECT current_database() AS database, has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS tells"
)
_SERVER: Final = text("SELECT system_identifier FROM pg_catalog.pg_control_system()")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the database is, and where it was taken into use, the first place first."""

    here: str
    known: tuple[str, ...]

    @property
    def is_copy(self) -> bool:
        """It was taken into use somewhere else, and never here."""
        return bool(self.known) and self.here not in self.known


async def load_places(connection: Connection) -> Places:
    """As the server tells it; one that does not tell its identity, as a managed one may, leaves the database's name alone."""
    row = (await connection.execute(_HERE)).one()
    server = (await connection.execute(_SERVER)).scalar_one() if row.tells else UNTOLD
    known = (await connection.execute(select(places.c.place).order_by(places.c.recorded_at, places.c.place))).scalars()
    return Places(f"database {row.database} of server {server}", tuple(known))


async def remember_place(connection: Connection, here: str, by: str) -> None:
    """Take the database into use where it is. Harmless to repeat."""
    row = insert(places).values(place=here, mark=new_id(), recorded_by=by)
    await connection.execute(row.on_conflict_do_nothing())


async def place_mark(store: Store) -> str | None:
    """The mark of executions that are started from this database; None before a worker was there. Raises ``Unavailable``."""
    engine = store.sync_engine
    if engine not in _MARKS:
        async with writing_at_once(store) as connection:
            newest = select(places.c.mark).order_by(places.c.recorded_at.desc()).limit(1)
            mark = (await connection.execute(newest)).scalar_one_or_none()
        if mark is None:
            return None
        _MARKS[engine] = str(mark)
    return _MARKS[engine]


async def is_of_another_database(connection: Connection, mark: str | None) -> bool:
    """Whether an execution with that mark was started from a database that this one never was; False where it has none."""
    if mark is None:
        return False
    return mark not in {str(known) for known in (await connection.execute(select(places.c.mark))).scalars()}


_MARKS: Final[WeakKeyDictionary[Any, str]] = WeakKeyDictionary()
