"""How alembic reaches the database. Every revision is a transaction of its own, or leaves it for an autocommit block.

Only one migration runs at a time: a session-level advisory lock is polled for, because a session that *waits* in a statement
holds a snapshot, and an index that is built concurrently would wait for it for ever.
"""

from __future__ import annotations

import time

from alembic import context
from sqlalchemy import Connection, create_engine, func, make_url, select
from sqlalchemy.pool import NullPool

from engine.settings import DATABASE_DRIVER
from engine.store.engine import connect_arguments
from engine.store.tables import metadata
from migrations.roles import grant_roles

LOCK_KEY = 7_305_422_910_336_001
LOCK_WAIT_SECONDS = 600
LOCK_POLL_SECONDS = 0.5


def _take_turn(connection: Connection) -> None:
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        taken = connection.scalar(select(func.pg_try_advisory_lock(LOCK_KEY)))
        connection.commit()
        if taken:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"another migration has been running for {LOCK_WAIT_SECONDS} s; look for it and try again"
            )
        time.sleep(LOCK_POLL_SECONDS)


def _migrate(url: str) -> None:
    engine = create_engine(
        make_url(url).set(drivername=DATABASE_DRIVER),
        poolclass=NullPool,
        connect_args=connect_arguments("runstudio migrate"),
    )
    with engine.connect() as connection:
        _take_turn(connection)
        context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
        if context.get_context().get_current_revision() == context.get_head_revision():
            grant_roles(connection)
            connection.commit()


if context.is_offline_mode():
    raise SystemExit("The migrations look at the data, so they run on a database only: runstudio migrate.")

configured = context.config.get_main_option("sqlalchemy.url")
if not configured:
    raise SystemExit("No database given. Use runstudio migrate, which reads DATABASE_URL.")
_migrate(configured)
