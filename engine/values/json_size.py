"""Estimated size of a JSON value, with a bound on the work of counting it."""

from __future__ import annotations

from typing import Any


def json_size(value: Any, limit: int) -> int:
    """About how many bytes ``value`` has as JSON; stops counting soon after ``limit``."""
    size = 0
    pending = [value]
    while pending and size <= limit:
        current = pending.pop()
        if isinstance(current, str):
            # An escape or a character outside ASCII takes up to six bytes; its exact length is not worth a second pass.
            size += 2 + (len(current) if current.isascii() else 3 * len(current))
        elif isinstance(current, dict):
            size += 2 + sum(len(key) + 4 for key in current)
            pending.extend(current.values())
        elif isinstance(current, list):
            size += 2 + len(current)
            pending.extend(current[:limit])
        else:
            size += 8
    return size


def surely_above(value: Any, limit: int) -> bool:
    """Whether ``value`` certainly has more than ``limit`` bytes as JSON, found out without writing it.

    Parts that a value shares count as often as they would be written.
    """
    # ``json_size`` counts nine for what can be one digit and a comma, so it is never more than five times too much.
    return json_size(value, 5 * limit) > 5 * limit


def is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested in more than so many levels. However deep it is, it takes no stack."""
    level = [value]
    for _ in range(levels + 1):
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return False
        level = [inner for item in containers for inner in (item.values() if isinstance(item, dict) else item)]
    return True
