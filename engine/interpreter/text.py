"""How values become text where the language asks for text: correlation keys, idempotency keys, titles."""

from __future__ import annotations

import json
from typing import Any


def text_of(value: Any) -> str:
    """Text as it is, null as nothing, the rest as compact JSON, where a whole number has no decimals (``42``, not ``42.0``)."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
