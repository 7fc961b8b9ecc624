"""Where a step ran: its path, and the indexes of the loops around it; what is around it, and what comes first."""

from __future__ import annotations

import re
from typing import Final

_BODY: Final = re.compile(r"\.body\.")
_SEGMENT: Final = re.compile(r"steps\[(\d+)\]|(body)|(else|catch)|then|try")

Place = tuple[int, ...]
"""Orders executions as a run makes them."""


def place_of(path: str, iteration: str) -> Place:
    """The place of one execution of a step."""
    indexes = iter(iteration.split(".") if iteration else ())
    order: list[int] = []
    for segment in _SEGMENT.finditer(path):
        step, body, second = segment.groups()
        order.append(int(step) if step else int(next(indexes, "0")) if body else int(bool(second)))
    return tuple(order)


def enclosing_loops(path: str, iteration: str) -> list[tuple[str, str]]:
    """``(path of the loop step, iteration inside it)`` from the outside in."""
    indexes = iteration.split(".") if iteration else []
    loops = [path[: match.start()] for match in _BODY.finditer(path)]
    return [(loop, ".".join(indexes[: depth + 1])) for depth, loop in enumerate(loops[: len(indexes)])]


def enclosing_blocks(path: str, iteration: str) -> list[tuple[str, str]]:
    """``(path of the block step, iteration it ran in)`` from the outside in."""
    inner = dict(enclosing_loops(path, iteration))
    parts, found, place = path.split("."), [], ""
    for end in range(2, len(parts), 2):
        block = ".".join(parts[:end])
        found.append((block, place))
        place = inner.get(block, place)
    return found


def absorber_of(path: str, handled_by: str | None) -> str | None:
    """Path of the block that a failure did not get out of; empty: it got out of all; None: the step itself took it."""
    match handled_by:
        case None:
            return ""
        case "forEach-continue":
            return path.rpartition(".body.")[0] or None
        case "tryCatch":
            return path.rpartition(".try.")[0] or None
        case _:
            return None


def line_key(path: str, iteration: str, visit: int = 1) -> str:
    """The key of the line of one execution."""
    return f"{path}#{iteration}#{visit}"


def iteration_key(loop_path: str, inner: str) -> str:
    """The key of the line of one loop iteration."""
    return f"{loop_path}@{inner}"


def keys_above(path: str, iteration: str) -> list[str]:
    """Keys of the lines that must be open for the line of an execution to be seen, from the outside in."""
    inner = dict(enclosing_loops(path, iteration))
    keys: list[str] = []
    for block, place in enclosing_blocks(path, iteration):
        keys.append(line_key(block, place))
        if block in inner:
            keys.append(iteration_key(block, inner[block]))
    return keys
