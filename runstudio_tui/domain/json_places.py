"""Where the values of a JSON text stand in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from runstudio_tui.domain.jsonview import pointer_step

_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Found:
    """One value of a text."""

    pointer: str
    at: int
    """Offset of the member: of its name, or of the value where it has none."""
    begin: int
    """Offset of the value."""
    written: str
    """The value as it is written; ``{`` or ``[`` of a container."""
    depth: int
    """Containers around it."""


@dataclass(slots=True)
class _Level:
    pointer: str
    is_object: bool
    index: int = 0
    name: tuple[str, int] | None = None
    """Name and offset of the member whose value comes next."""


def values(text: str) -> Iterator[Found]:
    """The values of a JSON text in their order. A text that is none gives what stands before its first mistake, and then
    something or nothing."""
    levels: list[_Level] = []
    for match in _TOKEN.finditer(text):
        part, begin = match[0], match.start()
        if part in ",:":
            continue
        if part in "}]":
            if levels:
                levels.pop()
            continue
        level, at = levels[-1] if levels else None, begin
        if level is None:
            pointer = ""
        elif not level.is_object:
            pointer = f"{level.pointer}/{level.index}"
            level.index += 1
        elif level.name is None:
            level.name = (_name(part), begin)
            continue
        else:
            name, at = level.name
            pointer, level.name = f"{level.pointer}/{pointer_step(name)}", None
        yield Found(pointer, at, begin, part, len(levels))
        if part in "{[":
            levels.append(_Level(pointer, part == "{"))


def line_and_column(text: str, at: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _name(part: str) -> str:
    try:
        return str(json.loads(part))
    except json.JSONDecodeError:
        return part
