"""The stack's record: a hint that may be missing or wrong in any way, never a reason to fail."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.devstack.processes import ProcessId, current_process
from engine.devstack.state import RunningPart, StackState, StateFile

GONE = ProcessId(1, "another-boot:1")


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    part = RunningPart(process=current_process(), started_at=datetime.now(UTC), port=1, ui_port=2, environment="x")
    state = StackState(kept=True, holders=(current_process(), GONE)).with_part("temporal", part)
    file = StateFile(tmp_path)
    file.write(state)
    assert file.read() == state
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]
    assert StateFile(tmp_path / "elsewhere").read() == StackState()


def test_only_what_lives_counts() -> None:
    dead = RunningPart(process=GONE, started_at=datetime.now(UTC), port=7)
    state = StackState(holders=(GONE, current_process())).with_part("worker", dead)
    assert state.living("worker") is None
    assert state.part("worker") == dead
    assert state.living_holders() == (current_process(),)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"format": 2}',
        b'{"temporal": 7}',
        b'{"worker": {"process": {"pid": 1}}}',
    ],
)
def test_what_cannot_be_understood_is_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "stack.json").write_bytes(content)
    assert StateFile(tmp_path).read() == StackState()
