"""A cache of one run, that whose states were asked for last: its next state is neither read nor computed from its start."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from engine.interpreter.recorded_run import NOT_KEPT, RecordedRun
from engine.rebuild.state import RebuiltRun
from engine.store.database.reader import Reader, run_not_found
from engine.store.trace.recorded import load_recorded, record_mark
from engine.values.json_size import json_size

KEPT_SECONDS: Final = 60.0
"""After so long without a question it is given up: its values are unredacted, and may have been deleted meanwhile."""
KEPT_BYTES: Final = 16 * 1024 * 1024
"""About how much of recorded values may be kept. A run with more is read again for every state."""


@dataclass(frozen=True, slots=True)
class _Kept:
    mark: tuple[object, ...]
    run: RebuiltRun


class StateCache:
    """At most one run, and only while its records are what they were."""

    def __init__(self) -> None:
        self._kept: _Kept | None = None
        self._end: asyncio.TimerHandle | None = None

    async def read(self, reader: Reader, run_id: str) -> RebuiltRun:
        """A run as it is recorded now. Raises as ``load_recorded``."""
        recorded_until = await record_mark(reader, run_id)
        if recorded_until is None:
            raise run_not_found(run_id)
        mark = (reader.tenant, run_id, *recorded_until)
        kept = self._kept
        self._forget()
        if kept is None or kept.mark != mark:
            kept = _Kept(mark, RebuiltRun(await load_recorded(reader, run_id, for_preview=False)))
            if not _is_small(kept.run.run):
                return kept.run
        self._kept = kept
        self._end = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._forget)
        return kept.run

    def _forget(self) -> None:
        self._kept = None
        if self._end is not None:
            self._end.cancel()
            self._end = None


def _is_small(run: RecordedRun) -> bool:
    left = KEPT_BYTES - json_size(run.payload, KEPT_BYTES)
    values: list[Any] = [tried.output for tried in run.tries.values() if tried.output is not NOT_KEPT]
    values += [event.payload for event in run.events.values()]
    values += [task.answer.response for task in run.tasks.values()]
    for value in values:
        if left < 0:
            return False
        left -= json_size(value, left)
    return left >= 0
