"""Submitting an event. It is stored and answered at once; workers route it (``engine.operations.events.routing``)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from engine.definition.correlation import resolve_correlation
from engine.definition.hash import canonical_json
from engine.errors import Conflict, Invalid
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.records import EventReceipt, Level
from engine.store.database.callers_connection import CallersConnection
from engine.store.database.callers_transaction import writing_in
from engine.store.database.transactions import writing
from engine.store.events.events import NewEvent, Submitter, insert_event, is_same_event
from engine.store.tenant.audit import AuditEntry
from engine.store.tenant.settings import load_settings
from engine.values.event_key import normal_key
from engine.values.json_policy import clean_json, size_bytes
from engine.values.request_limits import MAX_KEY_BYTES, MAX_NAME_CHARACTERS, MAX_PAYLOAD_BYTES, utf8_bytes

Json = Any


@dataclass(frozen=True, slots=True)
class EventRequest:
    """An event, as its producer sends it."""

    name: str
    """As in definitions: trimmed, and composed (NFC)."""
    payload: dict[str, Json] = field(default_factory=dict)
    correlation_key: str | None = None
    """Wins over the keys in the payload; trimmed. None or blank: the keys of the tenant's correlation paths."""
    event_id: str | None = None
    """The producer's id: sending the same event under it again changes nothing. None: a new one."""
    payload_schema_ref: str | None = None


async def submit_event(
    context: OperationContext, request: EventRequest, connection: CallersConnection | None = None
) -> EventReceipt:
    """Store an event for routing. Needs the level operate.

    With a ``connection`` the event is part of the caller's transaction, and arrives when that commits. Raises, with nothing
    written: ``Invalid`` (EVENT_NAME_INVALID, EVENT_ID_INVALID, KEY_INVALID, KEY_TOO_LONG, SCHEMA_REF_INVALID, PAYLOAD_NOT_OBJECT,
    PAYLOAD_TOO_LARGE, JSON_*), ``Conflict`` (EVENT_ID_REUSED: another event has the id), ``Forbidden``, ``Unavailable``, and with
    a ``connection`` as ``writing_in``.
    """
    await context.require(Level.OPERATE, tells_temporal=False)
    name = normal_key(request.name) if isinstance(request.name, str) else request.name
    _check_name("name", name, "EVENT_NAME_INVALID")
    if request.event_id is not None:
        _check_key("event id", request.event_id, "EVENT_ID_INVALID")
    if request.correlation_key is not None and not _is_blank(request.correlation_key):
        _check_key("correlation key", request.correlation_key, "KEY_INVALID")
    if request.payload_schema_ref is not None:
        _check_name("schema's name", request.payload_schema_ref, "SCHEMA_REF_INVALID")
    payload = _payload(request.payload)
    event_id = request.event_id or new_id()
    digests = _digests(request, payload)
    actor = context.actor
    submitter = Submitter(actor.name, actor.source, actor.known_by, (await context.level()).word)
    transaction = (
        writing(context.store) if connection is None else writing_in(context.store, connection, context.tenant)
    )
    async with transaction as rows:
        settings = await load_settings(rows, context.tenant)
        keys = tuple(resolve_correlation(settings.correlation_paths or {}, name, payload, request.correlation_key))
        for key in keys:
            _check_key("correlation key in the payload", key, "KEY_TOO_LONG")
        event = NewEvent(context.tenant, event_id, name, keys, payload, request.payload_schema_ref, digests, submitter)
        accepted = await insert_event(rows, event, late=connection is not None)
        if accepted:
            details = {"eventName": name, "payloadSizeBytes": size_bytes(payload)}
            await context.audit(rows, AuditEntry("event_submit", "event", event_id, details=details))
        elif not await is_same_event(rows, event):
            raise Conflict(
                "EVENT_ID_REUSED",
                f"The event id {event_id[:60]!r} belongs to another event: its name, key, payload or schema differ.",
                "Use a new id for a new event. Nothing was stored.",
            )
    return EventReceipt(event_id, accepted, keys)


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


def _digests(request: EventRequest, payload: dict[str, Json]) -> tuple[str, ...]:
    """Of what the producer sent; not of the keys, which depend on the tenant's paths at that time.

    The last ones are as earlier builds made them: of a name as it came, and of a key that was trimmed only.
    """
    key = request.correlation_key or ""
    names, keys = (normal_key(request.name), request.name), (normal_key(key), key.strip())
    forms = dict.fromkeys(product(names, keys))
    said = [[name, form, payload, request.payload_schema_ref] for name, form in forms]
    return tuple(hashlib.sha256(canonical_json(one)).hexdigest() for one in said)


def _is_blank(key: str) -> bool:
    return isinstance(key, str) and not normal_key(key)


def _check_name(what: str, value: str, code: str) -> None:
    _check_text(what, value, code, f"{MAX_NAME_CHARACTERS} characters", lambda: len(value) > MAX_NAME_CHARACTERS)


def _check_key(what: str, value: str, code: str) -> None:
    _check_text(what, value, code, f"{MAX_KEY_BYTES} bytes", lambda: utf8_bytes(value) > MAX_KEY_BYTES)


def _check_text(what: str, value: str, code: str, most: str, is_longer: Callable[[], bool]) -> None:
    if not isinstance(value, str):
        raise Invalid(code, f"The {what} is no text but of the type {type(value).__name__}.", "Send it as text.")
    bad = any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value)
    if not value.strip() or is_longer() or bad:
        raise Invalid(
            code,
            f"The {what} is blank, longer than {most}, or has characters no text can have.",
            "Use a short text.",
        )
