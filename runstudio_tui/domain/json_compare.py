"""Two JSON documents as one foldable text: what the first has and the second has not, what is new, what has another value.

Type-strict: ``1``, ``1.0`` and ``true`` are three values; the order of members is none of a value's. Only what is open is looked
into, so a large document that is folded costs little.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Final

from engine.records import Document, Json
from runstudio_tui.domain.json_diff import same, stretches
from runstudio_tui.domain.jsonview import LOCK, JsonKind, kind_of, pointer_step, scalar_text
from runstudio_tui.text import safe

MISSING: Final = object()
"""The value of what is not there; null is a value."""


class Mark(StrEnum):
    """What became of a value."""

    SAME = ""
    CHANGED = "~"
    ADDED = "+"
    REMOVED = "-"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is, and what became of it."""

    pointer: str
    """In the second document; in the first one of what was removed."""
    depth: int
    mark: Mark
    changed: bool
    """Whether the two documents differ in it."""
    members: int = 0
    """Of a container."""


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """One line of the text."""

    key: str
    """Stable while the value stays where it is; no two lines have the same."""
    place: Place
    name: str
    """The member's name as JSON text with its colon, or empty. Safe to draw."""
    text: str
    """The value, ``{`` or ``]``. Safe to draw."""
    kind: JsonKind
    was: str = ""
    """Of a CHANGED value, what it was. Safe to draw."""
    folded: bool = False
    """Of a container: nothing of it is shown but this line."""


IsOpen = Callable[[Place], bool]


def compare(before: Document | None, after: Document | None, is_open: IsOpen) -> list[ComparedLine]:
    """The lines of two documents laid over each other; None: there is none. ``is_open`` decides which containers are looked
    into: of all others there is one line."""
    return _Comparison(before, after, is_open).run()


@dataclass(frozen=True, slots=True)
class Changes:
    """How much differs; what came or went as a whole counts once."""

    changed: int = 0
    added: int = 0
    removed: int = 0

    @property
    def text(self) -> str:
        """``2 changed, 1 added``; empty when nothing differs."""
        counts = ((self.changed, "changed"), (self.added, "added"), (self.removed, "removed"))
        return ", ".join(f"{count} {word}" for count, word in counts if count)


def count_changes(before: Document | None, after: Document | None) -> Changes:
    """How much two documents differ."""
    lines = compare(before, after, lambda place: place.changed and place.mark is Mark.SAME)
    marks = [line.place.mark for line in lines if line.kind is not JsonKind.CLOSE]
    return Changes(marks.count(Mark.CHANGED), marks.count(Mark.ADDED), marks.count(Mark.REMOVED))


@dataclass(frozen=True, slots=True)
class _Pair:
    """A value in both documents, or in one of them."""

    name: str
    old: Json
    new: Json
    old_pointer: str
    new_pointer: str


@dataclass(slots=True)
class _Level:
    """A container being written; explicit, so that deep nesting cannot exhaust the stack."""

    pairs: Iterator[_Pair]
    place: Place | None
    """None around the whole."""
    closing: str


