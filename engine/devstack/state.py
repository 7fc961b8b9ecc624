"""The state file of a development stack, shared by the programs that use the stack.

The file is a hint, never the truth: every pid in it carries the start of its process, every port is asked before it is
believed, and a file that is missing, cut off or of another version means only that the processes are looked for instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from engine.devstack.processes import ProcessId, identify, is_alive
from engine.devstack.worker_actions import WorkerActions

Part = Literal["postgres", "temporal", "worker"]
PARTS: Final[tuple[Part, ...]] = ("postgres", "temporal", "worker")
"""In the order they are started; they are stopped the other way round."""

FORMAT: Final = 1
MARK: Final = "RUNSTUDIO_STACK"
"""Environment variable of every process a stack starts: data directory and part. It finds a process whose record was lost."""


class RunningPart(BaseModel):
    """One process of the stack as it was when it was started or adopted."""

    model_config = ConfigDict(frozen=True)

    process: ProcessId
    started_at: datetime
    port: int | None = None
    """Where it serves (Temporal: gRPC; worker: health); None for Postgres, which has a socket."""
    ui_port: int | None = None
    environment: str = ""
    """Worker: digest of the command and the variables it was started with."""
    actions: WorkerActions | None = None
    """Worker: the modules with actions it was started with."""

    @property
    def address(self) -> str:
        """``host:port`` where it serves."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str | None:
        """Temporal's web interface."""
        return None if self.ui_port is None else f"http://127.0.0.1:{self.ui_port}"


class StackState(BaseModel):
    """The record: the processes, who uses them, and whether they stay when nobody does."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = FORMAT
    kept: bool = False
    """`runstudio dev up` was asked for: the stack stays until `runstudio dev down`."""
    holders: tuple[ProcessId, ...] = ()
    uses: str = ""
    """Digest of the servers of the user's own that it was started with."""
    postgres: RunningPart | None = None
    temporal: RunningPart | None = None
    """Stays after the stack was stopped, for its ports."""
    worker: RunningPart | None = None

    def part(self, name: Part) -> RunningPart | None:
        """The record of one part."""
        found: RunningPart | None = getattr(self, name)
        return found

    def living(self, name: Part) -> RunningPart | None:
        """The record of one part, if that very process still runs."""
        found = self.part(name)
        return found if found is not None and is_alive(found.process) else None

    def with_part(self, name: Part, value: RunningPart | None) -> StackState:
        """A record with one part replaced."""
        return self.model_copy(update={name: value})

    def living_holders(self) -> tuple[ProcessId, ...]:
        """The programs that use the stack and still run."""
        return tuple(holder for holder in self.holders if is_alive(holder))


class StateFile:
    """The record's file, replaced atomically."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "stack.json"

    def read(self) -> StackState:
        """The record; an empty one when there is none that can be understood."""
        try:
            return StackState.model_validate_json(self.path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return StackState()

    def write(self, state: StackState) -> None:
        """Replaces the record."""
        scratch = self.path.with_name(f".stack-{os.getpid()}.json")
        scratch.write_text(state.model_dump_json(indent=2) + "\n")
        scratch.replace(self.path)


def mark(data_dir: Path, part: Part) -> dict[str, str]:
    """The variable that marks a process as this part of this stack."""
    return {MARK: f"{data_dir}:{part}"}


def marked_processes(data_dir: Path, part: Part) -> Iterator[ProcessId]:
    """Every live process with that mark: the recorded one, and those whose record was lost."""
    wanted = mark(data_dir, part)[MARK]
    for process in psutil.process_iter():
        try:
            found = process.environ().get(MARK) == wanted
        # Other users' processes do not show their environment, and are none of ours.
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
        identity = identify(process.pid) if found else None
        if identity is not None:
            yield identity
