"""Cutting and filling text by terminal cells: wide characters take two, so ``len`` is not enough."""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len, set_cell_size

ELLIPSIS: Final = "…"


def width(text: str) -> int:
    """Terminal cells ``text`` takes."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, cells: int) -> str:
    """``text`` in at most ``cells`` cells, with an ellipsis where something was cut off."""
    if cells <= 0:
        return ""
    if width(text) <= cells:
        return text
    return set_cell_size(text, cells - 1).rstrip() + ELLIPSIS


def pad(text: str, cells: int, *, right: bool = False) -> str:
    """``text`` cut and filled with blanks to exactly ``cells`` cells; ``right`` aligns to the right."""
    text = cut(text, cells)
    blanks = " " * (cells - width(text))
    return blanks + text if right else text + blanks


def wrap(text: str, cells: int) -> list[str]:
    """Lines of at most ``cells`` cells, broken at blanks where possible. At least one line."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            candidate = f"{line} {word}" if line else word
            if width(candidate) <= cells:
                line = candidate
                continue
            if line:
                lines.append(line)
            *whole, line = _pieces(word, cells)
            lines += whole
        lines.append(line)
    return lines


def _pieces(word: str, cells: int) -> list[str]:
    """A word in pieces of at most ``cells`` cells, or of one character; at least one piece, however long it is in linear time."""
    if word.isascii():
        return [word[at : at + cells] for at in range(0, len(word), cells)] or [""]
    pieces, begin, taken = [], 0, 0
    for at, char in enumerate(word):
        wide = cell_len(char)
        if at > begin and taken + wide > cells:
            pieces.append(word[begin:at])
            begin, taken = at, 0
        taken += wide
    return [*pieces, word[begin:]]
