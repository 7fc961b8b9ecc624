"""Settings of a tenant that everybody shares: redaction, quota limit, correlation paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from engine.store.database.transactions import Connection
from engine.store.tables import workflow_settings as settings


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """A row of ``workflow_settings``; the defaults are those of a tenant without one."""

    redaction_pointers: tuple[str, ...] = ()
    redaction_key_patterns: tuple[str, ...] = ()
    quota_limit: int | None = None
    """Steps per calendar month (UTC); None: counted, not limited."""
    correlation_paths: dict[str, list[str]] | None = None
    """Event name (or ``*``) to dotted payload paths; None: the built-in ones."""


async def load_settings(connection: Connection, tenant: str) -> TenantSettings:
    """The settings of a tenant."""
    row = (await connection.execute(select(settings).where(settings.c.tenant == tenant))).one_or_none()
    if row is None:
        return TenantSettings()
    return TenantSettings(
        redaction_pointers=tuple(row.redaction_pointers),
        redaction_key_patterns=tuple(row.redaction_key_patterns),
        quota_limit=row.quota_limit,
        correlation_paths=row.correlation_paths,
    )


async def save_settings(connection: Connection, tenant: str, value: TenantSettings, *, updated_by: str) -> None:
    """Replace the settings of a tenant."""
    columns: dict[str, Any] = {
        "redaction_pointers": list(value.redaction_pointers),
        "redaction_key_patterns": list(value.redaction_key_patterns),
        "quota_limit": value.quota_limit,
        "correlation_paths": value.correlation_paths,
        "updated_by": updated_by,
    }
    row = insert(settings).values(tenant=tenant, **columns)
    await connection.execute(
        row.on_conflict_do_update(index_elements=[settings.c.tenant], set_={**columns, "updated_at": func.now()})
    )
