"""Links between entities of other systems: a typed edge (left, relation, right) with attributes, by tenant and namespace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, delete, func, literal, literal_column, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from engine.ids import new_id
from engine.store.data.data_store import Transaction
from engine.store.tables import workflow_entity_links as table

_COLUMNS: Final = (
    table.c.link_id,
    table.c.left_type,
    table.c.left_id,
    table.c.right_type,
    table.c.right_id,
    table.c.relation,
    table.c.attributes,
    table.c.created_at,
)


@dataclass(frozen=True, slots=True)
class Entity:
    """A thing of some system, by its type and its id there."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Link:
    """One row."""

    link_id: str
    left: Entity
    right: Entity
    relation: str
    attributes: dict[str, Any]
    created_at: datetime


async def upsert(
    transaction: Transaction,
    tenant: str,
    namespace: str,
    left: Entity,
    right: Entity,
    *,
    relation: str,
    attributes: dict[str, Any],
    run_id: str | None = None,
) -> tuple[str, bool]:
    """Makes the link, or replaces the attributes of the one there is; its id, and whether it was made."""
    statement = insert(table).values(
        tenant=tenant,
        link_id=new_id(),
        namespace=namespace,
        left_type=left.type,
        left_id=left.id,
        right_type=right.type,
        right_id=right.id,
        relation=relation,
        attributes=attributes,
        created_by_run_id=run_id,
    )
    # xmax is 0 on a row version that no update made: Postgres's own answer to "inserted or updated".
    upserted = statement.on_conflict_do_update(
        constraint="workflow_entity_links_tenant_typed_edge_uk",
        set_={"attributes": statement.excluded.attributes, "updated_at": func.statement_timestamp()},
    ).returning(table.c.link_id, literal_column("xmax = 0").label("created"))
    row = (await transaction.execute(upserted)).one()
    return row.link_id, bool(row.created)


async def linked_from(
    transaction: Transaction,
    tenant: str,
    namespace: str,
    left: Entity,
    *,
    relation: str | None = None,
    other_type: str | None = None,
    limit: int,
) -> Sequence[Link]:
    """Links whose left side is ``left``, oldest first."""
    conditions = [*_left_is(left), *_where(relation=relation, right_type=other_type)]
    return await _select(transaction, tenant, namespace, *conditions, limit=limit)


async def linked_to(
    transaction: Transaction,
    tenant: str,
    namespace: str,
    right: Entity,
    *,
    relation: str | None = None,
    other_type: str | None = None,
    limit: int,
) -> Sequence[Link]:
    """Links whose right side is ``right``, oldest first."""
    conditions = [*_right_is(right), *_where(relation=relation, left_type=other_type)]
    return await _select(transaction, tenant, namespace, *conditions, limit=limit)


async def page(
    transaction: Transaction,
    tenant: str,
    namespace: str,
    *,
    left_type: str | None = None,
    right_type: str | None = None,
    relation: str | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int,
) -> Sequence[Link]:
    """Links in the order of their creation, those after ``(created_at, link_id)``."""
    conditions = _where(relation=relation, left_type=left_type, right_type=right_type)
    if after is not None:
        position = (table.c.created_at, table.c.link_id)
        values = [literal(value, column.type) for value, column in zip(after, position, strict=True)]
        conditions.append(tuple_(*position) > tuple_(*values))
    return await _select(transaction, tenant, namespace, *conditions, limit=limit)


async def remove(
    transaction: Transaction,
    tenant: str,
    namespace: str,
    *,
    left: Entity | None = None,
    right: Entity | None = None,
    relation: str | None = None,
) -> int:
    """Deletes the links that have all the given sides; how many. One side at least must be given."""
    if left is None and right is None:
        raise ValueError("left or right is needed: a whole namespace is never deleted by accident")
    conditions = [table.c.tenant == tenant, table.c.namespace == namespace, *_where(relation=relation)]
    if left is not None:
        conditions += _left_is(left)
    if right is not None:
        conditions += _right_is(right)
    return (await transaction.execute(delete(table).where(*conditions))).rowcount


async def namespaces(transaction: Transaction, tenant: str) -> Sequence[tuple[str, int]]:
    """Namespaces with links, and how many, by name."""
    statement = (
        select(table.c.namespace, func.count())
        .where(table.c.tenant == tenant)
        .group_by(table.c.namespace)
        .order_by(table.c.namespace)
    )
    return [(namespace, count) for namespace, count in await transaction.execute(statement)]


async def _select(
    transaction: Transaction,
    tenant: str,
    namespace: str,
    *conditions: ColumnElement[bool],
    limit: int,
) -> list[Link]:
    statement = (
        select(*_COLUMNS)
        .where(table.c.tenant == tenant, table.c.namespace == namespace, *conditions)
        .order_by(table.c.created_at, table.c.link_id)
        .limit(limit)
    )
    return [_link(row) for row in await transaction.execute(statement)]


def _left_is(entity: Entity) -> list[ColumnElement[bool]]:
    return [table.c.left_type == entity.type, table.c.left_id == entity.id]


def _right_is(entity: Entity) -> list[ColumnElement[bool]]:
    return [table.c.right_type == entity.type, table.c.right_id == entity.id]


def _where(**wanted: str | None) -> list[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in wanted.items() if value is not None]


def _link(row: Row[*tuple[Any, ...]]) -> Link:
    return Link(
        link_id=row.link_id,
        left=Entity(row.left_type, row.left_id),
        right=Entity(row.right_type, row.right_id),
        relation=row.relation,
        attributes=row.attributes,
        created_at=row.created_at,
    )
