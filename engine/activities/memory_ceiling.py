"""The memory a worker may use: above it no action is begun, which Temporal then repeats later, or at another worker."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from engine.errors import Unavailable

_LOG: Final = structlog.get_logger("runstudio.worker")
_MEGABYTE: Final = 1024 * 1024
_STATM: Final = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Memory that this process holds; 0 where the system does not say."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


class MemoryFull(Unavailable):
    """The worker is above its ceiling: the action was not begun."""


class MemoryCeiling:
    """Asked before an action is begun."""

    def __init__(self, megabytes: int | None, resident: Callable[[], int] = resident_bytes) -> None:
        """None: there is no ceiling."""
        self._megabytes = megabytes
        self._resident = resident

    def require_room(self, action_id: str) -> None:
        """Raise ``MemoryFull`` (``WORKER_MEMORY_FULL``) when the process is above its ceiling, and say so in its log."""
        if self._megabytes is None or self._resident() <= self._megabytes * _MEGABYTE:
            return
        _give_back()
        used = self._resident() // _MEGABYTE
        if used <= self._megabytes:
            return
        _LOG.warning("worker.memory_full", refused=action_id, megabytes=used, ceiling=self._megabytes)
        raise MemoryFull(
            "WORKER_MEMORY_FULL",
            f"The worker uses {used} MB of the {self._megabytes} MB it may use, so it did not begin {action_id}.",
            "It is tried again by itself. Add workers, or raise RUNSTUDIO_MEMORY_MB.",
            {"megabytes": used, "ceiling": self._megabytes},
        )


NO_CEILING: Final = MemoryCeiling(None)


def _give_back() -> None:
    """Let the system have what Python and the allocator only keep for later."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
