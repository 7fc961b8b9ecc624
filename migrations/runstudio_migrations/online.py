"""Changing the schema of a database that is at work: short locks only, and every step can be repeated.

A statement that needs a lock on a table gives up after ``LOCK_TIMEOUT`` and tries again, because everybody else queues behind
the one who waits. Indexes are built concurrently; one that was interrupted is dropped and built again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from alembic import context, op
from psycopg import errors as postgres_errors
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import OperationalError

LOCK_TIMEOUT: Final = "1s"
LOCK_ATTEMPTS: Final = 120
LOCK_PAUSE_SECONDS: Final = 0.5
TURN_KEY: Final = 7_305_422_910_336_001
"""Advisory lock of whoever migrates."""
TURN_SECONDS: Final = 600
"""How long to wait for another migration of the same database."""
_WHOSE_TURN: Final = text("""
    SELECT a.usename, a.pid, a.backend_start FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.classid::bigint << 32) | l.objid::bigint = :key
""")


def report(message: str) -> None:
    """One line of progress to whoever runs the migration."""
    progress: Callable[[str], None] | None = context.config.attributes.get("progress")
    if progress is not None:
        progress(message)


def count(name: str, number: int) -> None:
    """Adds to a figure of the final report."""
    counts: dict[str, int] | None = context.config.attributes.get("counts")
    if counts is not None:
        counts[name] = counts.get(name, 0) + number


def take_turn(connection: Connection) -> None:
    """Makes this the only migration of the database, until the connection ends. Raises ``TimeoutError``, with the login and the
    session that has the turn: every login of the database can take such a lock, and keep it.

    The lock is polled for, because a session that *waits* in a statement holds a snapshot, and an index that the other one
    builds concurrently would wait for it for ever.
    """
    deadline = time.monotonic() + TURN_SECONDS
    while not connection.scalar(select(func.pg_try_advisory_lock(TURN_KEY))):
        connection.commit()
        if time.monotonic() > deadline:
            holder = connection.execute(_WHOSE_TURN, {"key": TURN_KEY}).first()
            whose = (
                f"the login {holder.usename}, session {holder.pid} since {holder.backend_start:%F %T %Z}"
                if holder
                else ""
            )
            raise TimeoutError(whose or "a session that has just ended")
        time.sleep(LOCK_PAUSE_SECONDS)
    connection.commit()


@contextmanager
def online() -> Iterator[Connection]:
    """A connection on which every statement commits by itself, and waits for a lock no longer than ``LOCK_TIMEOUT``."""
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        try:
            yield connection
        finally:
            if not connection.invalidated:
                connection.execute(text("RESET lock_timeout"))


def patiently(action: Callable[[], Any], what: str) -> Any:
    """Does ``action`` again and again while a lock is not to be had. Raises the last ``OperationalError``."""
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            return action()
        except OperationalError as error:
            if not isinstance(error.orig, postgres_errors.LockNotAvailable) or attempt == LOCK_ATTEMPTS:
                raise
            report(f"{what}: somebody holds a lock, attempt {attempt}")
            time.sleep(LOCK_PAUSE_SECONDS)
    raise AssertionError("unreachable")


def run(connection: Connection, statement: str, what: str) -> None:
    """One repeatable statement that needs a short lock."""
    patiently(lambda: connection.exec_driver_sql(statement), what)


def alter(connection: Connection, table: str, *clauses: str, constraints: dict[str, str] | None = None) -> None:
    """One ``ALTER TABLE``, so one lock. ``constraints`` (name: definition) are left out where they exist already."""
    known = set(
        connection.execute(
            text("SELECT conname FROM pg_constraint WHERE conrelid = cast(:name AS regclass)"), {"name": table}
        ).scalars()
    )
    missing = [f"ADD CONSTRAINT {name} {body}" for name, body in (constraints or {}).items() if name not in known]
    if clauses or missing:
        run(connection, f"ALTER TABLE {table} {', '.join([*clauses, *missing])}", table)


def create_index(connection: Connection, name: str, definition: str, *, unique: bool = False) -> None:
    """Builds an index while the table is written to. ``definition`` is what follows ``ON``."""
    valid = connection.execute(
        text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"), {"name": name}
    ).scalar_one_or_none()
    if valid:
        return
    # It waits for every transaction that was at work on the table; waiting harms nobody, giving up would lose the scan.
    connection.execute(text("SET lock_timeout = 0"))
    if valid is False:
        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {name}")
    report(f"index {name}")
    connection.exec_driver_sql(f"CREATE {'UNIQUE ' if unique else ''}INDEX CONCURRENTLY {name} ON {definition}")
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))


def drop_index(connection: Connection, name: str) -> None:
    """Drops an index while the table is in use. Missing is fine."""
    connection.execute(text("SET lock_timeout = 0"))
    connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))


def refuse_downgrade(revision: str, why: str) -> NoReturn:
    """Going back is not offered."""
    raise NotImplementedError(f"revision {revision} cannot be undone: {why}")
