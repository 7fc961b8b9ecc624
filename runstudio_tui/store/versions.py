"""The versions of one workflow: which there are, and two of them laid over each other. What is published never changes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from engine.records import Json, Version
from runstudio_tui.domain.definition_diff import ComparedPart, compare_definitions
from runstudio_tui.ports import WorkflowsReading


@dataclass(frozen=True, slots=True)
class Laid:
    """A version, laid over another one or over itself."""

    number: int
    base: int
    """The same as ``number``: nothing is compared."""
    lines: tuple[ComparedPart, ...]

    @property
    def comparing(self) -> bool:
        """Whether two versions are laid over each other."""
        return self.base != self.number


class Versions:
    """What is known of a workflow's versions, and which one is looked at."""

    def __init__(self, workflows: WorkflowsReading, workflow_id: str, number: int, *, comparing: bool) -> None:
        self._workflows = workflows
        self._workflow_id = workflow_id
        self._bodies: dict[int, tuple[Json, Json]] = {}
        self.known: tuple[Version, ...] = ()
        """Newest first."""
        self.number = number
        self.comparing = comparing
        self.pinned: int | None = None
        """What others are compared with; None: each with the one before it."""

    async def fetch(self) -> tuple[Version, ...]:
        """Which versions there are. Raises EngineError."""
        return await self._workflows.versions(self._workflow_id)

    @property
    def current(self) -> Version | None:
        """The version that is looked at; None until it is known."""
        return next((version for version in self.known if version.version == self.number), None)

    def neighbour(self, by: int) -> int | None:
        """The number of the version after (1) or before (-1) the one looked at; None when there is none."""
        numbers = sorted(version.version for version in self.known)
        beyond = [number for number in numbers if (number - self.number) * by > 0]
        return None if not beyond else beyond[0] if by > 0 else beyond[-1]

    @property
    def base(self) -> int:
        """What the version is laid over: the pinned one, the one before it, or itself."""
        if not self.comparing:
            return self.number
        chosen = self.pinned if self.pinned is not None else self.neighbour(-1)
        return self.number if chosen is None else chosen

    async def lay(self, number: int, base: int) -> Laid:
        """``number`` over ``base``. Raises EngineError."""
        (new, new_schema), (old, old_schema) = await asyncio.gather(self._body(number), self._body(base))
        return Laid(number, base, compare_definitions(old, new, old_schema, new_schema))

    async def _body(self, number: int) -> tuple[Json, Json]:
        if number not in self._bodies:
            definition, schema = await asyncio.gather(
                self._workflows.definition(self._workflow_id, number),
                self._workflows.payload_schema(self._workflow_id, number),
            )
            self._bodies[number] = (definition, schema)
        return self._bodies[number]
