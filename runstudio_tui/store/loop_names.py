"""What the items of a run's loops are called: asked for once for each loop whose iterations are in sight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.errors import EngineError, Unavailable
from engine.records import Step
from runstudio_tui.domain.definition import step_at
from runstudio_tui.domain.item_names import names_of_items
from runstudio_tui.store.run import RunStore
from runstudio_tui.store.session import Studio


class LoopNames:
    """Puts names into the tree of a run store, one loop after the other."""

    def __init__(self, studio: Studio, store: RunStore, changed: Callable[[], None]) -> None:
        self._runs = studio.backend.runs
        self._broken = studio.report_bug
        self._store = store
        self._changed = changed
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Other iterations may be in sight: ask for those that have no name yet."""
        if self._task is None or self._task.done():
            unknown = [loop for loop in self._store.tree.loops() if not self._is_known(loop)]
            if unknown:
                self._task = asyncio.create_task(self._name(unknown))

    def stop(self) -> None:
        """Give up what is on its way."""
        if self._task is not None:
            self._task.cancel()

    def _is_known(self, loop: Step) -> bool:
        return self._store.tree.names_of(loop.path, loop.iteration) is not None

    async def _name(self, loops: list[Step]) -> None:
        for loop in loops:
            try:
                names = await self._names_of(loop)
            except Unavailable:
                return  # the next poll asks again
            except Exception as error:  # noqa: BLE001 - a bug in names must not end anything else
                self._broken(error)
                names = ()
            self._store.tree.name_iterations(loop.path, loop.iteration, names)
            if any(names):
                self._changed()

    async def _names_of(self, loop: Step) -> tuple[str, ...]:
        """Nothing where what the loop goes over is not known."""
        published = step_at(self._store.definition, loop.path)
        names = names_of_items(published, None)
        if names or not isinstance(published, dict):
            return names
        try:
            state = await self._runs.state(
                self._store.run_id, loop.path, iteration=loop.iteration, visit=max(loop.visit, 1)
            )
        except Unavailable:
            raise
        except EngineError:
            return ()
        names = names_of_items(published, state.before)
        outcome = loop.outcome if isinstance(loop.outcome, dict) else {}
        return names if len(names) == outcome.get("items") else ()
