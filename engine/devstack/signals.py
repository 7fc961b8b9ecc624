"""SIGTERM and SIGHUP as ``SystemExit``, so that context managers clean up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def leaves_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise ``SystemExit``, so that what surrounds the context is left in good order."""
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread can be told of signals; a program that calls us elsewhere handles them itself.
        yield
        return

    numbers = (signal.SIGTERM, signal.SIGHUP)

    def leave(number: int, _frame: FrameType | None) -> None:
        # A second one must not interrupt the leaving.
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    previous = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
