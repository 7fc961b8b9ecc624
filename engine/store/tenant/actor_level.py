"""What the connected Postgres user may do: membership in the three roles that the migrations create."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from engine.store.database.transactions import Connection

ROLE_LEVELS: Final = {"runstudio_viewer": "read", "runstudio_operator": "operate", "runstudio_admin": "admin"}

# pg_has_role with USAGE is true for a superuser and for every role whose rights are inherited.
_QUESTION: Final = text(
    """
    SELECT rolname FROM pg_roles
    WHERE rolname IN ('runstudio_viewer', 'runstudio_operator', 'runstudio_admin') AND pg_has_role(oid, 'USAGE')
    UNION ALL
    SELECT 'runstudio_admin' FROM pg_class WHERE oid = to_regclass('workflow_runs') AND pg_has_role(relowner, 'USAGE')
    """
)


async def levels_of_user(connection: Connection) -> frozenset[str]:
    """The levels (``read``, ``operate``, ``admin``) granted to the connected user; the tables' owner is admin."""
    return frozenset(ROLE_LEVELS[name] for name in (await connection.execute(_QUESTION)).scalars())
