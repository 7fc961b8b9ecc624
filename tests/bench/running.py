"""The parts of a benchmark, one after the other. One that fails loses its own figures and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from tests.bench.measuring import Measurement
from tests.bench.servers import Servers

MOST_SECONDS: Final = 1800.0
"""A part that takes longer hangs, and has failed."""


class Part(Protocol):
    """A module that measures something."""

    NAME: str

    async def measure(self, servers: Servers, *, quick: bool) -> Measurement:
        """Measure it, one round of everything if ``quick``."""


async def measured(
    parts: Iterable[Part], servers: Servers, *, quick: bool, tell: Callable[[Measurement], None]
) -> list[Measurement]:
    """What each part found, or that it failed and how; ``tell`` hears of each when it is over."""
    found = []
    for part in parts:
        began = time.monotonic()
        result = await _measured(part, servers, quick=quick)
        result.seconds = time.monotonic() - began
        found.append(result)
        tell(result)
    return found


async def _measured(part: Part, servers: Servers, *, quick: bool) -> Measurement:
    try:
        async with asyncio.timeout(MOST_SECONDS) as limit:
            return await part.measure(servers, quick=quick)
    except Exception as error:  # noqa: BLE001 - told in the part's own row
        why = f"{type(error).__name__}: {error}".rstrip(": ")
        if limit.expired():
            why = f"it took longer than {MOST_SECONDS:g} s"
        return Measurement(part.NAME, part.NAME.capitalize(), "", ("", "failed"), rows=[("", why)], failed=why)


def exit_code(results: Sequence[Measurement]) -> int:
    """0 when every part was measured, 1 when one failed. A missed budget is a figure, not a failure."""
    return int(any(result.failed for result in results))
