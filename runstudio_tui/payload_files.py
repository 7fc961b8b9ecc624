"""A payload from a file of the operator's."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from engine.records import MAX_PAYLOAD_BYTES
from engine.wording import counted

ReadFile = Callable[[str], str]
"""The text of a file by its path. Raises ``OSError`` or ``ValueError`` when it cannot be read, or is no payload."""


def read_payload(name: str) -> str:
    """See ReadFile. ``~`` is the home directory. Its size is looked at first; what is no ordinary file is not opened."""
    path = Path(name.strip()).expanduser()
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{path} is no file")
    if found.st_size > MAX_PAYLOAD_BYTES:
        raise ValueError(f"{path} has {counted(found.st_size, 'byte')}; {MAX_PAYLOAD_BYTES:,} are allowed")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
