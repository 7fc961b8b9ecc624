"""What a process holds in memory."""

from __future__ import annotations

import ctypes
import gc

import psutil


def resident_kilobytes() -> float:
    """Of this process, after its garbage was collected and the allocator, if it is glibc's, gave back what it keeps free."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return float(psutil.Process().memory_info().rss) / 1024
