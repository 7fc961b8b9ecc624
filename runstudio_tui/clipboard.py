"""Copying over any line: OSC 52 to the terminal, also wrapped for tmux and screen; into tmux itself; into a file where no
sequence can carry it. The terminal never answers, so what was sent to it is not called copied."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.wording import counted

OSC52_CAP: Final = 74_994
"""Largest base64 text terminals are known to take."""
_SCREEN_CHUNK: Final = 512
_TMUX_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of a copy, for the operator."""

    text: str
    failed: bool = False


def osc52(text: str, multiplexer: str) -> str | None:
    """What puts ``text`` on the operator's clipboard; None when it is too long. ``multiplexer``: tmux, screen or none.

    Inside one of these the plain sequence is sent as well as the wrapped one: which of the two it takes, if any, is a matter of
    its settings, and either does no harm.
    """
    encoded = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
    if len(encoded) > OSC52_CAP:
        return None
    sequence = f"\x1b]52;c;{encoded}\x07"
    if multiplexer == "tmux":
        return f"{sequence}\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if multiplexer == "screen":
        chunks = [sequence[at : at + _SCREEN_CHUNK] for at in range(0, len(sequence), _SCREEN_CHUNK)]
        return sequence + "".join(f"\x1bP{chunk}\x1b\\" for chunk in chunks)
    return sequence


def into_tmux(text: str) -> bool:
    """Put ``text`` into the buffer of the tmux around us, from where its own paste key takes it; False where that fails."""
    try:
        done = subprocess.run(
            ["tmux", "load-buffer", "-"],  # noqa: S607 - the operator's own tmux
            input=text.encode("utf-8", "replace"),
            capture_output=True,
            timeout=_TMUX_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


class Clipboard:
    """Copies, and says how it went."""

    def __init__(
        self,
        *,
        mode: str,
        multiplexer: str,
        directory: Path,
        write: Callable[[str], None],
        buffer: Callable[[str], bool] | None = None,
    ) -> None:
        """``mode``: auto; osc52, which never writes a file; or file. ``write`` sends a sequence to the terminal. ``buffer``: what
        else takes the text and says whether it did; None: nothing."""
        self._buffer = buffer
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
            if self._buffer is not None and self._buffer(text):
                return Copied(f"copied {what} into tmux, and sent it to the terminal ({counted(size, 'byte')})")
            return Copied(f"sent {what} to the terminal ({counted(size, 'byte')})")
        if self._mode == "osc52":
            return Copied(f"{what} was not copied: {counted(size, 'byte')} are too many for the terminal", failed=True)
        try:
            path = self._to_file(text)
        except OSError as error:
            return Copied(f"{what} was not copied: {error.strerror or error}", failed=True)
        pointer = None if self._mode == "file" else osc52(str(path), self._multiplexer)
        if pointer is not None:
            self._write(pointer)
            told = f"{what} is too large for the terminal ({counted(size, 'byte')}): saved, and the path sent to the terminal"
            return Copied(f"{told}: {path}")
        return Copied(f"saved {what} ({counted(size, 'byte')}) as {path}")

    def _to_file(self, text: str) -> Path:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._directory / "copied.txt"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        return path
