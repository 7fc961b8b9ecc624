"""How alembic reaches the database. Every revision is a transaction of its own, or leaves it for an autocommit block."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from engine.settings import DATABASE_DRIVER
from engine.store.database.connecting import connect_directly
from engine.store.tables import metadata
from runstudio_migrations.online import take_turn
from runstudio_migrations.roles import secure


def _migrate(url: str) -> None:
    engine = create_engine(
        make_url(url).set(drivername=DATABASE_DRIVER),
        poolclass=NullPool,
        creator=lambda: connect_directly(url, "runstudio migrate"),
    )
    with engine.connect() as connection:
        take_turn(connection)
        context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
        if context.get_context().get_current_revision() == context.get_head_revision():
            connection.commit()
            secure(connection.execution_options(isolation_level="AUTOCOMMIT"))


if context.is_offline_mode():
    raise SystemExit("The migrations look at the data, so they run on a database only: runstudio migrate.")

configured = context.config.get_main_option("sqlalchemy.url")
if not configured:
    raise SystemExit("No database given. Use runstudio migrate, which reads DATABASE_URL.")
_migrate(configured)
