"""The key/value store of workflows: tenant, namespace and key to a JSON value with a revision and an optional expiry.

Expiry is judged by the database's clock, in every statement, so a row is gone for all readers and writers at the same
moment, whether or not the sweep has removed it yet. Every write is one statement: there is no read before it to race with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Numeric,
    Row,
    and_,
    case,
    delete,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.ids import new_id
from engine.store.tables import workflow_data_store as table

Transaction: TypeAlias = AsyncConnection
"""A connection inside a transaction that the caller commits."""

_NOW: Final = func.statement_timestamp()
_EXPIRED: Final[ColumnElement[bool]] = and_(table.c.expires_at.is_not(None), table.c.expires_at <= _NOW)
_LIVE: Final[ColumnElement[bool]] = or_(table.c.expires_at.is_(None), table.c.expires_at > _NOW)
_FIELDS: Final = (table.c.key, table.c.value, table.c.value_type, table.c.revision, table.c.expires_at)


class RevisionConflict(Exception):
    """The row is not at the revision the writer expected; ``current`` is its revision, None when it is absent."""

    def __init__(self, expected: int, current: int | None) -> None:
        super().__init__(f"expected revision {expected}, found {'none' if current is None else current}")
        self.expected = expected
        self.current = current


class NotANumber(Exception):
    """``increment`` met a value that is no number; nothing was written."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a value is: keys are unique within a tenant and namespace."""

    tenant: str
    namespace: str
    key: str


@dataclass(frozen=True, slots=True)
class StoredValue:
    """One live row."""

    key: str
    value: Any
    value_type: str
    """string, number, boolean or json."""
    revision: int
    """From 1, one more with every write."""
    expires_at: datetime | None


async def get(transaction: Transaction, slot: Slot) -> StoredValue | None:
    """The live value, or None."""
    row = (await transaction.execute(select(*_FIELDS).where(_at(slot), _LIVE))).one_or_none()
    return None if row is None else _stored(row)


async def put(
    transaction: Transaction,
    slot: Slot,
    value: Any,
    *,
    value_type: str = "json",
    ttl: timedelta | None = None,
    if_revision: int | None = None,
    run_id: str | None = None,
) -> int:
    """Writes the value and its expiry (no ``ttl``: never) and returns the new revision; 1 means it was created.

    ``if_revision`` 0 only creates, n only replaces revision n. Raises ``RevisionConflict``.
    """
    expires_at = literal(None) if ttl is None else _NOW + literal(ttl)
    written = {"value": value, "value_type": value_type, "expires_at": expires_at, "updated_at": _NOW}
    if if_revision:
        statement = (
            update(table)
            .where(_at(slot), _LIVE, table.c.revision == if_revision)
            .values(written | {"revision": table.c.revision + 1})
            .returning(*_FIELDS)
        )
        row = (await transaction.execute(statement)).one_or_none()
    else:
        row = await _upsert(transaction, slot, written, run_id, only=_EXPIRED if if_revision == 0 else None)
    if row is None:
        current = await get(transaction, slot)
        raise RevisionConflict(if_revision or 0, current.revision if current else None)
    return _stored(row).revision


async def increment(
    transaction: Transaction, slot: Slot, by: int | float, *, initial: int | float = 0, run_id: str | None = None
) -> StoredValue:
    """Adds to a number; an absent or expired one starts at ``initial + by`` and never expires.

    Decimal arithmetic: 0.1 and 0.2 make 0.3. The expiry of a live number stays. Raises ``NotANumber``.
    """
    # repr gives the shortest decimal of a float; Decimal(float) would give its binary expansion.
    step, start = Decimal(repr(by)), Decimal(repr(initial))
    written = {
        "value": func.to_jsonb(literal(start + step, Numeric)),
        "value_type": "number",
        "expires_at": literal(None),
        "updated_at": _NOW,
    }
    number = table.c.value.op("#>>")(literal_column("'{}'")).cast(Numeric)
    when_live = {"value": func.to_jsonb(number + literal(step, Numeric)), "expires_at": table.c.expires_at}
    is_number = func.jsonb_typeof(table.c.value) == "number"
    row = await _upsert(transaction, slot, written, run_id, when_live=when_live, only=or_(_EXPIRED, is_number))
    if row is None:
        raise NotANumber
    return _stored(row)


