"""A JSON value as foldable lines: what the JSON pane draws, searches and copies from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from engine.records import Document, Json
from engine.values.terminal_text import escaped_json
from runstudio_tui.text import safe

LOCK: Final = "⚿"
"""Stands after a masked value."""


class JsonKind(StrEnum):
    """What a line's value is; the pane colours by it."""

    OPEN = "open"
    CLOSE = "close"
    TEXT = "text"
    NUMBER = "number"
    WORD = "word"
    MASKED = "masked"


@dataclass(frozen=True, slots=True)
class JsonLine:
    """One line of the pretty-printed value."""

    pointer: str
    """JSON pointer of the value that starts on this line (of the container, on a closing line)."""
    depth: int
    key: str
    """The member's name as JSON text with its colon, or empty. Safe to draw."""
    text: str
    """The value, ``{`` or ``]``, with a comma where one belongs. Safe to draw."""
    kind: JsonKind
    span: int = 1
    """Lines of the container that opens here, the closing one included."""
    members: int = 0


def flatten(document: Document) -> tuple[JsonLine, ...]:
    """All lines of a document, everything unfolded. Time and memory are linear in its size: use a thread for large ones."""
    return tuple(_Flattener(document.masked).run(document.value))


def pointer_step(part: str | int) -> str:
    """One reference token of a JSON pointer, escaped."""
    return str(part).replace("~", "~0").replace("/", "~1")


def value_at(value: Json, pointer: str) -> Json:
    """The value a pointer names. Raises KeyError when there is none."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value[name]
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise KeyError(pointer)
    return value


def pretty(value: Json) -> str:
    """The text a value is copied and edited as: two blanks, original characters; what cannot be seen stays escaped, and so do
    the characters that an editor takes for the end of a line."""
    return escaped_json(json.dumps(value, indent=2, ensure_ascii=False))


class JsonIndex:
    """Which lines of a document are visible, given what is folded. Folds are kept by pointer, so a refresh keeps them."""

    def __init__(self, lines: tuple[JsonLine, ...], folded: frozenset[str] = frozenset()) -> None:
        self.lines = lines
        self._folded = set(folded)
        self._visible = self._compute()

    @property
    def folded(self) -> frozenset[str]:
        """Pointers of the folded containers."""
        return frozenset(self._folded)

    @property
    def visible(self) -> list[int]:
        """Indexes into ``lines`` of what is shown, in order."""
        return self._visible

    def is_folded(self, pointer: str) -> bool:
        """Whether the container is shown on one line."""
        return pointer in self._folded

    def toggle(self, pointer: str) -> None:
        """Fold or unfold one container."""
        self._folded ^= {pointer}
        self._visible = self._compute()

    def fold_below(self, depth: int) -> None:
        """Fold every container at ``depth`` or deeper; 0 or less folds nothing."""
        self._folded = {line.pointer for line in self.lines if line.kind is JsonKind.OPEN and line.depth >= depth > 0}
        self._visible = self._compute()

    def reveal(self, index: int) -> None:
        """Unfold whatever hides line ``index``."""
        pointer = self.lines[index].pointer
        hiding = {fold for fold in self._folded if pointer != fold and pointer.startswith(f"{fold}/")}
        if hiding:
            self._folded -= hiding
            self._visible = self._compute()

    def find(self, text: str) -> list[int]:
        """Indexes of the lines containing ``text``, without case."""
        wanted = text.casefold()
        return (
            [i for i, line in enumerate(self.lines) if wanted in f"{line.key}{line.text}".casefold()] if wanted else []
        )

    def _compute(self) -> list[int]:
        if not self._folded:
            return list(range(len(self.lines)))
        visible: list[int] = []
        index = 0
        while index < len(self.lines):
            visible.append(index)
            line = self.lines[index]
            hidden = line.kind is JsonKind.OPEN and line.pointer in self._folded
            index += line.span if hidden else 1
        return visible


@dataclass(slots=True)
class _Level:
    """A container being written; explicit, so that deep nesting cannot exhaust the stack."""

    members: Iterator[tuple[str | int, Json]]
    left: int
    pointer: str
    opened_at: int
    closing: str
    comma: str


class _Flattener:
    def __init__(self, masked: frozenset[str]) -> None:
        self._masked = masked
        self._lines: list[JsonLine] = []
        self._stack: list[_Level] = []

    def run(self, value: Json) -> list[JsonLine]:
        self._value(value, "", "", "")
        while self._stack:
            level = self._stack[-1]
            if level.left == 0:
                self._stack.pop()
                self._close(level)
                continue
            name, member = next(level.members)
            level.left -= 1
            key = "" if isinstance(name, int) else f"{json.dumps(safe(name), ensure_ascii=False)}: "
            self._value(member, f"{level.pointer}/{pointer_step(name)}", key, "," if level.left else "")
        return self._lines

    def _close(self, level: _Level) -> None:
        opened = self._lines[level.opened_at]
        self._lines.append(JsonLine(level.pointer, opened.depth, "", level.closing + level.comma, JsonKind.CLOSE))
        self._lines[level.opened_at] = replace(opened, span=len(self._lines) - level.opened_at)

    def _value(self, value: Json, pointer: str, key: str, comma: str) -> None:
        depth = len(self._stack)
        if pointer in self._masked:
            self._lines.append(JsonLine(pointer, depth, key, f"{scalar_text(value)}{comma} {LOCK}", JsonKind.MASKED))
        elif isinstance(value, dict | list) and value:
            members = iter(value.items()) if isinstance(value, dict) else iter(enumerate(value))
            opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
            self._stack.append(_Level(members, len(value), pointer, len(self._lines), closing, comma))
            self._lines.append(JsonLine(pointer, depth, key, opening, JsonKind.OPEN, members=len(value)))
        else:
            self._lines.append(JsonLine(pointer, depth, key, scalar_text(value) + comma, kind_of(value)))


def kind_of(value: Json) -> JsonKind:
    """What a value that is no container, or an empty one, is drawn as."""
    if isinstance(value, str):
        return JsonKind.TEXT
    if isinstance(value, int | float) and not isinstance(value, bool):
        return JsonKind.NUMBER
    return JsonKind.WORD


def scalar_text(value: Json) -> str:
    """Such a value as JSON on one line. Safe to draw."""
    return safe(json.dumps(value, ensure_ascii=False))
