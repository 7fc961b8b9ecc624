"""Fault points: named places at which a test kills the process or raises an error.

Every durable step of the protocol announces itself with ``reach(name)``. Nothing happens, unless a test installed a hook in
this process, or the variable ``RUNSTUDIO_FAULT`` names the point: then the process kills itself with SIGKILL, the way a
machine dies, so that what a repeat must survive is tested at the exact spot and not by luck.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

POINTS: Final = frozenset(
    {
        "load_run.before",
        "load_run.after",
        "run_step.before_claim",
        "run_step.after_claim",
        "run_step.after_action",
        "run_step.after_settle",
        "run_step.in_transaction",
        "run_step.before_commit",
        "run_chain.before_claim",
        "run_chain.after_claim",
        "run_chain.after_action",
        "run_chain.after_settle",
        "run_chain.in_transaction",
        "run_chain.before_commit",
        "run_chain.after_end",
        "open_wait.before",
        "open_wait.after_commit",
        "open_wait.after",
        "end_wait.before",
        "end_wait.after",
        "open_child.before",
        "open_child.after",
        "reserve_quota.before",
        "reserve_quota.after",
        "flush_trace.before",
        "flush_trace.after",
        "finish_run.before",
        "finish_run.after",
    }
)
"""Every name an activity calls ``reach`` with. ``before`` and ``after`` mean its database work."""

LAUNCH_POINTS: Final = frozenset({"launch.before_start", "launch.after_start"})
"""Between the row of a run and its start on Temporal, and between that and the record of it; in whatever process launches."""

VARIABLE: Final = "RUNSTUDIO_FAULT"
"""``point`` or ``point:N``: die when the point is reached for the N-th time (1 if not given). For tests only."""

Hook = Callable[[str], None]

_hook: Hook | None = None


def reach(point: str) -> None:
    """Tell that ``point`` is reached. May not return (a test's fault), may raise what a test's hook raises."""
    if _hook is not None:
        _hook(point)


@contextmanager
def installed(hook: Hook) -> Iterator[None]:
    """Call ``hook`` at every point while the context is open; for tests in the same process."""
    global _hook  # noqa: PLW0603 - one process has one set of fault points
    previous, _hook = _hook, hook
    try:
        yield
    finally:
        _hook = previous


def _killer(setting: str) -> Hook:
    point, _, count = setting.partition(":")
    if point not in POINTS | LAUNCH_POINTS:
        raise ValueError(f"{VARIABLE}={setting}: there is no fault point {point!r}.")
    remaining = int(count or "1")

    def kill_at_the_point(reached: str) -> None:
        nonlocal remaining
        if reached == point:
            remaining -= 1
            if remaining == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return kill_at_the_point


if _setting := os.environ.get(VARIABLE):
    _hook = _killer(_setting)
