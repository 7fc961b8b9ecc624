"""The text of a replay's input, judged: whether it is an edit of the original, what changed, and whether it may be sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from engine.records import MAX_CHANGES, MAX_PAYLOAD_BYTES, Json, Original, Patch, ReplayBase, ReplayInput
from engine.wording import counted
from runstudio_tui.domain.json_diff import Edited, Misplaced, difference
from runstudio_tui.domain.json_text import Mistake, parse_json
from runstudio_tui.domain.present import size_text

_SURELY_SMALL: Final = MAX_PAYLOAD_BYTES // 8
"""Characters of a text whose value cannot be too large, however it is spelled."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One text against the redacted original it was made from."""

    base: ReplayBase
    value: Json = None
    mistake: Mistake | None = None
    changes: tuple[Edited, ...] = ()
    misplaced: tuple[Misplaced, ...] = ()
    size: int = 0
    """Bytes of the value as the engine counts them, hidden values as placeholders; 0 for one that is surely small enough."""

    @property
    def edited(self) -> bool:
        """Whether the value differs from the original's; a text that is not JSON does."""
        return self.mistake is not None or bool(self.changes)

    @property
    def paths(self) -> tuple[str, ...]:
        """JSON pointers of the changes, in the order of the text's members."""
        return tuple(change.change.path for change in self.changes)

    @property
    def problem(self) -> str:
        """Why it cannot be sent; empty when it can. Not yet safe to draw."""
        if self.mistake is not None:
            return str(self.mistake)
        if not isinstance(self.value, dict) and self.changes:
            return "the input must be a JSON object"
        if self.misplaced:
            found = self.misplaced[0]
            more = f" (and {len(self.misplaced) - 1} more)" if len(self.misplaced) > 1 else ""
            return f"{found.pointer or '/'}: {found.message}{more}"
        if len(self.changes) > MAX_CHANGES:
            return f"{counted(len(self.changes), 'change')}; {MAX_CHANGES:,} can be sent"
        if self.size > MAX_PAYLOAD_BYTES:
            return f"the input has {size_text(self.size)}; {size_text(MAX_PAYLOAD_BYTES)} are allowed"
        return ""

    @property
    def state(self) -> str:
        """In a few words, for the title."""
        if self.mistake is not None:
            return f"not valid JSON: line {self.mistake.line}, column {self.mistake.column}"
        if not self.changes:
            return "original input"
        return f"edited: {counted(len(self.changes), 'change')}"

    @property
    def input(self) -> ReplayInput:
        """What is sent: nothing of an unedited text, of an edited one only its changes."""
        if not self.changes:
            return Original()
        return Patch(self.base.digest, tuple(change.change for change in self.changes))


def read_edit(base: ReplayBase, text: str) -> Edit:
    """Judge a text. Whitespace, the order of members and an edit undone by hand are no edit."""
    value = parse_json(text)
    if isinstance(value, Mistake):
        return Edit(base, mistake=value)
    found = difference(base.value, value)
    size = 0 if len(text) < _SURELY_SMALL or not found.changes else size_bytes(value)
    return Edit(base, value, None, found.changes, found.misplaced, size)


def size_bytes(value: Json) -> int:
    """Bytes of a value as the engine counts a payload's: JSON without blanks, in UTF-8."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))
