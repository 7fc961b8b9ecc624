"""The key order of jsonb: whatever enters a run has it, but the payload, whose text is kept beside it.

Order can be seen (by ``toString``, by wildcards), so a run that sees an answer for the first time, a repeat that reads it from
its row, and whoever computes the run again from its rows must see the same.
"""

from __future__ import annotations

import json
from typing import Any


def text_in_order(value: Any) -> str | None:
    """The JSON text of ``value`` where jsonb would change the order of its keys; None where the stored value says the same."""
    return (
        None if _is_as_stored(value) else json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    )


def as_stored(value: Any) -> Any:
    """``value`` with the keys of all its objects as jsonb keeps them: by their length in bytes, then by their bytes."""
    if isinstance(value, dict):
        return {key: as_stored(item) for key, item in sorted(value.items(), key=_place)}
    if isinstance(value, list):
        return [as_stored(item) for item in value]
    return value


def _is_as_stored(value: Any) -> bool:
    if isinstance(value, dict):
        places = [_place(item) for item in value.items()]
        return places == sorted(places) and all(map(_is_as_stored, value.values()))
    return not isinstance(value, list) or all(map(_is_as_stored, value))


def _place(item: tuple[str, Any]) -> tuple[int, bytes]:
    spelled = item[0].encode("utf-8", "surrogatepass")
    return len(spelled), spelled
