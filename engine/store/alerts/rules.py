"""The rules of alerts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from engine.errors import EngineError
from engine.records import Alert, AlertKind, AlertTarget, StoredAlert
from engine.store.database.transactions import Connection
from engine.store.tables import workflow_alerts

alerts = workflow_alerts.c
_CONDITIONS = ("workflow", "code", "more_than", "minutes")


async def load_alerts(connection: Connection, tenant: str) -> tuple[StoredAlert, ...]:
    """The rules of a tenant, by name, to be shown: those that this release does not understand too."""
    rows = await connection.execute(select(workflow_alerts).where(alerts.tenant == tenant).order_by(alerts.name))
    return tuple(_shown(row) for row in rows)


async def load_all_alerts(connection: Connection) -> list[tuple[str, str, StoredAlert | None]]:
    """The rules of all tenants, each with its tenant and name; None for one that this release does not understand."""
    rows = await connection.execute(select(workflow_alerts).order_by(alerts.tenant, alerts.name))
    return [(row.tenant, row.name, _understood(row)) for row in rows]


async def find_alert(connection: Connection, tenant: str, name: str) -> StoredAlert | None:
    """The rule of a name, to be shown, removed or tried: this release need not understand it."""
    question = select(workflow_alerts).where(alerts.tenant == tenant, alerts.name == name)
    row = (await connection.execute(question)).first()
    return None if row is None else _shown(row)


async def save_alert(connection: Connection, tenant: str, alert_id: str, alert: Alert, set_by: str) -> None:
    """Write a rule, in place of the one of that name."""
    values: dict[str, Any] = {
        "kind": alert.kind.value,
        "conditions_json": {name: getattr(alert, name) for name in _CONDITIONS},
        "target_kind": alert.target_kind.value,
        "target": alert.target,
        "set_by": set_by,
        "set_at": func.now(),
    }
    row = insert(workflow_alerts).values(alert_id=alert_id, tenant=tenant, name=alert.name, **values)
    await connection.execute(row.on_conflict_do_update(index_elements=["tenant", "name"], set_=values))


async def delete_alert(connection: Connection, alert_id: str) -> None:
    """Its messages go with it."""
    await connection.execute(delete(workflow_alerts).where(alerts.alert_id == alert_id))


def _understood(row: Any) -> StoredAlert | None:
    try:
        return _stored(row)
    except (TypeError, ValueError, EngineError):
        return None


def _shown(row: Any) -> StoredAlert:
    alert = Alert.of_later(row.name, row.kind, row.target_kind, row.target, row.conditions_json)
    return _understood(row) or StoredAlert(row.alert_id, alert, row.set_by, row.set_at)


def _stored(row: Any) -> StoredAlert:
    alert = Alert(row.name, AlertKind(row.kind), AlertTarget(row.target_kind), row.target, **row.conditions_json)
    return StoredAlert(row.alert_id, alert, row.set_by, row.set_at)
