"""Sentences under the text of a replay: what is sent of it, and what is done again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.wording import counted
from runstudio_tui.domain.done_before import Done
from runstudio_tui.domain.replay_edit import Edit
from runstudio_tui.text import safe
from runstudio_tui.widgets.cells import cut, wrap

ROWS: Final = 2
"""Lines a sentence may take."""
_SHOWN: Final = 12
"""Items of a list that may be named."""


def sent_text(edit: Edit, cells: int) -> list[str]:
    """What would be sent, in at most ``ROWS`` lines."""
    if edit.mistake is not None:
        return ["Nothing can be sent as long as the text is not JSON."]
    if edit.problem:
        return ["Nothing can be sent as it stands."]
    if not edit.changes:
        return wrap("Sent: the original input, unmasked on the server. Nothing of this text is sent.", cells)[:ROWS]
    count = len(edit.changes)
    paths = [safe(path) or "the whole input" for path in dict.fromkeys(edit.paths)]
    lead = f"Sent: the original with {counted(count, 'change')}: "
    return listed(lead, paths, "", cells)


def done_text(done: Sequence[Done], cells: int) -> list[str]:
    """What the original run did already, in at most ``ROWS`` lines."""
    if not done:
        return ["The original run has done nothing yet that would be done again."]
    lead = "Already done or tried" if any(entry.tried for entry in done) else "Already done"
    return listed(f"{lead}, and done again: ", [entry.text for entry in done], ".", cells)


def listed(lead: str, items: Sequence[str], end: str, cells: int) -> list[str]:
    """A sentence with as many of the items as fit; of the others it says how many they are."""

    def sentence(shown: int) -> list[str]:
        left = len(items) - shown
        more = f" and {left:,} more" if left else ""
        return wrap(f"{lead}{', '.join(items[:shown])}{more}{end}", cells)

    most = min(len(items), _SHOWN)
    fitting = next((shown for shown in range(most, 1, -1) if len(sentence(shown)) <= ROWS), 1)
    return [cut(text, cells) for text in sentence(fitting)[:ROWS]]
