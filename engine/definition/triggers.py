"""From an event to the payload of the run it starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.definition.assign_paths import FORBIDDEN_SEGMENTS, written
from engine.definition.mappings import is_expression, is_secret
from engine.definition.models import EventTrigger
from engine.errors import EXPRESSION, VALIDATION, StepFailure
from engine.expression import ExpressionFailure, compile_expression

Json = Any


def apply_trigger_mapping(
    trigger: EventTrigger, event: Mapping[str, Json], now_iso: Callable[[], str] | None = None
) -> tuple[Json, bool]:
    """The payload a trigger makes of an event, and whether it mapped anything.

    ``event`` is ``{name, correlationKey, payload, payloadSchemaRef}``, the only thing the mapping's expressions see. Dotted keys
    of the mapping become nested objects, a later key over an earlier one. Without a mapping the payload is the event's own.
    ``now_iso`` answers ``nowIso()``; the event's ``receivedAt`` does when it is not given.

    Raises StepFailure: ExpressionError with the JSON pointer of the value in ``details.path``, or ValidationError with code
    TRIGGER_MAPPING_INVALID for a secret or a forbidden name.
    """
    if not trigger.payload_mapping:
        return event.get("payload"), False
    clock = now_iso or (lambda: str(event.get("receivedAt", "")))
    payload: dict[str, Json] = {}
    for key, value in trigger.payload_mapping.items():
        segments = tuple(key.split("."))
        for name in segments:
            if name == "" or name in FORBIDDEN_SEGMENTS:
                raise _invalid(f"/{key}", f"{name or 'an empty name'} is not allowed as a name")
        payload = written(payload, segments, _resolved(value, f"/{key}", {"event": dict(event)}, clock))
    return payload, True


def _resolved(value: Json, path: str, context: Mapping[str, Json], now_iso: Callable[[], str]) -> Json:
    if is_expression(value):
        try:
            return compile_expression(value["$expr"] or "").evaluate(context, now_iso)
        except ExpressionFailure as failure:
            details = {"path": path, "source": failure.source, "position": failure.position, "stage": failure.stage}
            raise StepFailure(EXPRESSION, failure.message, code=failure.kind, details=details) from failure
    if is_secret(value):
        # A payload is stored and shown; a secret in it would be neither secret nor found by redaction.
        raise _invalid(path, "a secret cannot be put into a payload")
    if isinstance(value, Mapping):
        return {name: _resolved(item, f"{path}/{name}", context, now_iso) for name, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, f"{path}/{index}", context, now_iso) for index, item in enumerate(value)]
    return value


def _invalid(path: str, reason: str) -> StepFailure:
    return StepFailure(
        VALIDATION,
        f"The trigger's payload mapping at {path}: {reason}.",
        code="TRIGGER_MAPPING_INVALID",
        details={"path": path},
    )
