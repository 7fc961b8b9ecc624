"""Text from outside, made safe to draw."""

from __future__ import annotations

from typing import Final

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

_BIDI_AND_INVISIBLE: Final = (
    0x061C,  # arabic letter mark
    0x180E,
    *range(0x200B, 0x2010),  # zero width space, joiners, left-to-right and right-to-left marks
    *range(0x2028, 0x202F),  # line and paragraph separators, embeddings and overrides
    *range(0x2060, 0x2070),  # word joiner, invisible operators, isolates
    0xFEFF,
    *range(0xFFF9, 0xFFFC),  # interlinear annotations
)

_TABLE: Final[dict[int, str]] = {
    **{code: chr(0x2400 + code) for code in range(0x20)},  # the "control pictures": ESC is drawn as ␛
    0x09: " ",
    0x7F: "\u2421",
    **dict.fromkeys(range(0x80, 0xA0), REPLACEMENT),
    **dict.fromkeys(_BIDI_AND_INVISIBLE, REPLACEMENT),
    **dict.fromkeys(range(0xD800, 0xE000), REPLACEMENT),  # lone surrogates would break the output encoder
    **dict.fromkeys(range(0xE0000, 0xE0080), REPLACEMENT),  # tags: invisible text
}
_BLOCK_TABLE: Final[dict[int, str]] = {code: sign for code, sign in _TABLE.items() if code != 0x0A} | {0x09: "    "}


def safe(text: str) -> str:
    """``text`` on one line, without anything that could drive a terminal: controls become visible signs.

    C0 controls (newline too), DEL, C1 controls, bidirectional overrides, invisible characters and lone surrogates.
    """
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_TABLE)


def safe_block(text: str) -> str:
    """Like ``safe``, but newlines stay (CR LF counts as one) and a tab is four blanks."""
    if text.isascii() and text.isprintable():
        return text
    return text.replace("\r\n", "\n").translate(_BLOCK_TABLE)


def short_id(value: str) -> str:
    """An id as lists and headings show it, ``0198c2…7f3a``. Ids are copied whole."""
    text = safe(value)
    return text if len(text) <= 11 else f"{text[:6]}…{text[-4:]}"
