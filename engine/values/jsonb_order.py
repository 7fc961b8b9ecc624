"""The key order of jsonb: a value has it from the moment it enters a run.

Order can be seen (by ``toString``, by wildcards), so a run that sees an answer for the first time, a repeat that reads it from
its row, and whoever computes the run again from its rows must see the same.
"""

from __future__ import annotations

from typing import Any


def as_stored(value: Any) -> Any:
    """``value`` with the keys of all its objects as jsonb keeps them: by their length in bytes, then by their bytes."""
    if isinstance(value, dict):
        return {key: as_stored(item) for key, item in sorted(value.items(), key=_place)}
    if isinstance(value, list):
        return [as_stored(item) for item in value]
    return value


def _place(item: tuple[str, Any]) -> tuple[int, bytes]:
    spelled = item[0].encode("utf-8", "surrogatepass")
    return len(spelled), spelled
