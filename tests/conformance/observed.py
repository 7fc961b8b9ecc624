"""What a host saw of a case: the same shape for every host, so that one set of checks judges them all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(slots=True)
class ObservedRun:
    """One run at the end of the script."""

    run_id: str
    workflow_id: str
    version: int
    status: str
    """The run row's: RUNNING, WAITING, SUCCEEDED, FAILED or CANCELED."""
    phase: str
    """waiting, backoff, child, running or terminal."""
    input: Any
    steps: list[Json]
    """``{path, status}`` in the order in which they started."""
    waits: list[Json]
    """``{type, path, status, eventName?, key?, timeoutAt?}`` in the order in which they opened; every type."""
    timers: list[int]
    """Requested sleeps in milliseconds: time waits and back-offs."""
    vars: Json
    payload: Json
    meta: Json
    error: Json | None
    parent: str | None = None
    root: str | None = None
    replay_of: str | None = None
    """Run ids."""
    trigger_mapping_applied: bool = False


@dataclass(slots=True)
class Checkpoint:
    """The main run after an operation of the script."""

    phase: str
    status: str
    open_waits: list[Json]
    """``{type, path}``."""


@dataclass(slots=True)
class Observed:
    """Everything a case can expect something of."""

    aliases: dict[str, str] = field(default_factory=dict)
    """Alias of the script to run id."""
    runs: list[ObservedRun] = field(default_factory=list)
    """In order of creation, children included."""
    op_results: list[Json] = field(default_factory=list)
    """One per operation."""
    checkpoints: list[Checkpoint | None] = field(default_factory=list)
    """One per operation; None while there is no main run."""
    calls: list[Json] = field(default_factory=list)
    """``{action, path, input}``: every execution of an action's code, of any run, in order."""
    tasks: list[Json] = field(default_factory=list)
    """``{type, title, description, contextData}``."""
    invocations: list[Json] = field(default_factory=list)
    """``{action, path, status, input, output}`` as stored."""
    quota_used: int | None = None
    secret_reads: list[str] = field(default_factory=list)
    """Names, in order."""
    events: list[Json] = field(default_factory=list)
    """``{name, error}``: events that were recorded."""

    def run(self, alias: str = "main") -> ObservedRun | None:
        """The run started under an alias."""
        run_id = self.aliases.get(alias)
        return next((run for run in self.runs if run.run_id == run_id), None)
