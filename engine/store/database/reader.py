"""Read-only snapshots for readers: one transaction, the server's clock, one redaction policy, a statement timeout."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, Text, TextClause, bindparam, cast, func, literal, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.errors import NotFound
from engine.records import Document, ErrorInfo
from engine.store.database.engine import READ_TIMEOUT_SECONDS, as_unavailable
from engine.store.database.following import NOTHING_FOLLOWED, Followed, Memory, follow, memory_of
from engine.store.database.hidden_documents import SCHEMAS, SENSITIVE_SCHEMAS
from engine.store.database.refusals import as_engine_error
from engine.store.database.tenant_binding import SETTING
from engine.store.tables import workflow_settings as settings
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import BUILT_IN, EVERYTHING, RedactionPolicy, policy_of
from engine.values.redaction.redact import redact, redact_named, redact_text

Json = Any

_ERROR_FIELDS: Final = ("category", "code", "nodePath", "at", "stage", "details", "migration", "previousStatus")


_NOW: Final = func.clock_timestamp().label("now")
_TIMEOUT: Final = func.set_config("statement_timeout", str(int(READ_TIMEOUT_SECONDS * 1000)), True).label("timeout")
# Said to this transaction alone: an option of the connection would let it begin the next ones as READ WRITE, through a fence.
_READ_ONLY: Final = func.set_config("transaction_read_only", "on", True).label("read_only")
_START_ALONE: Final = select(_NOW, _TIMEOUT, _READ_ONLY)
_OF_TENANT: Final = bindparam("of_tenant", type_=settings.c.tenant.type)
CLOCK_AND_POLICY: Final = select(
    _NOW, settings.c.tenant, settings.c.redaction_pointers, settings.c.redaction_key_patterns
).select_from(select(literal(1)).subquery().outerjoin(settings, settings.c.tenant == _OF_TENANT))
"""Of the tenant ``of_tenant``, for a transaction that goes on as it is."""
START: Final = CLOCK_AND_POLICY.add_columns(
    _TIMEOUT, _READ_ONLY, func.set_config(SETTING, cast(_OF_TENANT, Text), True).label("bound")
)
"""The first statement of a snapshot of the tenant ``of_tenant``: binds it to that, sets the timeout, gives clock and policy."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one tenant is shown of one moment."""

    tenant: str
    server_now: datetime
    """The server's clock when the reading began, aware UTC."""
    policy: RedactionPolicy
    payload_schema: Json = None
    """Of the run that is read, whose payload may have marked places; None: none, or no single run."""
    action_traits: Json = None
    """Of the version of the run that is read, with the schemas in which its actions mark something; None: no single run."""
    followed: Followed = NOTHING_FOLLOWED
    """What is hidden in the runs and events of which something is shown."""

    def of(self, *, run_id: str | None = None, event_id: str | None = None) -> Reading:
        """What is shown of something that belongs to this run, to this event, or to both: copies of what is hidden in them are
        hidden too. Nothing at all is shown where that was not looked up. Neither: it belongs to the tenant alone.
        """
        scopes = [("run", run_id)] if run_id is not None else []
        scopes += [("event", event_id)] if event_id is not None else []
        if not scopes:
            return self
        policy = self.followed.policy_of(self.policy, scopes) or EVERYTHING
        return self if policy is self.policy else replace(self, policy=policy)

    def hide(self, value: Json) -> Json:
        """A JSON value as it may be shown."""
        return redact(value, self.policy)[0]

    def hide_named(self, name: str, value: Json) -> Json:
        """A value that a record has under this name, as it may be shown."""
        return None if value is None else redact_named(name, value, self.policy)

    def hide_text(self, text: str | None) -> str | None:
        """A text as it may be shown."""
        return None if text is None else redact_text(text, self.policy)

    def document(self, value: Json, size_bytes: int | None = None) -> Document:
        """A JSON body as it may be shown, with the places that were masked."""
        shown, masked = redact(value, self.policy)
        return Document(shown, masked, size_bytes)

    def payload(self, value: Json, size_bytes: int | None = None) -> Document:
        """The payload of the run that is read, as it may be shown: what its schema marks is masked too."""
        return self.of_schema(self.payload_schema, value, size_bytes)

    def of_schema(self, schema: Json, value: Json, size_bytes: int | None = None) -> Document:
        """A JSON body as it may be shown: what its JSON schema marks with ``x-sensitive`` is masked too."""
        shown, masked = redact(value, self.policy.beside(schema, value))
        return Document(shown, masked, size_bytes)

    def given(self, action: str, value: Json, size_bytes: int | None = None) -> Document:
        """What an action (``id@version``) of the run that is read was given, as it may be shown."""
        return self.of_schema(self._schema_of(action, "input"), value, size_bytes)

    def answered(self, action: str, value: Json, size_bytes: int | None = None) -> Document:
        """What an action (``id@version``) of the run that is read answered, as it may be shown."""
        return self.of_schema(self._schema_of(action, "output"), value, size_bytes)

    def _schema_of(self, action: str, side: str) -> Json:
        return ((self.action_traits or {}).get(action) or {}).get(SENSITIVE_SCHEMAS, {}).get(side)

    def definition(self, value: Json) -> Json:
        """A definition as it may be shown: what is written out in it is masked like any value, references are not."""
        return redact(value, self.policy.for_definitions())[0]

    def error(self, value: Json, fallback: str | None = None) -> ErrorInfo | None:
        """A stored error as it may be shown; None when there is neither one nor a ``fallback`` message."""
        if value is None and not fallback:
            return None
        given = {"message": fallback, **value} if isinstance(value, dict) else {"message": fallback or value}
        said = given["message"]
        if self.hide({}) == PLACEHOLDER:
            return ErrorInfo(category="", message=PLACEHOLDER)
        message = self.hide_text(said) if isinstance(said, str) else self.hide(said)
        # The names are ours: that one of them is somebody's password hides no field.
        known = {name: self.hide_named(name, given.get(name)) for name in _ERROR_FIELDS}
        return ErrorInfo(
            category=str(known["category"] or ""),
            message=str(message or ""),
            code=None if known["code"] is None else str(known["code"]),
            path=str(known["nodePath"] or ""),
            at=_instant(known["at"]),
            stage=None if known["stage"] is None else str(known["stage"]),
            details=known["details"],
            migration=known["migration"],
            previous_status=known["previousStatus"],
        )


