"""Following a value: a text that repeats what is hidden elsewhere in the same run is hidden too, also when it was transformed."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

from engine.values.javascript import number_text
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.wording import counted

Json = Any

_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})", re.ASCII)
_WORD: Final = re.compile(r"[^\W_]+")
"""Letters and digits: signs for which ``str.isalnum`` is true."""
WINDOW: Final = 8
"""So many letters and digits of a secret, one after the other, give it away."""
_TOKEN: Final = 4
"""A shorter secret is looked for as a whole text alone; up to ``_PART`` as a word of it; above within words too."""
_PART: Final = 6
MAX_VALUES: Final = 1_000
MAX_CHARACTERS: Final = 100_000
"""How many values are followed together, and how long they may be together."""


class TooMuchToFollow(ValueError):
    """More is hidden than can be looked for: then nothing may be shown that could hold a copy."""


@dataclass(frozen=True, slots=True)
class SecretValues:
    """The hidden values of a run, in the forms in which they are looked for. Make one with ``secret_values``."""

    exact: tuple[str, ...]
    """As they are, the longest first."""
    windows: frozenset[str]
    parts: tuple[str, ...]
    words: frozenset[str]
    wholes: frozenset[str]

    def beside(self, other: SecretValues | None) -> SecretValues:
        """These values and the others."""
        if other is None:
            return self
        return SecretValues(
            tuple(sorted({*self.exact, *other.exact}, key=len, reverse=True)),
            self.windows | other.windows,
            tuple(sorted({*self.parts, *other.parts})),
            self.words | other.words,
            self.wholes | other.wholes,
        )

    def hide(self, text: str) -> str:
        """``text`` with the placeholder for a value that stands in it as it is; all of it where one is in it in another form."""
        for value in self.exact:
            if value in text:
                text = text.replace(value, PLACEHOLDER)
        return PLACEHOLDER if self.are_in(text.replace(PLACEHOLDER, " ")) else text

    def are_in(self, text: str) -> bool:
        """Whether one of the values is in ``text``, in any of the forms."""
        return any(map(self._are_in, _readings(text)))

    def _are_in(self, text: str) -> bool:
        folded = text.casefold()
        words = _WORD.findall(folded)
        plain = "".join(words)
        if plain in self.wholes or any(part in plain for part in self.parts) or not self.words.isdisjoint(words):
            return True
        spellings = (plain,) if plain == folded else (plain, folded)
        return any(not self.windows.isdisjoint(_windows(spelled)) for spelled in spellings)


def secret_values(hidden: Iterable[Json]) -> SecretValues | None:
    """What to look for, from the hidden values themselves; None when there is nothing that can be recognised.

    Raises ``TooMuchToFollow`` for more than ``MAX_VALUES`` values, or more than ``MAX_CHARACTERS`` in them.
    """
    texts = sorted({text for value in hidden for text in _leaves(value)}, key=len, reverse=True)
    if len(texts) > MAX_VALUES or sum(map(len, texts)) > MAX_CHARACTERS:
        raise TooMuchToFollow(counted(len(texts), "value"))
    return (_remembered if sum(map(len, texts)) <= _REMEMBERED else _looked_for)(tuple(texts))


def _looked_for(texts: tuple[str, ...]) -> SecretValues | None:
    windows: set[str] = set()
    parts: set[str] = set()
    words: set[str] = set()
    wholes: set[str] = set()
    for text in texts:
        folded = text.casefold()
        for spelled in (folded, folded[::-1]):
            windows.update(_windows(spelled))
        for form in _forms(text):
            if len(form) >= WINDOW:
                windows.update(_windows(form))
            elif len(form) >= _PART:
                parts.add(form)
            elif len(form) >= _TOKEN:
                words.add(form)
            elif form:
                wholes.add(form)
    exact = tuple(text for text in texts if len(text) >= _PART)
    if not (exact or windows or parts or words or wholes):
        return None
    return SecretValues(exact, frozenset(windows), tuple(sorted(parts)), frozenset(words), frozenset(wholes))


_REMEMBERED: Final = 2_000
"""Characters; what is looked for is worked out again each time when they are more."""
_remembered: Final = lru_cache(maxsize=256)(_looked_for)


def _leaves(value: Json) -> Iterator[str]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            pending.extend(item)
        elif isinstance(item, str) and item.strip() and item != PLACEHOLDER:
            yield item
        elif isinstance(item, int | float) and not isinstance(item, bool):
            yield number_text(item)


def _forms(text: str) -> Iterator[str]:
    """Letters and digits of the value, forwards and backwards, and of its hexadecimal and base64 spelling."""
    plain = _letters(text)
    yield plain
    if len(plain) >= _TOKEN:
        yield plain[::-1]
        raw = text.encode("utf-8", "surrogatepass")
        yield raw.hex()
        # How it is spelled depends on what stands before it; its first and last characters on what is beside it.
        for before in range(3):
            spelled = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
            yield _letters(spelled[4 if before else 0 : -1])


def _readings(text: str) -> Iterator[str]:
    """The text, and what it says where characters of it are escaped as in JSON or in a URL."""
    yield text
    if "\\u" in text:
        yield _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    if "%" in text:
        yield unquote(text)


def _letters(text: str) -> str:
    return "".join(_WORD.findall(text.casefold()))


def _windows(spelled: str) -> Iterator[str]:
    return (spelled[at : at + WINDOW] for at in range(len(spelled) - WINDOW + 1))
