"""A look at a whole text, in time that grows slowly with it, before a search that takes longer."""

from __future__ import annotations

from typing import Final

import re2

_SHORT: Final = 200
"""In a text of so many characters the search takes no longer than the look."""


def may_be_in(text: str, pattern: re2.Regexp) -> bool:
    """Whether what is searched for may be in the text; ``pattern`` is found wherever it is."""
    return len(text) <= _SHORT or pattern.search(text) is not None
