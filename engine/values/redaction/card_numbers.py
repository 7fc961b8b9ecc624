"""Numbers of payment cards in a text or in pieces of one: an issuer's beginning and length, and Luhn's check digit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, Final

_ISSUERS: Final = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3[068]\d{12}|35\d{14}|6\d{15,18}", re.ASCII
)
_BEGINNINGS: Final = "23456"
_SHORTEST: Final = 13
_LONGEST: Final = 19
_BETWEEN: Final = r"[\s.\-/_\u00b7\u2010-\u2015]{1,3}"
_RUN: Final = re.compile(rf"[0-9]+(?:{_BETWEEN}[0-9]+)*")
_DIGITS: Final = re.compile(r"[0-9]+")
_UUID: Final = re.compile(
    r"(?<![^\W_])(?=[0-9-]*[a-f])[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?![^\W_])",
    re.IGNORECASE | re.ASCII,
)
"""RFC 9562. One in five thousand has digits that could be a card's."""
_PRINTED: Final = re.compile(r"4 4 4 4(?: [123])?|4 6 [45]|4 4 5|4 4 4 1")
"""How the digits of a card are grouped on it."""
_PLAIN: Final = frozenset({" ", "-"})
"""Between these digits may be grouped in any way."""
MAY_BE: Final = r"\pN(?:[^\pNA-Za-z]{0,3}\pN){12}"
"""Of RE2; found in any text with a number of a card."""


def is_card_number(digits: str) -> bool:
    """Whether digits, without anything between them, are a card's."""
    if not _ISSUERS.fullmatch(digits):
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def card_numbers(text: str) -> list[tuple[int, int]]:
    """Where cards' numbers begin and end, from left to right. Digits may be grouped, and be those of any script; those of a UUID
    are none.
    """
    spelled = text if text.isascii() else "".join(map(_digit, text))
    found = list(_in_runs(spelled))
    if not found or "-" not in spelled:
        return found
    # Most texts have no such number, so a UUID is looked for only beside one.
    return list(_in_runs(_UUID.sub(lambda uuid: "x" * len(uuid[0]), spelled)))


def is_card_in_pieces(pieces: Sequence[Any]) -> bool:
    """Whether a list holds the digits of a card: as texts of any length, or as numbers, grouped as on a card."""
    if not 2 <= len(pieces) <= _LONGEST or any(isinstance(piece, bool) for piece in pieces):
        return False
    spelled = [str(piece).strip() if isinstance(piece, int | str) else "" for piece in pieces]
    if not all(_DIGITS.fullmatch(piece) for piece in spelled) or not is_card_number("".join(spelled)):
        return False
    # Numbers of one digit, such as those people rate with, are many a list.
    return all(isinstance(piece, str) for piece in pieces) or _is_printed(map(len, spelled))


def _digit(sign: str) -> str:
    return sign if (value := unicodedata.decimal(sign, None)) is None else str(value)


def _in_runs(text: str) -> Iterator[tuple[int, int]]:
    for run in _RUN.finditer(text):
        if run.end() - run.start() >= _SHORTEST:
            yield from _within(text, list(_DIGITS.finditer(text, run.start(), run.end())))


def _within(text: str, groups: list[re.Match[str]]) -> Iterator[tuple[int, int]]:
    first = 0
    while first < len(groups):
        if groups[first][0][0] not in _BEGINNINGS:
            first += 1
            continue
        sizes = list(accumulate(len(group[0]) for group in groups[first : first + _LONGEST]))
        # The longest first: what follows a card's number may be its check digits.
        for last in range(first + len(sizes) - 1, first - 1, -1):
            if _SHORTEST <= sizes[last - first] <= _LONGEST and _is_card(text, groups[first : last + 1]):
                yield groups[first].start(), groups[last].end()
                first = last
                break
        first += 1


def _is_card(text: str, groups: list[re.Match[str]]) -> bool:
    if not is_card_number("".join(group[0] for group in groups)):
        return False
    between = {text[left.end() : right.start()] for left, right in pairwise(groups)}
    return between <= _PLAIN or _is_printed(len(group[0]) for group in groups)


def _is_printed(sizes: Iterable[int]) -> bool:
    return _PRINTED.fullmatch(" ".join(map(str, sizes))) is not None
