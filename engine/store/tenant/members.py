# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""Who may do what in a tenant: levels of accounts and of Unix groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from engine.records import Level, Member, MemberKind
from engine.store.database.tenant_binding import SETTING
from engine.store.database.transactions import Connection
from engine.store.tables import workflow_members

members = workflow_members.c

_IS_MEANT: Final = "(kind = 'person' AND name = :name OR kind = 'group' AND name = ANY(CAST(:groups AS text[])))"
# pg_has_role with USAGE is true for a superuser, who could write the table anyway, and for whoever inherits the owner's rights.
_OWNER: Final = "FROM pg_class WHERE oid = to_regclass('workflow_members') AND pg_has_role(relowner, 'USAGE')"
_GRANTED: Final = text(
    f"""
    SELECT level FROM workflow_members WHERE tenant = CAST(:tenant AS uuid) AND {_IS_MEANT}
    UNION ALL
    SELECT 'admin' {_OWNER}
    """
)
_WITHOUT_ADMIN: Final = text(
    f"""
    WITH tenants AS (SELECT tenant FROM workflow_members UNION SELECT tenant FROM workflow_definitions)
    SELECT count(*) AS all, count(*) FILTER (WHERE NOT EXISTS (SELECT {_OWNER}) AND NOT EXISTS (
        SELECT FROM workflow_members AS m WHERE m.tenant = tenants.tenant AND level = 'admin' AND {_IS_MEANT})) AS without
    FROM tenants
    """
)
_NAME_TENANT: Final = text(f"SELECT set_config('{SETTING}', :tenant, true)")


async def level_of(connection: Connection, tenant: str, name: str, groups: Sequence[str]) -> Level:
    """The highest level that an account has in a tenant, by itself or by a group; the owner of the tables is admin."""
    values = {"tenant": tenant, "name": name, "groups": list(groups)}
    granted = (await connection.execute(_GRANTED, values)).scalars()
    return max((Level.stored(word) for word in granted), default=Level.NONE)


async def tenants_without_admin(
    connection: Connection, tenant: str, name: str, groups: Sequence[str]
) -> tuple[int, int]:
    """In how many tenants with members or workflows an account is no admin, and of how many; none for the owner of the tables.

    The transaction, bound to ``tenant``, sees all of them for this one question.
    """
    await connection.execute(_NAME_TENANT, {"tenant": ""})
    row = (await connection.execute(_WITHOUT_ADMIN, {"name": name, "groups": list(groups)})).one()
    await connection.execute(_NAME_TENANT, {"tenant": tenant})
    return row.without, row.all


async def load_members(connection: Connection, tenant: str) -> tuple[Member, ...]:
    """Everybody with a level in the tenant: persons first, by name."""
    return await _members(connection, _of(tenant))


async def lock_members(connection: Connection, tenant: str) -> tuple[Member, ...]:
    """As ``load_members``; nobody else changes or removes one of them until the transaction ends.

    By their rows and not by an advisory lock, which every login of the database can hold.
    """
    return await _members(connection, _of(tenant).with_for_update())


async def save_member(
    connection: Connection, tenant: str, kind: MemberKind, name: str, level: Level, *, set_by: str
) -> None:
    """Give a level, instead of the one there was."""
    values = {"level": level.word, "set_by": set_by, "set_at": func.now()}
    row = insert(workflow_members).values(tenant=tenant, kind=kind.value, name=name, **values)
    await connection.execute(row.on_conflict_do_update(constraint=workflow_members.primary_key, set_=values))


async def delete_member(connection: Connection, tenant: str, kind: MemberKind, name: str) -> None:
    """Take the level away."""
    mine = (members.tenant == tenant, members.kind == kind.value, members.name == name)
    await connection.execute(delete(workflow_members).where(*mine))


def _of(tenant: str) -> Select[Any]:
    return select(workflow_members).where(members.tenant == tenant).order_by(members.kind.desc(), members.name)


async def _members(connection: Connection, query: Select[Any]) -> tuple[Member, ...]:
    rows = (await connection.execute(query)).all()
    return tuple(
        Member(MemberKind.stored(row.kind), row.name, Level.stored(row.level), row.set_by, row.set_at) for row in rows
    )
