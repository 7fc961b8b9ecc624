"""Manifests of Kubernetes whose ``kind`` is Secret: all of their data is one, whatever its names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.values.redaction.value_ends import Span, end_of_block

Json = Any

_DATA: Final = frozenset({"data", "stringData"})
_KIND: Final = re.compile(r"^[ \t-]*kind:[ \t]*['\"]?Secret['\"]?[ \t]*(?:#.*)?\r?$", re.MULTILINE)
_APART: Final = re.compile(r"^---", re.MULTILINE)
_BLOCK: Final = re.compile(r"^([ \t]*(?:-[ \t]+)?)(?:data|stringData):[ \t]*(?:#.*)?\r?\n", re.MULTILINE)


def data_of(value: Mapping[str, Json]) -> frozenset[str]:
    """The keys of a manifest under which secrets stand; none of what is no manifest of one."""
    return _DATA & value.keys() if value.get("kind") == "Secret" and "apiVersion" in value else frozenset()


def manifests(text: str) -> Iterator[Span]:
    """The data of each such manifest in YAML, without its names for it."""
    begun = 0
    for end in (*(found.start() for found in _APART.finditer(text)), len(text)):
        if _KIND.search(text, begun, end) is not None:
            yield from _blocks(text, begun, end)
        begun = end


def _blocks(text: str, begun: int, end: int) -> Iterator[Span]:
    for block in _BLOCK.finditer(text, begun, end):
        first = block.end()
        last = end_of_block(text, first, end, len(block[1]))
        lines = text[first:last]
        if lines.strip():
            yield last - len(lines.lstrip()), first + len(lines.rstrip())
