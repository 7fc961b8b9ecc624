"""How values are shown in step records: short enough for a row, never more than 4 KiB."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from engine.values.json_size import json_size

MAX_OUTCOME_BYTES: Final = 4096
_MAX_VALUE_BYTES: Final = 512


def shown(value: Any) -> Any:
    """The value itself when it is small, else ``{"$omitted": "list of 300"}``."""
    if isinstance(value, bool | int | float | None):
        return value
    if json_size(value, _MAX_VALUE_BYTES) <= _MAX_VALUE_BYTES:
        return value
    kind = "text" if isinstance(value, str) else "list" if isinstance(value, list) else "object"
    return {"$omitted": f"{kind} of {len(value)}"}


def shown_assignments(assignments: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """``{"assigned": {target: value}}`` for as many targets as fit, and how many did not."""
    assigned: dict[str, Any] = {}
    room = MAX_OUTCOME_BYTES - 256
    left_out = 0
    for target, value in assignments:
        short = shown(value)
        room -= json_size(short, _MAX_VALUE_BYTES) + 3 * len(target) + 4
        if room < 0:
            left_out += 1
        else:
            assigned[target] = short
    return {"assigned": assigned, "notShown": left_out} if left_out else {"assigned": assigned}


def bounded(outcome: Any) -> Any:
    """``outcome`` when it fits into a row, else a note of its size. The exact check is made only where it can matter."""
    if outcome is None or json_size(outcome, MAX_OUTCOME_BYTES) <= MAX_OUTCOME_BYTES // 6:
        return outcome
    size = len(json.dumps(outcome, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
    return outcome if size <= MAX_OUTCOME_BYTES else {"$omitted": f"{size} bytes"}
