"""Two versions of a definition laid over each other, step by step: what came, went, moved, and which fields changed.

Steps are known by their ids. The definition's own fields and the payload's schema stand beside the steps as parts of their own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.records import PLACEHOLDER, Document, Json
from runstudio_tui.domain.definition import DefinitionNode, definition_tree, step_at
from runstudio_tui.domain.json_diff import Edited, difference, same
from runstudio_tui.domain.json_text import placeholders

_BLOCK_NAMES: Final = frozenset({"then", "else", "body", "try", "catch"})
_NAMED: Final = ("else", "catch")
"""Blocks with a heading of their own."""
DEFINITION: Final = "definition"
SCHEMA: Final = "payload schema"


class Change(StrEnum):
    """What became of a part."""

    SAME = ""
    ADDED = "+"
    REMOVED = "-"
    CHANGED = "~"
    MOVED = ">"
    """Its fields are the same, its place is not."""

    @property
    def word(self) -> str:
        """``added``, ``changed``; empty for what is the same."""
        return self.name.lower() if self is not Change.SAME else ""


@dataclass(frozen=True, slots=True)
class Part:
    """A step with its own fields, or the definition itself, or the payload's schema."""

    path: str
    """``root.steps[0]``; of what is no step its name."""
    step_id: str
    label: str
    """Safe to draw."""
    detail: str
    """Safe to draw."""
    fields: Document
    """Without the steps in its blocks. Hidden values are marked as masked."""


@dataclass(frozen=True, slots=True)
class ComparedPart:
    """One line: a part in both versions or in one, or the heading of a block."""

    key: str
    """Stable while the part stays where it is; no two lines have the same."""
    depth: int
    change: Change
    old: Part | None
    new: Part | None
    moved: bool = False
    """It stands elsewhere; its fields may have changed too."""
    heading: str = ""
    """``else`` or ``catch``: the line is no part, but names the block below."""

    @property
    def part(self) -> Part | None:
        """The part as it is now; of what was removed, as it was. None for a heading."""
        return self.new or self.old

    @property
    def edits(self) -> tuple[Edited, ...]:
        """The changed fields; empty unless it is in both versions."""
        if self.old is None or self.new is None:
            return ()
        return difference(self.old.fields.value, self.new.fields.value).changes


def compare_definitions(
    old: Json, new: Json, old_schema: Json = None, new_schema: Json = None
) -> tuple[ComparedPart, ...]:
    """All lines, in the order of ``new``; what was removed stands where it was. The same one twice is all the same.

    A value that is hidden in ``old`` counts as unchanged while there is one in ``new``.
    """
    lines = [_both("", 0, _own_part(old), _own_part(new)), *_Comparison(old, new).lines()]
    if old_schema is not None and new_schema is not None:
        lines.append(_both("", 0, _schema_part(old_schema), _schema_part(new_schema)))
    elif new_schema is not None:
        lines.append(_added("", 0, _schema_part(new_schema)))
    elif old_schema is not None:
        lines.append(_removed(0, _schema_part(old_schema)))
    return tuple(lines)


def counted(lines: Sequence[ComparedPart]) -> str:
    """``2 changed, 1 added``; empty when nothing differs."""
    counts = Counter(line.change for line in lines)
    order = (Change.CHANGED, Change.MOVED, Change.ADDED, Change.REMOVED)
    return ", ".join(f"{counts[change]} {change.word}" for change in order if counts[change])


def hidden_values(lines: Sequence[ComparedPart]) -> int:
    """How many values nobody could compare, because they are hidden."""
    return sum(len(part.fields.masked) for line in lines if (part := line.part) is not None)


@dataclass(frozen=True, slots=True)
class _Node:
    part: Part
    blocks: dict[str, tuple[_Node, ...]]


