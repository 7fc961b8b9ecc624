"""What makes one JSON value of another, as changes with RFC 6902's meaning. Type-strict: ``1``, ``1.0`` and ``true`` differ.

A hidden value is a placeholder that stands for something nobody here knows, so it can only stay where it is: a change never
holds one. Entries of lists are followed by the hidden values in them; where that is not certain, it is said, never guessed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

from engine.records import Json, JsonChange
from runstudio_tui.domain.json_text import placeholders
from runstudio_tui.domain.jsonview import pointer_step

_COMPARED: Final = 40_000
"""Pairs of list entries up to which entries that came or went are looked for; beyond, entries are compared place by place."""


@dataclass(frozen=True, slots=True)
class Edited:
    """One change, and what was there before."""

    change: JsonChange
    """Its path is that of the edited value: what is added or replaced stands there, what is removed stood there."""
    was: Json = None
    """Of ``replace`` and ``remove``."""


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A placeholder that stands for no hidden value, or for one of several."""

    pointer: str
    """In the edited value."""
    message: str
    """What is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Between a value and its edited form."""

    changes: tuple[Edited, ...] = ()
    """To be made one after the other; empty exactly when the values are the same."""
    misplaced: tuple[Misplaced, ...] = ()
    """With any, the changes must not be sent."""


def same(one: Json, other: Json) -> bool:
    """Whether two values are the same JSON: ``1`` is not ``1.0`` is not ``true``; the order of members is nothing."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(member, other[name]) for name, member in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def difference(base: Json, edited: Json) -> Difference:
    """What makes ``edited`` of ``base``, whose hidden values are placeholders. Minimal: one changed leaf is one ``replace``."""
    comparison = _Comparison()
    comparison.value(base, edited, "")
    return Difference(tuple(comparison.changes), tuple(comparison.misplaced))


class _Comparison:
    def __init__(self) -> None:
        self.changes: list[Edited] = []
        self.misplaced: list[Misplaced] = []

    def value(self, base: Json, edited: Json, at: str) -> None:
        if isinstance(base, dict) and isinstance(edited, dict):
            self._members(base, edited, at)
        elif isinstance(base, list) and isinstance(edited, list):
            self._entries(base, edited, at)
        elif not same(base, edited):
            self._put("replace", at, edited, base)

    def _put(self, op: Literal["add", "replace"], at: str, value: Json, was: Json = None) -> None:
        self.changes.append(Edited(JsonChange(op, at, value), was))
        for pointer in placeholders(value, at):
            self.misplaced.append(Misplaced(pointer, _NOT_A_VALUE))

    def _members(self, base: dict[str, Json], edited: dict[str, Json], at: str) -> None:
        for name, member in base.items():
            below = f"{at}/{pointer_step(name)}"
            if name in edited:
                self.value(member, edited[name], below)
            else:
                self.changes.append(Edited(JsonChange("remove", below), member))
        for name, member in edited.items():
            if name not in base:
                self._put("add", f"{at}/{pointer_step(name)}", member)

    def _entries(self, base: list[Json], edited: list[Json], at: str) -> None:
        held, kept = _holding(base), _holding(edited)
        pairs = _pairs(base, edited, held, kept)
        if pairs is None:
            self.misplaced += [Misplaced(f"{at}/{place}", _WHICH_ONE) for place in kept]
            self.changes.append(Edited(JsonChange("replace", at, edited), base))
            return
        i, j = 0, 0
        for before, after in (*pairs, (len(base), len(edited))):
            self._stretch(base[i:before], edited[j:after], at, j)
            if after < len(edited):
                self.value(base[before], edited[after], f"{at}/{after}")
            i, j = before + 1, after + 1

    def _stretch(self, base: list[Json], edited: list[Json], at: str, place: int) -> None:
        """A stretch of entries that begins at ``place``; everything before it is already as it shall be."""
        for first, last, begin, end in stretches(base, edited):
            paired = min(last - first, end - begin)
            for step in range(paired):
                self.value(base[first + step], edited[begin + step], f"{at}/{place + begin + step}")
            for entry in base[first + paired : last]:
                self.changes.append(Edited(JsonChange("remove", f"{at}/{place + begin + paired}"), entry))
            for number in range(begin + paired, end):
                self._put("add", f"{at}/{place + number}", edited[number])


_NOT_A_VALUE: Final = "a hidden value cannot be typed, moved or copied: write the real one, or leave it where it was"
_WHICH_ONE: Final = (
    "which hidden value stays here cannot be told: leave the entries that hold one as they were, or write the real one"
)


def _holding(entries: Sequence[Json]) -> list[int]:
    """Places of the entries that hold a placeholder."""
    return [place for place, entry in enumerate(entries) if next(placeholders(entry), None) is not None]


def _pairs(
    base: Sequence[Json], edited: Sequence[Json], held: Sequence[int], kept: Sequence[int]
) -> list[tuple[int, int]] | None:
    """Which entries with hidden values are which; None when that cannot be told."""
    if len(held) == len(kept):
        pairs = list(zip(held, kept, strict=True))
        unlike = [(i, j) for i, j in pairs if not same(base[i], edited[j])]
        # An entry that is another one's was moved, unless that one is still there, too.
        before = {_key(base[i]) for i, _ in unlike}
        return None if any(_key(edited[j]) in before for _, j in unlike) else pairs
    places: dict[str, list[int]] = {}
    for i in held:
        places.setdefault(_key(base[i]), []).append(i)
    pairs, last = [], -1
    for j in kept:
        alike = places.get(_key(edited[j]), [])
        if len(alike) != 1 or alike[0] <= last:
            return None
        last = alike[0]
        pairs.append((last, j))
    return pairs


def stretches(base: list[Json], edited: list[Json]) -> Iterator[tuple[int, int, int, int]]:
    """The stretches in which two lists differ, as bounds in both; between them the entries are the same. In order."""
    begin = 0
    while begin < min(len(base), len(edited)) and same(base[begin], edited[begin]):
        begin += 1
    end = 0
    while end < min(len(base), len(edited)) - begin and same(base[-1 - end], edited[-1 - end]):
        end += 1
    left, right = base[begin : len(base) - end], edited[begin : len(edited) - end]
    if len(left) * len(right) > _COMPARED or not left or not right:
        yield begin, begin + len(left), begin, begin + len(right)
        return
    matcher = SequenceMatcher(None, [*map(_key, left)], [*map(_key, right)], autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            yield begin + i1, begin + i2, begin + j1, begin + j2


def _key(value: Json) -> str:
    """Equal for values that are the same."""
    return json.dumps(value, sort_keys=True)
