"""Words of columns. While releases follow each other, a row may hold one that only a later release knows."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class StoredWord(StrEnum):
    """Base of the enumerations that are read from rows. A word from a person or a program is asked of the class itself, which
    takes its members alone.
    """

    @classmethod
    def stored(cls, word: str) -> Self:
        """The member of a stored word. For a word of a later release: an object with that ``value`` which is none of the members,
        so that what such a row does not concern goes on, and the row is shown with its word.
        """
        try:
            return cls(word)
        except ValueError:
            later = str.__new__(cls, word)
            later._name_, later._value_ = word, word
            return later
