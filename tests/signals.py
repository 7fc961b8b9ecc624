"""What the signals of whoever started the suite mean to the suite, and to the processes that tests start."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Final

import pytest

INHERITED: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP)


def take_signals() -> None:
    """SIGTERM (`timeout`, a CI that gives up) ends the session in good order. Processes of tests get default dispositions.

    A shell ignores SIGINT for what it starts in the background, ``nohup`` ignores SIGHUP, and what is ignored is inherited: a
    process of a test would not hear what the test sends it. What is caught is the default again in a new program, so the suite
    catches these signals, and goes on ignoring them itself.
    """
    signal.signal(signal.SIGTERM, _leave)
    for number in INHERITED:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _ignore)


class _Ended(pytest.exit.Exception, KeyboardInterrupt):
    """A KeyboardInterrupt, because an event loop keeps every other exception for whoever awaits what it was raised in."""


def _leave(number: int, _frame: FrameType | None) -> None:
    raise _Ended(f"ended by signal {number}", returncode=128 + number)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    pass
