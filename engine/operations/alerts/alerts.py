"""Setting alerts, reading them and their outbox, and trying one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from engine.errors import NotFound
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.runs.run_access import checked_reason
from engine.records import Alert, AlertMessage, Level, MessageState, StoredAlert
from engine.store.alerts import outbox, rules
from engine.store.alerts.finding import Group, groups_of
from engine.store.database.engine import is_away
from engine.store.database.reader import open_reader
from engine.store.database.transactions import writing
from engine.store.runs.listing import check_limit
from engine.store.tenant.audit import AuditEntry
from engine.values.json_policy import storable_text
from engine.values.redaction.secret_address import shown_address

MAX_LISTED: Final = 200

_LOG: Final = structlog.get_logger("runstudio.alerts")


@dataclass(frozen=True, slots=True)
class Found:
    """What one look at all rules came to."""

    put: int
    """Messages put in the outbox."""
    broken: tuple[str, ...] = ()
    """Rules that could not be looked at: tenant and name."""


async def list_alerts(context: OperationContext) -> tuple[StoredAlert, ...]:
    """The rules, by name. Needs the level read. Whoever has the URL of a webhook may use it: of that the host is shown."""
    async with writing(await context.readable()) as connection:
        found = await rules.load_alerts(connection, context.tenant)
    return tuple(replace(one, alert=one.alert.shown(shown_address(one.alert.target))) for one in found)


async def set_alert(context: OperationContext, alert: Alert, reason: str) -> StoredAlert:
    """Set a rule, in place of the one of that name. Needs the level admin.

    Raises ``Invalid`` (REASON_TOO_SHORT, REASON_TOO_LONG), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN, tells_temporal=False)
    said = checked_reason(reason)
    async with writing(context.store) as connection:
        await rules.save_alert(connection, context.tenant, new_id(), alert, context.actor.name)
        details = {
            "kind": alert.kind.value,
            "targetKind": alert.target_kind.value,
            "target": shown_address(alert.target),
        }
        await context.audit(connection, _entry("alert_set", alert.name, said, details))
        return await _require(context, connection, alert.name)


async def remove_alert(context: OperationContext, name: str, reason: str) -> None:
    """Delete a rule and its messages. Needs the level admin. Raises ``NotFound`` (ALERT_NOT_FOUND), and as ``set_alert``."""
    await context.require(Level.ADMIN, tells_temporal=False)
    said = checked_reason(reason)
    async with writing(context.store) as connection:
        found = await _require(context, connection, name)
        await rules.delete_alert(connection, found.alert_id)
        await context.audit(connection, _entry("alert_remove", found.alert.name, said, {}))


async def try_alert(context: OperationContext, name: str) -> AlertMessage:
    """Have a message sent that says it is a test; it goes the way of all messages. Needs the level admin.

    Raises ``NotFound`` (ALERT_NOT_FOUND), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN, tells_temporal=False)
    message_id = new_id()
    async with writing(context.store) as connection:
        found = await _require(context, connection, name)
        body = body_of(message_id, context.tenant, found.alert, Group("test", 0), test=True)
        await outbox.put_message(
            connection, context.tenant, found.alert_id, message_id=message_id, group=f"test:{message_id}", body=body
        )
        await context.audit(connection, _entry("alert_test", found.alert.name, None, {"messageId": message_id}))
    [message] = await alert_messages(context, message_id=message_id)
    return message


async def alert_messages(
    context: OperationContext, *, message_id: str | None = None, state: MessageState | None = None, limit: int = 50
) -> tuple[AlertMessage, ...]:
    """Messages, newest first; of one id, or of a state; ``limit`` 1..200. Needs the level read."""
    check_limit(limit, MAX_LISTED)
    async with open_reader(await context.readable(), context.tenant) as reader:
        return await outbox.list_messages(reader, message_id=message_id, state=state, limit=limit)


async def find_and_put(context: OperationContext) -> Found:
    """Put a message in the outbox for each group that a rule of any tenant is about, once an hour.

    ``context``: a worker's. A rule that breaks leaves the others alone, and is told in the log. Raises ``Unavailable``.
    """
    put, broken = 0, list[str]()
    async with writing(context.store) as connection:
        known = await rules.load_all_alerts(connection)
    for tenant, name, stored in known:
        if stored is None:
            _LOG.error("this release does not understand the alert", tenant=tenant, alert=name)
            broken.append(f"{tenant} {name}")
            continue
        try:
            put += await _put_groups(context, tenant, stored)
        except Exception as error:
            if is_away(error):
                raise
            _LOG.exception("alert cannot be looked at", tenant=tenant, alert=name)
            broken.append(f"{tenant} {name}")
    return Found(put, tuple(broken))


async def _put_groups(context: OperationContext, tenant: str, stored: StoredAlert) -> int:
    async with writing(context.store) as connection:
        groups = await groups_of(connection, tenant, stored.alert)
    shown = await _shown(context, tenant, groups)
    put = 0
    async with writing(context.store) as connection:
        for group in shown:
            message_id = new_id()
            body = body_of(message_id, tenant, stored.alert, group)
            put += await outbox.put_message(
                connection, tenant, stored.alert_id, message_id=message_id, group=group.key, body=body
            )
    return put


async def _shown(context: OperationContext, tenant: str, groups: list[Group]) -> list[Group]:
    """The groups as they may be told: a code or a name can be a text that a run made of what is hidden."""
    if not groups:
        return []
    async with open_reader(context.store, tenant) as reader:
        known = await reader.following(runs=(group.run_id for group in groups))

    def hidden(group: Group) -> Group:
        door = known.of(run_id=group.run_id)
        return replace(group, key=door.hide_text(group.key) or "", code=door.hide_text(group.code))

    return [hidden(group) for group in groups]


def body_of(message_id: str, tenant: str, alert: Alert, group: Group, *, test: bool = False) -> dict[str, Any]:
    """What is sent: names, ids and numbers; nothing that a payload, an answer or an error holds."""
    look = f"runstudio run {group.run_id}" if group.run_id else "runstudio attention"
    return {
        "id": message_id,
        "test": test,
        "alert": alert.name,
        "kind": alert.kind.value,
        "tenant": tenant,
        "group": group.key,
        "count": group.count,
        "minutes": alert.minutes,
        "workflowId": group.workflow_id,
        "code": group.code,
        "runId": group.run_id,
        "command": look,
    }


async def _require(context: OperationContext, connection: Any, name: str) -> StoredAlert:
    named = storable_text(name)
    found = await rules.find_alert(connection, context.tenant, named)
    if found is None:
        raise NotFound("ALERT_NOT_FOUND", f"There is no alert {named[:60]}.", "`runstudio alerts list` has them.")
    return found


def _entry(operation: str, name: str, reason: str | None, details: dict[str, Any]) -> AuditEntry:
    return AuditEntry(operation, "alert", name, reason=reason, details=details)
