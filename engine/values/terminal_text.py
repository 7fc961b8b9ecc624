"""Characters that can drive or mislead a terminal, wherever text from outside is shown or written into a file."""

from __future__ import annotations

import re
from typing import Final

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

_BIDI_AND_INVISIBLE: Final = (
    0x00AD,  # soft hyphen
    0x034F,  # combining grapheme joiner
    0x061C,  # arabic letter mark
    *(0x115F, 0x1160, 0x3164, 0xFFA0),  # fillers of Hangul
    *(0x17B4, 0x17B5),  # vowels of Khmer that are never drawn
    *range(0x180B, 0x1810),  # variation selectors of Mongolian, and its separator
    *range(0x200B, 0x2010),  # zero width space, joiners, left-to-right and right-to-left marks
    *range(0x2028, 0x202F),  # line and paragraph separators, embeddings and overrides
    *range(0x2060, 0x2070),  # word joiner, invisible operators, isolates
    *range(0xFE00, 0xFE0E),  # variation selectors, but those between an emoji and a text
    0xFEFF,
    *range(0xFFF9, 0xFFFC),  # interlinear annotations
    *range(0x1D173, 0x1D17B),  # beams and slurs of music
    *range(0xE0000, 0xE0080),  # tags: invisible text
    *range(0xE0100, 0xE01F0),  # more variation selectors
)

VISIBLE: Final[dict[int, str]] = {
    **{code: chr(0x2400 + code) for code in range(0x20)},  # the "control pictures": ESC is drawn as ␛
    0x09: " ",
    0x7F: "\u2421",
    **dict.fromkeys(range(0x80, 0xA0), REPLACEMENT),
    **dict.fromkeys(_BIDI_AND_INVISIBLE, REPLACEMENT),
    **dict.fromkeys(range(0xD800, 0xE000), REPLACEMENT),  # lone surrogates would break the output encoder
}
"""What is drawn in place of each: C0 controls (newline too), DEL, C1 controls, bidirectional overrides, invisible characters
and lone surrogates."""

_MARKS: Final = (
    "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"  # of any letter
    "\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"  # Hebrew, Arabic, Thai
)
_PILED: Final = f"(?<=[{_MARKS}]{{6}})[{_MARKS}]"
"""A mark on a letter that has more than any language needs: piled up they cover the lines around, and take no cell."""
_TOO_MANY: Final = re.compile(_PILED)
_UNSHOWN: Final = re.compile(f"[{''.join(re.escape(chr(code)) for code in VISIBLE if code >= 0x7F)}]|{_PILED}")
"""One of what is not shown, beyond the C0 controls."""


def visible(text: str) -> str:
    """``text`` on one line, with a visible sign in place of every such character, and of every mark that is piled up."""
    if text.isascii() and text.isprintable():
        return text
    return without_piles(text.translate(VISIBLE))


def without_piles(text: str) -> str:
    """``text`` with a visible sign in place of every mark beyond the sixth on one letter."""
    return text if text.isascii() else _TOO_MANY.sub(REPLACEMENT, text)


def escaped_json(text: str) -> str:
    """A JSON text in which every such character of its strings is an escape, as JSON allows: it says the same.

    The C0 controls are escaped by whoever made it; those between its values are white space.
    """
    if text.isascii() and "\x7f" not in text:
        return text
    return _UNSHOWN.sub(lambda found: _escape(found[0]), text)


def _escape(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
