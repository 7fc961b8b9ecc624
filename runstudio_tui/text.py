"""Text from outside, made safe to draw."""

from __future__ import annotations

from typing import Final

from engine.values.terminal_text import REPLACEMENT, VISIBLE, visible, without_piles

_BLOCK: Final[dict[int, str]] = {code: sign for code, sign in VISIBLE.items() if code != 0x0A} | {0x09: "    "}

_UNEVEN: Final[dict[int, str]] = {0xFE0E: "", 0xFE0F: "", **dict.fromkeys(range(0x1F3FB, 0x1F400), REPLACEMENT)}
"""What makes an emoji wider in some terminals and not in others: the selectors of its look, which say nothing, and skin tones."""


def safe(text: str) -> str:
    """``text`` on one line, without anything that could drive a terminal: controls become visible signs.

    C0 controls (newline too), DEL, C1 controls, bidirectional overrides, invisible characters, lone surrogates, and marks that
    are piled up on one letter. What is left takes the same cells in every terminal, as far as they agree.
    """
    made = visible(text)
    return made if made.isascii() else made.translate(_UNEVEN)


def safe_block(text: str) -> str:
    """Like ``safe``, but newlines stay (CR LF counts as one) and a tab is four blanks."""
    if text.isascii() and text.isprintable():
        return text
    return without_piles(text.replace("\r\n", "\n").translate(_BLOCK)).translate(_UNEVEN)


def short_id(value: str) -> str:
    """An id as lists and headings show it, ``0198c2…7f3a``. Ids are copied whole."""
    text = safe(value)
    return text if len(text) <= 11 else f"{text[:6]}…{text[-4:]}"
