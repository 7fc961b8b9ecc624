"""Which schema a database has, which one this program needs, and how to get there.

``runstudio migrate`` calls ``migrate``; workers and the studio call ``require_current_schema`` before anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from engine.errors import EngineError, Unavailable
from engine.settings import DATABASE_DRIVER
from engine.store.engine import as_unavailable, connect_arguments


class SchemaOutdated(EngineError):
    """The database's schema is not the one this program was written for."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One step of the schema's history."""

    name: str
    summary: str


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """What ``migrate`` did."""

    before: str | None
    """Revision found; None: an empty database."""
    after: str
    counts: dict[str, int] = field(default_factory=dict)
    """Rows the cutover closed, by kind: runs, waits, steps, invocations, tasks. Empty when it was not part of this."""


def head_revision() -> str:
    """The revision this program needs, such as ``0003``."""
    head = _scripts().get_current_head()
    if head is None:
        raise EngineError("SCHEMA_SCRIPTS_MISSING", "This installation has no migrations.", "Install Run Studio again.")
    return head


def current_revision(url: str) -> str | None:
    """The revision of a database; None when nothing was ever migrated. Raises ``Unavailable``."""
    engine = create_engine(
        make_url(url).set(drivername=DATABASE_DRIVER),
        poolclass=NullPool,
        connect_args=connect_arguments("runstudio migrate"),
    )
    try:
        with engine.connect() as connection:
            return _revision_of(connection)
    except (DBAPIError, OSError) as error:
        raise as_unavailable(error) or error from error


def missing_revisions(url: str) -> tuple[Revision, ...]:
    """What ``migrate`` would apply, in order; empty when the schema is current. Raises ``Unavailable``, ``SchemaOutdated``."""
    return _missing(current_revision(url))


def migrate(url: str, progress: Callable[[str], None] = lambda line: None) -> MigrationResult:
    """Brings a database to this program's schema and grants the roles. Safe to repeat, and after an interruption.

    Blocks for as long as it takes; run it in a thread from async code. ``progress`` is told one line per step. The database
    may be at work. Raises ``Unavailable`` (POSTGRES_UNREACHABLE), ``SchemaOutdated`` (SCHEMA_NEWER), and the database's own
    error when a statement fails; then everything before that statement is kept, and the next call goes on from there.
    """
    before = current_revision(url)
    for revision in _missing(before):
        progress(f"to do: {revision.name} {revision.summary}")
    config = _config()
    # The configuration is an ini file, where % starts a substitution.
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    counts: dict[str, int] = {}
    config.attributes["progress"] = progress
    config.attributes["counts"] = counts
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        refusal: Unavailable | None = as_unavailable(error)
        if refusal is None:
            raise
        raise refusal from error
    return MigrationResult(before, head_revision(), counts)


async def require_current_schema(engine: AsyncEngine) -> None:
    """Raises ``SchemaOutdated`` unless the schema is exactly this program's: SCHEMA_OLD names what is missing and the command
    that helps, SCHEMA_NEWER says that the program is the old one. Raises ``Unavailable`` when Postgres cannot be asked.
    """
    try:
        async with engine.connect() as connection:
            found = await connection.run_sync(_revision_of)
    except (DBAPIError, OSError) as error:
        raise as_unavailable(error) or error from error
    missing = _missing(found)
    if missing:
        raise SchemaOutdated(
            "SCHEMA_OLD",
            f"The database schema is at {found or 'nothing'}; this program needs {head_revision()}"
            f" (missing: {', '.join(revision.name for revision in missing)}).",
            "Run `runstudio migrate`.",
            {"found": found, "needed": head_revision(), "missing": [revision.name for revision in missing]},
        )


def _missing(found: str | None) -> tuple[Revision, ...]:
    scripts = _scripts()
    ordered = [
        Revision(script.revision, (script.doc or "").split("\n")[0])
        for script in scripts.walk_revisions("base", "heads")
    ]
    ordered.reverse()
    names = [revision.name for revision in ordered]
    if found is None:
        return tuple(ordered)
    if found not in names:
        raise SchemaOutdated(
            "SCHEMA_NEWER",
            f"The database schema is at {found}, which this program does not know; it needs {head_revision()}.",
            "Update Run Studio on this machine.",
            {"found": found, "needed": head_revision()},
        )
    return tuple(ordered[names.index(found) + 1 :])


def _revision_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_script_directory()))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _script_directory() -> Path:
    spec = find_spec("migrations")
    if spec is None or spec.origin is None:
        raise EngineError("SCHEMA_SCRIPTS_MISSING", "This installation has no migrations.", "Install Run Studio again.")
    return Path(spec.origin).parent
