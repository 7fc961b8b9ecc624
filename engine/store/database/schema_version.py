"""Schema versions: which one a database has, which one this program needs, and migrating to it.

``runstudio migrate`` calls ``migrate``; workers and the studio call ``require_current_schema`` before anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from psycopg import errors as postgres_errors
from sqlalchemy import Connection, column, create_engine, func, select, table
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from engine.errors import EngineError, Forbidden, Unavailable
from engine.settings import DATABASE_DRIVER
from engine.store.database.connecting import connect_directly, usable
from engine.store.database.engine import as_denied, as_unavailable

_VERSION: Final = table("alembic_version", column("version_num"))


class SchemaOutdated(EngineError):
    """The database's schema is not the one this program was written for."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One step of the schema's history."""

    name: str
    """``0003``; revisions are ordered by it."""
    summary: str


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """What ``migrate`` did."""

    before: str | None
    """Revision found; None: an empty database."""
    after: str
    counts: dict[str, int] = field(default_factory=dict)
    """Rows the cutover closed, by kind: runs, waits, steps, invocations, tasks. Empty when it was not part of this."""


def revisions() -> tuple[Revision, ...]:
    """The whole history, oldest first, from the file names: ``0003_cutover.py``."""
    stems = sorted(path.stem for path in (_directory() / "versions").glob("[0-9]*_*.py"))
    split = (stem.partition("_") for stem in stems)
    return tuple(Revision(name, summary.replace("_", " ")) for name, _, summary in split)


def head_revision() -> str:
    """The revision this program needs, such as ``0003``."""
    return revisions()[-1].name


def current_revision(url: str) -> str | None:
    """The revision of a database; None when nothing was ever migrated. Raises ``Unavailable``."""
    engine = create_engine(
        usable(url).set(drivername=DATABASE_DRIVER),
        poolclass=NullPool,
        creator=lambda: connect_directly(url, "runstudio migrate"),
    )
    try:
        with engine.connect() as connection:
            return _revision_of(connection)
    except (DBAPIError, OSError) as error:
        raise as_unavailable(error) or as_denied(error) or error from error


def missing_revisions(url: str) -> tuple[Revision, ...]:
    """What ``migrate`` would apply, in order; empty when the schema is current. Raises ``Unavailable``, ``SchemaOutdated``."""
    return _missing(current_revision(url))


def migrate(url: str, progress: Callable[[str], None] = lambda line: None) -> MigrationResult:
    """Brings a database to this program's schema and grants the roles. Safe to repeat, and after an interruption.

    Blocks for as long as it takes; run it in a thread from async code. ``progress`` is told one line per step. The database
    may be at work. Raises ``Unavailable`` (POSTGRES_UNREACHABLE, MIGRATION_BLOCKED, MIGRATION_RUNNING), ``Forbidden``
    (MIGRATION_NOT_ALLOWED), ``SchemaOutdated`` (SCHEMA_NEWER), and the database's own error when a statement fails; then
    everything before that statement is kept, and the next call goes on from there.
    """
    from alembic import command  # noqa: PLC0415 # a quarter of a second that the studio's start need not pay
    from alembic.config import Config  # noqa: PLC0415 # as above

    before = current_revision(url)
    for revision in _missing(before):
        progress(f"to do: {revision.name} {revision.summary}")
    config = Config()
    config.set_main_option("script_location", str(_directory()))
    # The configuration is an ini file, where % starts a substitution.
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    counts: dict[str, int] = {}
    config.attributes["progress"] = progress
    config.attributes["counts"] = counts
    try:
        command.upgrade(config, "head")
    except (SQLAlchemyError, TimeoutError) as error:
        raise _reason(error) from error
    return MigrationResult(before, head_revision(), counts)


async def require_current_schema(engine: AsyncEngine) -> None:
    """Raises ``SchemaOutdated`` unless the schema is exactly this program's: SCHEMA_OLD names what is missing and the command
    that helps, SCHEMA_NEWER says that the program is the old one. Raises ``Unavailable`` when Postgres cannot be asked.
    """
    try:
        async with engine.connect() as connection:
            found = await connection.run_sync(_revision_of)
    except (DBAPIError, PoolTimeout, OSError) as error:
        raise as_unavailable(error) or as_denied(error) or error from error
    missing = [revision.name for revision in _missing(found)]
    if missing:
        raise SchemaOutdated(
            "SCHEMA_OLD",
            f"The database schema is {f'at {found}' if found else 'missing'}; this program needs {head_revision()}"
            f" (to apply: {', '.join(missing)}).",
            "Run `runstudio migrate`.",
            {"found": found, "needed": head_revision(), "missing": missing},
        )


def _reason(error: BaseException) -> BaseException:
    """Why a migration stopped. After a lost connection alembic trips over its own clean-up; the loss is underneath."""
    cause: BaseException | None = error
    while cause is not None:
        found = _refusal(cause) or as_unavailable(cause)
        if found is not None:
            return found
        cause = cause.__context__
    return error


def _refusal(cause: BaseException) -> EngineError | None:
    original = cause.orig if isinstance(cause, DBAPIError) else cause
    if isinstance(original, postgres_errors.InsufficientPrivilege):
        return Forbidden(
            "MIGRATION_NOT_ALLOWED",
            f"This database user may not change the schema: {str(original).splitlines()[0]}.",
            "Migrate as the owner of the tables.",
        )
    if isinstance(original, postgres_errors.LockNotAvailable):
        return Unavailable(
            "MIGRATION_BLOCKED",
            "A transaction kept a lock on a table for minutes, so the migration gave up; what was done is kept.",
            "End that transaction (pg_stat_activity shows it) and migrate again.",
        )
    if isinstance(original, TimeoutError):
        return Unavailable(
            "MIGRATION_RUNNING",
            f"Another migration of this database is running: the turn is had by {original}.",
            "Wait for it. If that session is no migration, end it: SELECT pg_terminate_backend(SESSION).",
        )
    return None


def _missing(found: str | None) -> tuple[Revision, ...]:
    history = revisions()
    names = [revision.name for revision in history]
    if found is None:
        return history
    if found not in names:
        raise SchemaOutdated(
            "SCHEMA_NEWER",
            f"The database schema is at {found}, which this program does not know; it needs {names[-1]}.",
            "Update Run Studio on this machine.",
            {"found": found, "needed": names[-1]},
        )
    return history[names.index(found) + 1 :]


def _revision_of(connection: Connection) -> str | None:
    """Alembic's own table, read without alembic."""
    if connection.scalar(select(func.to_regclass(_VERSION.name))) is None:
        return None
    return connection.scalar(select(_VERSION.c.version_num))


def _directory() -> Path:
    spec = find_spec("runstudio_migrations")
    if spec is None or spec.origin is None:
        raise EngineError("SCHEMA_SCRIPTS_MISSING", "This installation has no migrations.", "Install Run Studio again.")
    return Path(spec.origin).parent
