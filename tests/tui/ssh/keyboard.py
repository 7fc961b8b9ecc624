"""What a terminal sends for a key, by the name the action table has for it."""

from __future__ import annotations

import string
from typing import Final

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.keys import _character_to_key

_PRINTED: Final = {_character_to_key(sign): sign.encode() for sign in string.printable if sign.isprintable()}
_SENT: Final = {
    str(keys[0].value): sequence.encode()
    for sequence, keys in reversed(ANSI_SEQUENCES_KEYS.items())
    if isinstance(keys, tuple) and len(keys) == 1
}
ESCAPE: Final = b"\x1b[27u"
"""As kitty sends it: a lone ESC could be the beginning of another key, and is waited for."""


def bytes_of(key: str) -> bytes:
    """The bytes of one key press."""
    return {"escape": ESCAPE, "enter": b"\r", "tab": b"\t", "ctrl+j": b"\n"}.get(key) or _PRINTED.get(key) or _SENT[key]