async def remove(transaction: Transaction, slot: Slot) -> bool:
    """Deletes the row; whether there was a live one."""
    statement = delete(table).where(_at(slot)).returning(_LIVE)
    return bool((await transaction.execute(statement)).scalar_one_or_none())


async def page(
    transaction: Transaction,
    tenant: str,
    namespace: str,
    *,
    prefix: str = "",
    after: str | None = None,
    limit: int,
) -> Sequence[StoredValue]:
    """Live values in the order of their keys, those after the key ``after``, at most ``limit``."""
    statement = (
        select(*_FIELDS)
        .where(table.c.tenant == tenant, table.c.namespace == namespace, _LIVE)
        .order_by(table.c.key)
        .limit(limit)
    )
    if prefix:
        statement = statement.where(func.starts_with(table.c.key, prefix))
    if after is not None:
        statement = statement.where(table.c.key > after)
    return [_stored(row) for row in await transaction.execute(statement)]


async def namespaces(transaction: Transaction, tenant: str) -> Sequence[tuple[str, int]]:
    """Namespaces with live keys, and how many, by name."""
    statement = (
        select(table.c.namespace, func.count())
        .where(table.c.tenant == tenant, _LIVE)
        .group_by(table.c.namespace)
        .order_by(table.c.namespace)
    )
    return [(namespace, count) for namespace, count in await transaction.execute(statement)]


async def delete_expired(transaction: Transaction, limit: int = 1000) -> int:
    """Removes up to ``limit`` expired rows of any tenant, oldest expiry first; how many.

    Rows that another transaction holds are passed over, so several sweeps share the work instead of waiting.
    """
    identity = (table.c.tenant, table.c.store_id)
    oldest = (
        select(*identity)
        .where(_EXPIRED)
        .order_by(table.c.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("oldest")
    )
    statement = delete(table).where(tuple_(*identity).in_(select(oldest.c.tenant, oldest.c.store_id)))
    return (await transaction.execute(statement)).rowcount


async def _upsert(
    transaction: Transaction,
    slot: Slot,
    written: dict[str, Any],
    run_id: str | None,
    *,
    when_live: dict[str, Any] | None = None,
    only: ColumnElement[bool] | None = None,
) -> Row[*tuple[Any, ...]] | None:
    """Inserts, or updates where ``only`` holds. An expired row is written as if it had not been there."""
    statement = insert(table).values(
        tenant=slot.tenant,
        store_id=new_id(),
        namespace=slot.namespace,
        key=slot.key,
        revision=1,
        created_by_run_id=run_id,
        created_at=_NOW,
        **written,
    )
    new = statement.excluded
    live = {name: new[name] for name in written} | (when_live or {})
    live |= {
        "revision": table.c.revision + 1,
        "created_at": table.c.created_at,
        "created_by_run_id": table.c.created_by_run_id,
    }
    upsert = statement.on_conflict_do_update(
        constraint="workflow_data_store_tenant_namespace_key_uk",
        set_={name: case((_EXPIRED, new[name]), else_=value) for name, value in live.items()},
        where=only,
    ).returning(*_FIELDS)
    return (await transaction.execute(upsert)).one_or_none()


def _at(slot: Slot) -> ColumnElement[bool]:
    return and_(table.c.tenant == slot.tenant, table.c.namespace == slot.namespace, table.c.key == slot.key)


def _stored(row: Row[*tuple[Any, ...]]) -> StoredValue:
    return StoredValue(row.key, row.value, row.value_type, row.revision, row.expires_at)
