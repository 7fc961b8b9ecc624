"""What a reader sees of a text: without characters that cannot be seen, with the signs that escapes mean, accents in place."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

_UNSEEN: Final = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_ENTITY: Final = re.compile(r"&(?:quot|apos|lt|gt|amp|nbsp|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});", re.ASCII)
_ESCAPE: Final = re.compile(r"\\{1,15}(?:u00|x)([2-7][0-9a-fA-F])")
_NESTED: Final = 3
"""So many times a sign may be escaped for HTML."""


def as_read(text: str) -> str:
    """The text as it is read; itself where it is spelled so already."""
    if "\\u00" in text or "\\x" in text:
        text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    for _ in range(_NESTED):
        if "&" not in text or ";" not in text:
            break
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    return text if text.isascii() else unicodedata.normalize("NFC", _UNSEEN.sub("", text))
