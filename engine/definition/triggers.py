"""From an event to the payload of the run it starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.definition.assign_paths import FORBIDDEN_SEGMENTS, written
from engine.definition.mappings import is_expression, is_secret
from engine.definition.models import EventTrigger
from engine.errors import EXPRESSION, VALIDATION, StepFailure
from engine.expression import ExpressionFailure, compile_expression
from engine.values.json_size import surely_above
from engine.values.request_limits import MAX_JSON_DEPTH, MAX_PAYLOAD_BYTES

Json = Any

MAX_STEPS: Final = 1_000_000
"""Most evaluation steps of all expressions of one mapping: ten times what one expression may use, a third of a second."""


def apply_trigger_mapping(
    trigger: EventTrigger, event: Mapping[str, Json], now_iso: Callable[[], str], spent: Callable[[int], None]
) -> tuple[Json, bool]:
    """The payload a trigger makes of an event, and whether it mapped anything.

    ``event`` is ``{name, correlationKey, payload, payloadSchemaRef}``, the only thing the mapping's expressions see. Dotted keys
    of the mapping become nested objects, a later key over an earlier one. Without a mapping the payload is the event's own.
    ``now_iso`` answers ``nowIso()``. ``spent`` is told the evaluation steps of each expression, of one that fails too.

    Raises StepFailure: ExpressionError with the JSON pointer of the value in ``details.path``, or ValidationError with code
    TRIGGER_MAPPING_INVALID for a secret or a forbidden name, and with TRIGGER_MAPPING_TOO_LARGE for more than ``MAX_STEPS`` in
    all and for more than a payload may have.
    """
    if not trigger.payload_mapping:
        return event.get("payload"), False
    payload: dict[str, Json] = {}
    resolving = _Resolving({"event": dict(event)}, now_iso, spent)
    for key, value in trigger.payload_mapping.items():
        segments = tuple(key.split("."))
        if len(segments) > MAX_JSON_DEPTH:
            raise _too_large(f"/{key[:60]}", f"the name has more than {MAX_JSON_DEPTH} parts")
        for name in segments:
            if name == "" or name in FORBIDDEN_SEGMENTS:
                raise _invalid(f"/{key}", f"{name or 'an empty name'} is not allowed as a name")
        payload = written(payload, segments, resolving.value(value, f"/{key}"))
    if surely_above(payload, MAX_PAYLOAD_BYTES):
        raise _too_large("/", f"what it makes has more than {MAX_PAYLOAD_BYTES} bytes")
    return payload, True


class _Resolving:
    """The values of one mapping, computed within its limits."""

    def __init__(self, context: Mapping[str, Json], now_iso: Callable[[], str], spent: Callable[[int], None]) -> None:
        self._context = context
        self._now_iso = now_iso
        self._spent = spent
        self._left = MAX_STEPS

    def value(self, value: Json, path: str) -> Json:
        """``value`` with its expressions evaluated; ``path`` is where it stands."""
        if is_expression(value):
            return self._evaluated(value["$expr"] or "", path)
        if is_secret(value):
            # A payload is stored and shown; a secret in it would be neither secret nor found by redaction.
            raise _invalid(path, "a secret cannot be put into a payload")
        if isinstance(value, Mapping):
            return {name: self.value(item, f"{path}/{name}") for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, f"{path}/{index}") for index, item in enumerate(value)]
        return value

    def _evaluated(self, source: str, path: str) -> Json:
        if self._left <= 0:
            raise _too_large(path, f"its expressions have used more than {MAX_STEPS} evaluation steps in all")
        try:
            return compile_expression(source).evaluate(self._context, self._now_iso, self._count)
        except ExpressionFailure as failure:
            details = {"path": path, "source": failure.source, "position": failure.position, "stage": failure.stage}
            raise StepFailure(EXPRESSION, failure.message, code=failure.kind, details=details) from failure

    def _count(self, steps: int) -> None:
        self._left -= steps
        self._spent(steps)


def _invalid(path: str, reason: str) -> StepFailure:
    return _refused("TRIGGER_MAPPING_INVALID", path, reason)


def _too_large(path: str, reason: str) -> StepFailure:
    return _refused("TRIGGER_MAPPING_TOO_LARGE", path, reason)


def _refused(code: str, path: str, reason: str) -> StepFailure:
    message = f"The trigger's payload mapping at {path}: {reason}."
    return StepFailure(VALIDATION, message, code=code, details={"path": path})
