"""How far an operation on many targets is, told to whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with how many targets are done, and of how many. On the event loop, so it must not block."""


def untold(_done: int, _total: int) -> None:
    """For a caller who does not watch."""
