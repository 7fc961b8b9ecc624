"""What the store and link actions have in common: names, sizes, page cursors."""

from __future__ import annotations

import base64
import json
import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, StringConstraints

from engine.actions.schema import WHOLE
from engine.errors import VALIDATION, Invalid, StepFailure
from engine.values import json_policy

VALIDATION_ERROR: Final = "VALIDATION_ERROR"
CONFLICT: Final = "CONFLICT"

MAX_VALUE_BYTES: Final = 256 * 1024
"""Largest value or attributes of one row, as compact JSON in UTF-8."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _storable(value: str) -> str:
    # Replacing them, as is done in values, could make two names one.
    if _UNSTORABLE.search(value):
        raise ValueError("must not contain NUL or half of a surrogate pair")
    return value


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256), AfterValidator(_storable)]
"""A namespace, key, type, id or relation: trimmed, 1 to 256 characters."""

Prefix = Annotated[str, StringConstraints(max_length=256), AfterValidator(_storable)]
PageSize = Annotated[int, Field(ge=1, le=200), WHOLE]


def encode_cursor(*position: Any) -> str:
    """An opaque text for "after this position"."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, parts: int) -> list[str]:
    """The texts given to ``encode_cursor``. Raises ``StepFailure`` (``ValidationError``) for anything else."""
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        position = None
    if isinstance(position, list) and len(position) == parts and all(isinstance(part, str) for part in position):
        return position
    raise unknown_cursor()


def unknown_cursor() -> StepFailure:
    """What to say of a cursor that we did not make."""
    return StepFailure(
        VALIDATION,
        "cursor is not one that next_cursor gave; leave it out for the first page.",
        code=VALIDATION_ERROR,
        details={"field": "cursor"},
    )


def check_size(field: str, value: Any) -> None:
    """Raises ``StepFailure`` (``ValidationError``) for a value that is too large for the store, or no JSON."""
    try:
        size = json_policy.size_bytes(value)
    except Invalid as refusal:
        raise StepFailure(
            VALIDATION, f"{field} cannot be stored: {refusal.message}", code=refusal.code, details=refusal.details
        ) from None
    if size > MAX_VALUE_BYTES:
        raise StepFailure(
            VALIDATION,
            f"{field} has {size} bytes as JSON; {MAX_VALUE_BYTES} are allowed.",
            code=VALIDATION_ERROR,
            details={"field": field, "bytes": size, "limit": MAX_VALUE_BYTES},
        )