class _Comparison:
    def __init__(self, old: Json, new: Json) -> None:
        self._new = _tree(new)
        self._old = self._new if old is new else _tree(old)
        before: dict[str, list[_Node]] = defaultdict(list)
        for node in _all(self._old):
            before[_name(node)].append(node)
        self._before_of: dict[int, _Node] = {}
        """The old node of a new one, by the new one's identity."""
        for node in _all(self._new):
            alike = before[_name(node)]
            if alike:
                self._before_of[id(node)] = alike.pop(0)
        self._kept = {id(node) for node in self._before_of.values()}

    def lines(self) -> Iterator[ComparedPart]:
        return self._merged(self._old, self._new, 0)

    def _merged(self, old: tuple[_Node, ...], new: tuple[_Node, ...], depth: int) -> Iterator[ComparedPart]:
        places = {id(node): place for place, node in enumerate(old)}
        stayed = [
            (places[id(before)], place)
            for place, node in enumerate(new)
            if (before := self._before_of.get(id(node))) is not None and id(before) in places
        ]
        in_place = _longest_ascending(stayed)
        i = j = 0
        for before_place, place in (*in_place, (len(old), len(new))):
            for node in old[i:before_place]:
                if id(node) not in self._kept:
                    yield from self._removed(node, depth)
            for node in new[j:place]:
                yield from self._present(node, depth, moved=True)
            if place < len(new):
                yield from self._present(new[place], depth, moved=False)
            i, j = before_place + 1, place + 1

    def _present(self, node: _Node, depth: int, *, moved: bool) -> Iterator[ComparedPart]:
        """A node of the new version. ``moved``: unless it is new, it stood elsewhere."""
        before = self._before_of.get(id(node))
        if before is None:
            yield _added("=", depth, node.part)
        else:
            yield _both("=", depth, before.part, node.part, moved=moved)
        yield from self._blocks(node.part.path, before.blocks if before is not None else {}, node.blocks, depth)

    def _removed(self, node: _Node, depth: int) -> Iterator[ComparedPart]:
        yield _removed(depth, node.part)
        yield from self._blocks(f"-{node.part.path}", node.blocks, {}, depth)

    def _blocks(
        self, key: str, old: dict[str, tuple[_Node, ...]], new: dict[str, tuple[_Node, ...]], depth: int
    ) -> Iterator[ComparedPart]:
        for name in dict.fromkeys((*new, *old)):
            inside = [*self._merged(old.get(name, ()), new.get(name, ()), depth + 1 + (name in _NAMED))]
            if inside and name in _NAMED:
                yield ComparedPart(f"{key}.{name}", depth + 1, Change.SAME, None, None, heading=name)
            yield from inside


def _added(sign: str, depth: int, part: Part) -> ComparedPart:
    return ComparedPart(f"{sign}{part.path}", depth, Change.ADDED, None, part)


def _removed(depth: int, part: Part) -> ComparedPart:
    return ComparedPart(f"-{part.path}", depth, Change.REMOVED, part, None)


def _both(sign: str, depth: int, old: Part, new: Part, *, moved: bool = False) -> ComparedPart:
    new = _hidden_alike(old, new)
    stays = Change.MOVED if moved else Change.SAME
    change = stays if same(old.fields.value, new.fields.value) else Change.CHANGED
    return ComparedPart(f"{sign}{new.path}", depth, change, old, new, moved)


def _longest_ascending(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The most pairs, in order, whose first numbers ascend; their second numbers ascend already."""
    ends: list[int] = []
    chosen: list[int] = []
    before: list[int] = []
    for index, (place, _) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(chosen[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        chosen[length : length + 1] = [index]
    found: list[tuple[int, int]] = []
    index = chosen[-1] if chosen else -1
    while index >= 0:
        found.append(pairs[index])
        index = before[index]
    return found[::-1]


# --- parts ------------------------------------------------------------------------------------------------------------


def _tree(definition: Json) -> tuple[_Node, ...]:
    return tuple(_node(definition, node) for node in definition_tree(definition))


def _node(definition: Json, node: DefinitionNode) -> _Node:
    step = step_at(definition, node.path)
    blocks = {block.name: tuple(_node(definition, inner) for inner in block.nodes) for block in node.blocks}
    fields = {name: value for name, value in step.items() if not (name in _BLOCK_NAMES and name in blocks)}
    return _Node(Part(node.path, node.step_id, node.label, node.detail, _document(fields)), blocks)


def _all(nodes: tuple[_Node, ...]) -> Iterator[_Node]:
    for node in nodes:
        yield node
        for inner in node.blocks.values():
            yield from _all(inner)


def _name(node: _Node) -> str:
    """By what a step is found again; one without an id by its place, which is no id."""
    return f"id {node.part.step_id}" if node.part.step_id else node.part.path


def _own_part(definition: Json) -> Part:
    members = definition if isinstance(definition, dict) else {}
    fields = {name: value for name, value in members.items() if name not in ("steps", "version")}
    return Part(DEFINITION, "", DEFINITION, "", _document(fields))


def _schema_part(schema: Json) -> Part:
    return Part(SCHEMA, "", SCHEMA, "", Document(schema))


def _document(value: Json) -> Document:
    return Document(value, frozenset(placeholders(value)))


def _hidden_alike(old: Part, new: Part) -> Part:
    """``new`` with what is hidden in ``old`` hidden too: a definition from a file has the values themselves."""
    if not old.fields.masked:
        return new
    hidden = _hide_as(old.fields.value, new.fields.value)
    return Part(new.path, new.step_id, new.label, new.detail, _document(hidden))


def _hide_as(old: Json, new: Json) -> Json:
    if old == PLACEHOLDER:
        return PLACEHOLDER
    if isinstance(old, dict) and isinstance(new, dict):
        return {name: _hide_as(old[name], value) if name in old else value for name, value in new.items()}
    if isinstance(old, list) and isinstance(new, list):
        return [_hide_as(old[place], value) if place < len(old) else value for place, value in enumerate(new)]
    return new