class _Comparison:
    def __init__(self, before: Document | None, after: Document | None, is_open: IsOpen) -> None:
        self._before = before if before is not None else Document(MISSING)
        self._after = after if after is not None else Document(MISSING)
        self._is_open = is_open
        self._lines: list[ComparedLine] = []
        self._stack: list[_Level] = []

    def run(self) -> list[ComparedLine]:
        whole = _Pair("", self._before.value, self._after.value, "", "")
        self._stack.append(_Level(iter((whole,)), None, ""))
        while self._stack:
            pair = next(self._stack[-1].pairs, None)
            if pair is not None:
                self._pair(pair)
                continue
            level = self._stack.pop()
            if level.place is not None:
                self._add(level.place, "", level.closing, JsonKind.CLOSE)
        return self._lines

    def _pair(self, pair: _Pair) -> None:
        old, new = pair.old, pair.new
        if old is MISSING and new is MISSING:
            return
        if old is MISSING or new is MISSING or same(old, new):
            mark = Mark.ADDED if old is MISSING else Mark.REMOVED if new is MISSING else Mark.SAME
            self._value(pair, mark, changed=mark is not Mark.SAME)
        elif type(old) is type(new) and isinstance(old, dict | list):
            self._value(pair, Mark.SAME, changed=True)
        elif _has_parts(old) or _has_parts(new):
            level = self._stack[-1]
            gone = _Pair(pair.name, old, MISSING, pair.old_pointer, "")
            came = _Pair(pair.name, MISSING, new, "", pair.new_pointer)
            level.pairs = chain((gone, came), level.pairs)
        else:
            self._value(pair, Mark.CHANGED, changed=True)

    def _value(self, pair: _Pair, mark: Mark, *, changed: bool) -> None:
        gone = mark is Mark.REMOVED
        value, document = (pair.old, self._before) if gone else (pair.new, self._after)
        pointer = pair.old_pointer if gone else pair.new_pointer
        members = len(value) if isinstance(value, dict | list) else 0
        place = Place(pointer, len(self._stack) - 1, mark, changed, members)
        if pointer in document.masked:
            was = scalar_text(pair.old) if mark is Mark.CHANGED else ""
            self._add(place, pair.name, f"{scalar_text(value)} {LOCK}", JsonKind.MASKED, was=was)
        elif _has_parts(value) or (mark is Mark.SAME and _has_parts(pair.old)):
            self._container(pair, place, value)
        else:
            was = scalar_text(pair.old) if mark is Mark.CHANGED else ""
            self._add(place, pair.name, scalar_text(value), kind_of(value), was=was)

    def _container(self, pair: _Pair, place: Place, value: Json) -> None:
        opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
        if not self._is_open(place):
            self._add(place, pair.name, f"{opening} … {closing}", JsonKind.OPEN, folded=True)
            return
        self._add(place, pair.name, opening, JsonKind.OPEN)
        self._stack.append(_Level(_parts(pair), place, closing))

    def _add(self, place: Place, name: str, text: str, kind: JsonKind, *, was: str = "", folded: bool = False) -> None:
        gone, end = place.mark is Mark.REMOVED, kind is JsonKind.CLOSE
        sign = "[" if gone and end else "-" if gone else "]" if end else "="
        self._lines.append(ComparedLine(sign + place.pointer, place, name, text, kind, was, folded))


def _has_parts(value: Json) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _parts(pair: _Pair) -> Iterator[_Pair]:
    """What is in a container: what was removed stands where it was."""
    old, new = pair.old, pair.new
    if isinstance(old, dict) or isinstance(new, dict):
        for name, was, now in _members({} if old is MISSING else old, {} if new is MISSING else new):
            step = pointer_step(name)
            text = f"{safe(json.dumps(name, ensure_ascii=False))}: "
            yield _Pair(text, was, now, f"{pair.old_pointer}/{step}", f"{pair.new_pointer}/{step}")
        return
    for i, j in _entries([] if old is MISSING else old, [] if new is MISSING else new):
        was = MISSING if i is None else old[i]
        now = MISSING if j is None else new[j]
        yield _Pair("", was, now, f"{pair.old_pointer}/{i}", f"{pair.new_pointer}/{j}")


def _members(old: dict[str, Json], new: dict[str, Json]) -> Iterator[tuple[str, Json, Json]]:
    if old is new:
        yield from ((name, value, value) for name, value in new.items())
        return
    left = iter(old)
    for name, value in new.items():
        if name in old:
            # A member that is further up in the new order has let those before it pass already.
            for gone in left:
                if gone == name:
                    break
                if gone not in new:
                    yield gone, old[gone], MISSING
        yield name, old.get(name, MISSING), value
    for gone in left:
        if gone not in new:
            yield gone, old[gone], MISSING


def _entries(old: list[Json], new: list[Json]) -> Iterator[tuple[int | None, int | None]]:
    """Which entries are which; of those that differ on both sides, the first with the first."""
    i = j = 0
    for first, last, begin, end in (
        *(() if old is new else stretches(old, new)),
        (len(old), len(old), len(new), len(new)),
    ):
        yield from zip(range(i, first), range(j, begin), strict=True)
        for step in range(max(last - first, end - begin)):
            yield first + step if first + step < last else None, begin + step if begin + step < end else None
        i, j = last, end
