"""A terminal that goes away, noticed without SIGHUP: only who leads the login gets that, and not everyone passes it on."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable
from typing import Final

_GRACE: Final = 2.0
"""Seconds to close connections after the terminal is gone, before the process ends anyway."""


def watch_terminal(gone: Callable[[], None]) -> None:
    """Call ``gone``, once and in a thread, when the terminal of standard input hangs up; never where that is no terminal."""
    descriptor = sys.__stdin__.fileno() if sys.__stdin__ is not None else -1
    if descriptor < 0 or not os.isatty(descriptor):
        return

    def wait() -> None:
        poll = select.poll()
        # No event is asked for, so only the hangup is told, which always is.
        poll.register(descriptor, 0)
        poll.poll()
        gone()

    threading.Thread(target=wait, name="hangup", daemon=True).start()


def end_soon() -> None:
    """End the process, with exit code 0, after the time that closing connections may take, unless it has ended by then."""
    # By a thread: on its way out the loop may wait for ever for somebody to take what it writes.
    end = threading.Timer(_GRACE, os._exit, (0,))
    end.daemon = True
    end.start()
