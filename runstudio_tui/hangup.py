"""A terminal that goes away, noticed without SIGHUP: only who leads the login gets that, and not everyone passes it on."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable


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
