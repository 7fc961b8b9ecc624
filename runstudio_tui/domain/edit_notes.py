"""What stands beside the lines of an edited input: what changed, what stays hidden, what is wrong."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from engine.records import PLACEHOLDER, Json, SchemaIssue
from runstudio_tui.domain.json_places import values
from runstudio_tui.domain.json_text import placeholders
from runstudio_tui.domain.jsonview import LOCK, value_at
from runstudio_tui.domain.replay_edit import Edit
from runstudio_tui.text import safe

_WAS: Final = 24
"""Longest old value that is shown, in characters."""


@dataclass(frozen=True, slots=True)
class Note:
    """Beside one line. Safe to draw."""

    mark: str
    """One sign for the margin: ``~`` changed, ``+`` added, ``-`` something removed, ``✖`` wrong; empty for none."""
    text: str
    tone: str


def line_notes(edit: Edit, text: str, issues: Sequence[SchemaIssue] = ()) -> dict[int, Note]:
    """Notes by line, from 1; of several for one line the most important. ``issues`` are what the schema has against the value.

    Time is linear in the size of the text.
    """
    if edit.mistake is not None:
        return {edit.mistake.line: Note("✖", safe(edit.mistake.message), "failed")}
    lines = _lines(text)
    notes: dict[int, Note] = {}
    for issue in issues:
        notes.setdefault(_nearest(lines, issue.pointer), Note("✖", safe(issue.message), "failed"))
    for found in edit.misplaced:
        notes.setdefault(_nearest(lines, found.pointer), Note("✖", "not a value", "failed"))
    for line, note in _changed(edit, lines):
        notes.setdefault(line, note)
    for pointer in placeholders(edit.value):
        if pointer in lines and value_at(edit.value, pointer) == PLACEHOLDER:
            notes.setdefault(lines[pointer], Note("", f"{LOCK} kept from original", "dim"))
    return notes


def _lines(text: str) -> dict[str, int]:
    """The line of every value of a text by its pointer, from 1."""
    found: dict[str, int] = {}
    line, counted = 1, 0
    for value in values(text):
        line += text.count("\n", counted, value.at)
        counted = value.at
        found[value.pointer] = line
    return found


def _nearest(lines: dict[str, int], pointer: str) -> int:
    """The line of a pointer, or of the innermost container around it that is there."""
    while pointer not in lines and pointer:
        pointer = pointer.rpartition("/")[0]
    return lines.get(pointer, 1)


def _changed(edit: Edit, lines: dict[str, int]) -> Iterable[tuple[int, Note]]:
    removed: dict[str, list[str]] = defaultdict(list)
    added: set[str] = set()
    for edited in edit.changes:
        path = edited.change.path
        match edited.change.op:
            case "replace":
                yield _nearest(lines, path), Note("~", f"was {_short(edited.was)}", "attention")
            case "add":
                added.add(path)
                yield _nearest(lines, path), Note("+", "added", "ok")
            case _:
                parent, _, name = path.rpartition("/")
                removed[parent].append(name.replace("~1", "/").replace("~0", "~"))
    for pointer, line in lines.items():
        parent = pointer.rpartition("/")[0]
        if parent in added and pointer:
            added.add(pointer)
            yield line, Note("+", "", "ok")
    for parent, names in removed.items():
        entries = isinstance(value_at(edit.value, parent), list)
        what = "entry" if entries else safe(names[0])
        if len(names) > 1:
            what = f"{len(names)} {'entries' if entries else 'values'}"
        yield _nearest(lines, parent), Note("-", f"{what} removed", "attention")


def _short(value: Json) -> str:
    """A value in a few characters, for a reader."""
    if isinstance(value, dict | list) and value:
        members = len(value)
        kind = "an object" if isinstance(value, dict) else "a list"
        return f"{kind} of {members:,}"
    text = safe(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _WAS else f"{text[: _WAS - 1]}…"
