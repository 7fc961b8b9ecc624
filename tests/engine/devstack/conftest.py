"""A stack in a directory of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.devstack.stack import DevStack
from engine.settings import Settings
from tests.engine.devstack.bare_machine import machine
from tests.engine.devstack.processes_seen import FAKE_WORKER, MakeStack, kill, leave_schema_alone, processes_of

__all__ = ["machine"]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory that does not exist yet. Whatever a failed test leaves running is ended."""
    parent = Path(tempfile.mkdtemp(prefix="rs-"))
    path = parent / "data"
    yield path
    kill(*processes_of(path))
    shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture
def make_stack(data_dir: Path) -> MakeStack:
    """Makes the stack of ``data_dir``; keyword arguments as of ``Settings``, and ``worker_command``."""

    def make(worker_command: tuple[str, ...] = FAKE_WORKER, **settings: object) -> DevStack:
        return DevStack(
            data_dir,
            Settings.load(data_dir=data_dir, **settings),
            worker_command=worker_command,
            prepare_schema=leave_schema_alone,
        )

    return make
