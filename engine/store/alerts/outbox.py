"""The outbox: messages that are to be sent, tried again until they are, or given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import and_, func, literal_column, select, text

from engine.records import AlertMessage, AlertTarget, MessageState
from engine.store.database.question import QUESTIONS, Question, question
from engine.store.database.reader import Reader, Reading
from engine.store.database.transactions import Connection
from engine.store.tables import workflow_alert_outbox, workflow_alerts
from engine.values.json_policy import dumps_for_storage

MAX_ATTEMPTS: Final = 12
"""With the pauses between them, about seven hours."""
FIRST_PAUSE_SECONDS: Final = 30.0
LONGEST_PAUSE_SECONDS: Final = 3600.0
MAX_ERROR: Final = 500

messages = workflow_alert_outbox.c
_NAMED: Final = select(workflow_alert_outbox, workflow_alerts.c.name).join(
    workflow_alerts, workflow_alerts.c.alert_id == messages.alert_id
)


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A message to be sent now."""

    message_id: str
    tenant: str
    target_kind: AlertTarget
    target: str
    body: dict[str, Any]
    attempts: int
    """This one counted."""


async def put_message(
    connection: Connection, tenant: str, alert_id: str, *, message_id: str, group: str, body: dict[str, Any]
) -> bool:
    """Put a message in; False when there was one of the group in this hour."""
    values = {
        "message": message_id, "tenant": tenant, "alert": alert_id, "group": group, "body": dumps_for_storage(body)
    }  # fmt: skip
    return (await connection.execute(_PUT, values)).first() is not None


async def take_due(connection: Connection, limit: int) -> list[DueMessage]:
    """Messages whose time has come, of all alerts in turn: one with many does not keep the others.

    Each is due again after a pause, in case nothing is told of it any more; one of whose last attempt nothing was told is given
    up. One to a kind of target that this release does not know is left to the workers of another, and one whose row somebody
    holds to the next turn.
    """
    await connection.execute(_GIVE_UP, {"most": MAX_ATTEMPTS})
    kinds = [kind.value for kind in AlertTarget]
    values = {"limit": limit, "first": FIRST_PAUSE_SECONDS, "longest": LONGEST_PAUSE_SECONDS, "kinds": kinds}
    return [
        DueMessage(
            str(row.message_id), str(row.tenant), AlertTarget(row.target_kind), row.target, row.body_json, row.attempts
        )
        for row in await connection.execute(_TAKE, values)
    ]


async def mark_sent(connection: Connection, message_id: str) -> None:
    """It was taken."""
    await connection.execute(_SENT, {"message": message_id})


async def mark_not_sent(connection: Connection, message_id: str, error: str) -> bool:
    """It was not taken; True when it is given up with that."""
    values = {"message": message_id, "error": error[:MAX_ERROR], "most": MAX_ATTEMPTS}
    return bool((await connection.execute(_NOT_SENT, values)).scalar_one_or_none())


async def delete_settled(connection: Connection, limit: int) -> int:
    """Delete messages that were settled more than 30 days ago; how many."""
    return len((await connection.execute(_OLD, {"limit": limit})).all())


async def list_messages(
    reader: Reader, *, message_id: str | None, state: MessageState | None, limit: int
) -> tuple[AlertMessage, ...]:
    """Messages, newest first; of one id, or of a state."""
    wanted = _NAMED.where(messages.tenant == reader.tenant)
    if message_id is not None:
        wanted = wanted.where(messages.message_id == message_id)
    if state is not None:
        wanted = wanted.where(messages.state == state)
    rows = await reader.rows(wanted.order_by(messages.created_at.desc(), messages.message_id.desc()).limit(limit))
    return tuple(message_of(row, reader) for row in rows)


@lru_cache(maxsize=QUESTIONS)
def given_up(tenant: str, within: timedelta, limit: int) -> Question:
    """Messages made ``within`` that time which nobody took; newest first."""
    failed = and_(messages.state == literal_column("'failed'"), messages.created_at >= func.now() - within)
    rows = _NAMED.where(messages.tenant == tenant, failed)
    return question(rows.order_by(messages.created_at.desc(), messages.message_id.desc()).limit(limit))


def message_of(row: Any, reading: Reading) -> AlertMessage:
    """The message of a row, as it may be shown."""
    return AlertMessage(
        row.message_id,
        row.name,
        row.group_key,
        MessageState.stored(row.state),
        row.attempts,
        row.next_attempt_at,
        reading.hide_text(row.last_error),
        row.created_at,
        row.settled_at,
    )


_PUT: Final = text("""
    INSERT INTO workflow_alert_outbox (message_id, tenant, alert_id, group_key, hour, body_json)
    VALUES (CAST(:message AS uuid), CAST(:tenant AS uuid), CAST(:alert AS uuid), :group, date_trunc('hour', now()),
        CAST(:body AS jsonb))
    ON CONFLICT DO NOTHING RETURNING message_id
""")
_TAKE: Final = text("""
    WITH numbered AS (
        SELECT message_id, row_number() OVER (PARTITION BY alert_id ORDER BY next_attempt_at, message_id) AS turn
        FROM workflow_alert_outbox WHERE state = 'pending' AND next_attempt_at <= now()
    ), turns AS MATERIALIZED (
        SELECT message_id, turn FROM numbered WHERE turn <= :limit
    )
    UPDATE workflow_alert_outbox AS m SET attempts = m.attempts + 1,
        next_attempt_at = now() + least(:first * power(2, least(m.attempts, 20)), :longest) * interval '1 second'
    FROM workflow_alerts AS a
    WHERE a.alert_id = m.alert_id AND m.message_id IN (
        SELECT due.message_id FROM workflow_alert_outbox AS due JOIN workflow_alerts AS rule USING (alert_id)
            JOIN turns ON turns.message_id = due.message_id
        WHERE due.state = 'pending' AND due.next_attempt_at <= now() AND rule.target_kind = ANY(CAST(:kinds AS text[]))
        ORDER BY turns.turn, due.next_attempt_at, due.message_id LIMIT :limit FOR UPDATE OF due SKIP LOCKED
    )
    RETURNING m.message_id, m.tenant, a.target_kind, a.target, m.body_json, m.attempts
""")
_GIVE_UP: Final = text("""
    UPDATE workflow_alert_outbox SET state = 'failed', settled_at = now(),
        last_error = coalesce(last_error, 'The worker that tried it told nothing of it.')
    WHERE message_id IN (
        SELECT message_id FROM workflow_alert_outbox
        WHERE state = 'pending' AND next_attempt_at <= now() AND attempts >= :most FOR UPDATE SKIP LOCKED
    )
""")
_SENT: Final = text("""
    UPDATE workflow_alert_outbox SET state = 'sent', settled_at = now(), last_error = NULL
    WHERE message_id = CAST(:message AS uuid) AND state = 'pending'
""")
_NOT_SENT: Final = text("""
    UPDATE workflow_alert_outbox SET last_error = :error,
        state = CASE WHEN attempts >= :most THEN 'failed' ELSE state END,
        settled_at = CASE WHEN attempts >= :most THEN now() END
    WHERE message_id = CAST(:message AS uuid) AND state = 'pending' RETURNING state = 'failed'
""")
_OLD: Final = text("""
    DELETE FROM workflow_alert_outbox WHERE message_id IN (
        SELECT message_id FROM workflow_alert_outbox
        WHERE state <> 'pending' AND settled_at < now() - interval '30 days' LIMIT :limit FOR UPDATE SKIP LOCKED
    ) RETURNING message_id
""")