@dataclass(frozen=True, slots=True)
class Reader(Reading):
    """A read-only snapshot of one tenant: all its statements see the same data."""

    connection: AsyncConnection = field(kw_only=True)
    memory: Memory = field(kw_only=True)

    async def following(self, *, runs: Iterable[str | None] = (), events: Iterable[str | None] = ()) -> Reader:
        """This reader, which knows what is hidden in these runs and events too; None among them is none."""
        found = await follow(self._ask, self.memory, self.policy, _named(runs), _named(events))
        return replace(self, followed=self.followed.beside(found))

    async def _ask(self, statement: TextClause, parameters: Mapping[str, Any]) -> Sequence[Row[Any]]:
        return (await self.connection.execute(statement, parameters)).all()

    async def rows(
        self, query: Select[*tuple[Any, ...]] | TextClause, parameters: Mapping[str, Any] | None = None
    ) -> list[Row[Any]]:
        """All rows of a query."""
        return list((await self.connection.execute(query, parameters)).all())

    async def row(self, query: Select[*tuple[Any, ...]]) -> Row[Any] | None:
        """The first row of a query."""
        found: Row[Any] | None = (await self.connection.execute(query)).first()
        return found


def _named(ids: Iterable[str | None]) -> list[str]:
    return [str(one) for one in ids if one is not None]


def _instant(text: Json) -> datetime | None:
    """The time of an error, which is stored as text; history has texts that are no times."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


@asynccontextmanager
async def open_reader(engine: AsyncEngine, tenant: str, run_id: str | None = None) -> AsyncIterator[Reader]:
    """A reader of ``tenant``; with a ``run_id``, one that also hides what that run's hidden values were copied to.

    A redaction policy that cannot be read or understood hides everything. Raises ``Unavailable``: POSTGRES_UNREACHABLE,
    POSTGRES_BUSY, or QUERY_TOO_SLOW when a statement ran longer than ``READ_TIMEOUT_SECONDS``; ``Invalid``: as ``as_refusal``.
    """
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            begun = await _begin(connection, tenant)
            reader = Reader(
                begun.tenant, begun.server_now, begun.policy, connection=connection, memory=memory_of(engine, tenant)
            )
            yield reader if run_id is None else await _of_run(reader, run_id)
    except (DBAPIError, PoolTimeout, OSError, UnicodeEncodeError) as error:
        refusal = as_engine_error(error, question=True)
        if refusal is None:
            raise
        raise refusal from error


async def _of_run(reader: Reader, run_id: str) -> Reader:
    """``reader`` for one run. What it hides cannot be told from values that cannot be read: then nothing is shown."""
    try:
        following = await reader.following(runs=[run_id])
    except (RecursionError, ValueError, LookupError, TypeError):
        return replace(reader, policy=EVERYTHING)
    schemas = await reader._ask(SCHEMAS, {"run_id": run_id, "tenant": reader.tenant})
    policy = following.of(run_id=run_id).policy
    if not schemas:
        return replace(following, policy=policy)
    return replace(following, policy=policy, payload_schema=schemas[0].payload, action_traits=schemas[0].actions)


async def _begin(connection: AsyncConnection, tenant: str) -> Reading:
    """Sets the statement timeout, and asks for clock and policy, in one round trip."""
    try:
        return reading_of(tenant, (await connection.execute(START, {"of_tenant": tenant})).one())
    except DBAPIError as error:
        if as_unavailable(error) is not None:
            raise
        await connection.rollback()
        now = (await connection.execute(_START_ALONE)).one().now
        return Reading(tenant, now.astimezone(UTC), EVERYTHING)


def reading_of(tenant: str, row: Any) -> Reading:
    """What ``START`` or ``CLOCK_AND_POLICY`` answered."""
    policy = BUILT_IN if row.tenant is None else policy_of(row.redaction_pointers, row.redaction_key_patterns)
    return Reading(tenant, row.now.astimezone(UTC), policy)


def run_id_text(run_id: str | UUID) -> str:
    """The id of a run that may exist. Raises ``NotFound``: what is no id names no run."""
    text = str(run_id)
    try:
        return str(UUID(text))
    except ValueError:
        raise run_not_found(text) from None


def run_not_found(run_id: str) -> NotFound:
    """There is no such run, or it belongs to somebody else: the same answer."""
    return NotFound(
        "RUN_NOT_FOUND", f"There is no run {run_id[:60]}.", "Check the id and the tenant.", {"runId": run_id[:60]}
    )
