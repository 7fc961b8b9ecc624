"""Submitting an event. It is stored and answered at once; workers route it (``engine.operations.routing``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from engine.definition.correlation import resolve_correlation
from engine.errors import Conflict, Invalid
from engine.ids import new_id
from engine.operations.actor import Level
from engine.operations.admission import MAX_PAYLOAD_BYTES
from engine.operations.context import OperationContext
from engine.operations.run_access import checked_reason, is_run_id
from engine.store.audit import AuditEntry
from engine.store.events import NewEvent, insert_event, redeliver
from engine.store.json_policy import clean_json, size_bytes
from engine.store.settings import load_settings
from engine.store.transactions import writing

Json = Any

MAX_NAME_CHARACTERS: Final = 200
MAX_ID_CHARACTERS: Final = 1000


@dataclass(frozen=True, slots=True)
class EventRequest:
    """An event, as its producer sends it."""

    name: str
    payload: dict[str, Json] = field(default_factory=dict)
    correlation_key: str | None = None
    """Wins over the keys in the payload; trimmed. None or blank: the keys of the tenant's correlation paths."""
    event_id: str | None = None
    """The producer's id: sending the same one again changes nothing. None: a new one."""
    payload_schema_ref: str | None = None


@dataclass(frozen=True, slots=True)
class EventReceipt:
    """An event was stored."""

    event_id: str
    accepted: bool
    """False: this id was submitted before."""
    keys: tuple[str, ...]
    """What it will be matched by; empty: only waits that take any key, and triggers."""


async def submit_event(context: OperationContext, request: EventRequest) -> EventReceipt:
    """Store an event for routing. Needs the level operate.

    Raises, with nothing written: ``Invalid`` (EVENT_NAME_INVALID, EVENT_ID_INVALID, KEY_INVALID, SCHEMA_REF_INVALID,
    PAYLOAD_NOT_OBJECT, PAYLOAD_TOO_LARGE, JSON_*), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.OPERATE)
    _check_text("name", request.name, MAX_NAME_CHARACTERS, "EVENT_NAME_INVALID")
    if request.event_id is not None:
        _check_text("event id", request.event_id, MAX_ID_CHARACTERS, "EVENT_ID_INVALID")
    if (request.correlation_key or "").strip():
        _check_text("correlation key", request.correlation_key or "", MAX_ID_CHARACTERS, "KEY_INVALID")
    if request.payload_schema_ref is not None:
        _check_text("schema's name", request.payload_schema_ref, MAX_NAME_CHARACTERS, "SCHEMA_REF_INVALID")
    payload = _payload(request.payload)
    event_id = request.event_id or new_id()
    async with writing(context.store) as connection:
        settings = await load_settings(connection, context.tenant)
        keys = tuple(
            resolve_correlation(settings.correlation_paths or {}, request.name, payload, request.correlation_key)
        )
        event = NewEvent(context.tenant, event_id, request.name, keys, payload, request.payload_schema_ref)
        accepted = await insert_event(connection, event)
        if accepted:
            details = {"eventName": request.name, "payloadSizeBytes": size_bytes(payload)}
            await context.audit(connection, AuditEntry("event_submit", "event", event_id, details=details))
    return EventReceipt(event_id, accepted, keys)


async def redeliver_event(context: OperationContext, delivery_id: str, reason: str) -> None:
    """Make a failed delivery again. Needs the level admin.

    Raises ``Invalid`` (REASON_TOO_SHORT, REASON_TOO_LONG), ``Conflict`` (DELIVERY_NOT_FAILED, also for what is no id),
    ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    said = checked_reason(reason)
    async with writing(context.store) as connection:
        if not is_run_id(delivery_id) or not await redeliver(connection, context.tenant, delivery_id):
            raise Conflict(
                "DELIVERY_NOT_FAILED",
                "There is no failed delivery of that id.",
                "Only failed deliveries are made again; look at it once more.",
            )
        await context.audit(connection, AuditEntry("event_redeliver", "delivery", delivery_id, reason=said))


def _payload(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise Invalid("PAYLOAD_NOT_OBJECT", "The payload is no JSON object.", "Send an object; {} is an empty payload.")
    clean: dict[str, Json] = clean_json(value).value
    size = size_bytes(clean)
    if size > MAX_PAYLOAD_BYTES:
        raise Invalid(
            "PAYLOAD_TOO_LARGE",
            f"The payload has {size} bytes; {MAX_PAYLOAD_BYTES} are allowed.",
            "Store large data elsewhere and send a reference to it.",
            {"bytes": size, "limit": MAX_PAYLOAD_BYTES},
        )
    return clean


def _check_text(what: str, value: str, most: int, code: str) -> None:
    bad = any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value)
    if not value.strip() or len(value) > most or bad:
        raise Invalid(
            code,
            f"The {what} is blank, longer than {most} characters, or has characters no text can have.",
            "Use a short text.",
        )
