"""How anything is read for somebody to see: one moment, one clock, one redaction policy, and never for long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, func, literal, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.errors import Invalid, NotFound
from engine.redaction import BUILT_IN, EVERYTHING, RedactionPolicy, policy_of, redact, redact_text
from engine.store.engine import READ_TIMEOUT_SECONDS, as_unavailable
from engine.store.tables import workflow_settings as settings
from engine.store.views import Document, ErrorView

Json = Any

_ERROR_FIELDS: Final = ("category", "code", "nodePath", "at", "stage", "details")


_START: Final = select(
    func.clock_timestamp().label("now"),
    func.set_config("statement_timeout", str(int(READ_TIMEOUT_SECONDS * 1000)), True),
)
_START_WITH_POLICY: Final = _START.add_columns(
    settings.c.tenant, settings.c.redaction_pointers, settings.c.redaction_key_patterns
).select_from(select(literal(1)).subquery().outerjoin(settings, settings.c.tenant == bindparam("of_tenant")))


@dataclass(frozen=True, slots=True)
class Reader:
    """A read-only transaction of one tenant. All its statements see the same data."""

    connection: AsyncConnection
    tenant: str
    server_now: datetime
    """The server's clock when the reading began, aware UTC."""
    policy: RedactionPolicy

    async def rows(
        self, query: Select[*tuple[Any, ...]], parameters: Mapping[str, Any] | None = None
    ) -> list[Row[Any]]:
        """All rows of a query."""
        return list((await self.connection.execute(query, parameters)).all())

    async def row(self, query: Select[*tuple[Any, ...]]) -> Row[Any] | None:
        """The first row of a query."""
        found: Row[Any] | None = (await self.connection.execute(query)).first()
        return found

    def hide(self, value: Json) -> Json:
        """A JSON value as it may be shown."""
        return redact(value, self.policy)[0]

    def hide_text(self, text: str | None) -> str | None:
        """A text as it may be shown."""
        return None if text is None else redact_text(text, self.policy)

    def document(self, value: Json, size_bytes: int | None = None) -> Document:
        """A JSON body as it may be shown, with the places that were masked."""
        shown, masked = redact(value, self.policy)
        return Document(shown, masked, size_bytes)

    def error(self, value: Json, fallback: str | None = None) -> ErrorView | None:
        """A stored error as it may be shown; None when there is neither one nor a ``fallback`` message."""
        if value is None and not fallback:
            return None
        stored = self.hide(
            {"message": fallback, **value} if isinstance(value, dict) else {"message": fallback or value}
        )
        if not isinstance(stored, dict):
            return ErrorView(category="", message=str(stored))
        known = {name: stored.get(name) for name in _ERROR_FIELDS}
        return ErrorView(
            category=str(known["category"] or ""),
            message=str(stored.get("message") or ""),
            code=None if known["code"] is None else str(known["code"]),
            path=str(known["nodePath"] or ""),
            at=None if known["at"] is None else str(known["at"]),
            stage=None if known["stage"] is None else str(known["stage"]),
            details=known["details"],
            migration=stored.get("migration"),
            previous_status=stored.get("previousStatus"),
        )


@asynccontextmanager
async def open_reader(engine: AsyncEngine, tenant: str) -> AsyncIterator[Reader]:
    """A reader of ``tenant``.

    A redaction policy that cannot be read or understood hides everything. Raises ``Unavailable``: POSTGRES_UNREACHABLE,
    POSTGRES_BUSY, or QUERY_TOO_SLOW when a statement ran longer than ``READ_TIMEOUT_SECONDS``.
    """
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            now, policy = await _begin(connection, tenant)
            yield Reader(connection, tenant, now, policy)
    except (DBAPIError, PoolTimeout, OSError) as error:
        refusal = as_unavailable(error)
        if refusal is None:
            raise
        raise refusal from error


async def _begin(connection: AsyncConnection, tenant: str) -> tuple[datetime, RedactionPolicy]:
    """Sets the statement timeout, and asks for clock and policy, in one round trip."""
    try:
        row = (await connection.execute(_START_WITH_POLICY, {"of_tenant": tenant})).one()
    except DBAPIError as error:
        if as_unavailable(error) is not None:
            raise
        await connection.rollback()
        return (await connection.execute(_START)).one().now.astimezone(UTC), EVERYTHING
    policy = BUILT_IN if row.tenant is None else policy_of(row.redaction_pointers, row.redaction_key_patterns)
    return row.now.astimezone(UTC), policy


def uuid_text(value: str, what: str) -> str:
    """``value`` as Postgres prints a uuid. Raises ``Invalid`` (ID_INVALID) when it is none."""
    try:
        return str(UUID(value))
    except ValueError:
        raise Invalid("ID_INVALID", f"{value[:60]!r} is not the id of a {what}.", "Copy the whole id.") from None


def run_id_text(run_id: str) -> str:
    """The id of a run that may exist. Raises ``NotFound``: what is no id names no run."""
    try:
        return str(UUID(run_id))
    except ValueError:
        raise run_not_found(run_id) from None


def run_not_found(run_id: str) -> NotFound:
    """There is no such run, or it belongs to somebody else: the same answer."""
    return NotFound(
        "RUN_NOT_FOUND", f"There is no run {run_id[:60]}.", "Check the id and the tenant.", {"runId": run_id[:60]}
    )
