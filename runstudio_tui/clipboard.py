"""Copying over any line: OSC 52 through the terminal, wrapped for tmux and screen; into a file where that cannot carry it."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OSC52_CAP: Final = 74_994
"""Largest base64 text terminals are known to take."""
_SCREEN_CHUNK: Final = 512


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of a copy, for the operator."""

    text: str
    failed: bool = False


def osc52(text: str, multiplexer: str) -> str | None:
    """The sequence that puts ``text`` on the operator's clipboard; None when it is too long. ``multiplexer``: tmux, screen or
    empty."""
    encoded = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
    if len(encoded) > OSC52_CAP:
        return None
    sequence = f"\x1b]52;c;{encoded}\x07"
    if multiplexer == "tmux":
        return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if multiplexer == "screen":
        chunks = [sequence[at : at + _SCREEN_CHUNK] for at in range(0, len(sequence), _SCREEN_CHUNK)]
        return "".join(f"\x1bP{chunk}\x1b\\" for chunk in chunks)
    return sequence


class Clipboard:
    """Copies, and says how it went."""

    def __init__(self, *, mode: str, multiplexer: str, directory: Path, write: Callable[[str], None]) -> None:
        """``mode``: auto, osc52 or file. ``write`` sends a sequence to the terminal."""
        self._mode = mode
        self._multiplexer = multiplexer
        self._directory = directory
        self._write = write

    def copy(self, text: str, what: str) -> Copied:
        """Copy ``text``; ``what`` names it for the answer."""
        size = len(text.encode("utf-8", "replace"))
        sequence = None if self._mode == "file" else osc52(text, self._multiplexer)
        if sequence is not None:
            self._write(sequence)
            return Copied(f"copied {what} ({size:,} bytes)")
        try:
            path = self._to_file(text)
        except OSError as error:
            return Copied(f"{what} was not copied: {error.strerror or error}", failed=True)
        pointer = None if self._mode == "file" else osc52(str(path), self._multiplexer)
        if pointer is not None:
            self._write(pointer)
            return Copied(f"{what} is too large for the clipboard ({size:,} bytes): saved, and the path copied: {path}")
        return Copied(f"saved {what} ({size:,} bytes) as {path}")

    def _to_file(self, text: str) -> Path:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._directory / "copied.txt"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        return path
