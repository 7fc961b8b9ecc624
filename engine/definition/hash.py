"""The hash that pins a run to the exact text of a definition."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from engine.errors import Invalid
from engine.wording import clause


def _canonical(value: Any) -> Any:
    """Whole numbers as integers: a database may return 1.0 or 1e3 in the other spelling, which is the same JSON number."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    return value


def canonical_json(value: Any) -> bytes:
    """Sorted keys, no spaces, UTF-8. Raises Invalid (``NON_SERIALIZABLE``) for what is not JSON: NaN, cycles, lone surrogates."""
    try:
        text = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as failure:
        raise Invalid(
            "NON_SERIALIZABLE",
            f"The definition is not JSON: {clause(str(failure))}.",
            "Use only objects, arrays, finite numbers, text, booleans and null.",
        ) from failure


def definition_hash(definition: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of a definition as it was published. Raises Invalid when it is not JSON."""
    return hashlib.sha256(canonical_json(definition)).hexdigest()
