"""Who may use the stack together, who ends it, and what is never the stack's to start or stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.devstack.postgres import EmbeddedPostgres
from engine.errors import Conflict
from tests.engine.devstack.processes_seen import MakeStack, processes_of, silent

PROGRAM = Path(__file__).parent / "session_program.py"
REPOSITORY = PROGRAM.parents[3]
PATIENCE_SECONDS = 240.0


class Studio:
    """A process that holds the stack."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def started(self) -> list[str]:
        """What it had to start."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_SECONDS)
        word, *parts = line.decode().split()
        assert word == "up"
        return parts

    async def close(self) -> None:
        """The user leaves it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert await asyncio.wait_for(self.process.wait(), PATIENCE_SECONDS) == 0


OpenStudio = Callable[[], Coroutine[Any, Any, Studio]]


@pytest.fixture
async def open_studio(data_dir: Path) -> AsyncIterator[OpenStudio]:
    studios: list[Studio] = []

    async def open_one() -> Studio:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAM),
            str(data_dir),
            stdin=-1,
            stdout=-1,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        studios.append(Studio(process))
        return studios[-1]

    yield open_one
    for studio in studios:
        if studio.process.returncode is None:
            studio.process.kill()
            await studio.process.wait()


async def test_the_last_of_two_studios_stops_the_stack(
    open_studio: OpenStudio, make_stack: MakeStack, data_dir: Path
) -> None:
    first = await open_studio()
    assert await first.started() == ["postgres", "temporal", "worker"]
    second = await open_studio()
    assert await second.started() == []
    await first.close()
    assert make_stack().status().up
    assert [holder.pid for holder in make_stack().status().holders] == [second.process.pid]
    await second.close()
    assert processes_of(data_dir) == {}
    assert not make_stack().status().kept


async def test_two_studios_at_the_same_moment_start_one_stack(open_studio: OpenStudio, data_dir: Path) -> None:
    studios = await asyncio.gather(open_studio(), open_studio(), open_studio())
    started = await asyncio.gather(*(studio.started() for studio in studios))
    assert sorted(started) == [[], [], ["postgres", "temporal", "worker"]]
    commands = list(processes_of(data_dir).values())
    assert sum("start-dev" in command for command in commands) == 1
    assert sum("fake_worker" in command for command in commands) == 1
    await asyncio.gather(*(studio.close() for studio in studios))
    assert processes_of(data_dir) == {}


async def test_a_stack_that_was_asked_to_stay_outlives_its_studios(
    open_studio: OpenStudio, make_stack: MakeStack, data_dir: Path
) -> None:
    make_stack().up(silent)
    studio = await open_studio()
    assert await studio.started() == []
    await studio.close()
    assert make_stack().status().up
    make_stack().down(silent)
    assert processes_of(data_dir) == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_studio_that_is_told_to_end_stops_the_stack(
    open_studio: OpenStudio, data_dir: Path, number: signal.Signals
) -> None:
    studio = await open_studio()
    await studio.started()
    studio.process.send_signal(number)
    await asyncio.wait_for(studio.process.wait(), PATIENCE_SECONDS)
    assert processes_of(data_dir) == {}


@pytest.mark.faults
async def test_a_killed_studio_holds_nothing(open_studio: OpenStudio, make_stack: MakeStack, data_dir: Path) -> None:
    killed = await open_studio()
    await killed.started()
    killed.process.kill()
    await killed.process.wait()
    assert make_stack().status().holders == ()
    heir = await open_studio()
    assert await heir.started() == []
    await heir.close()
    assert processes_of(data_dir) == {}


async def test_ctrl_c_in_the_studio_reaches_no_part(make_stack: MakeStack) -> None:
    make_stack().up(silent)
    sessions = {part.part: os.getsid(part.pid or 0) for part in make_stack().status().parts}
    assert os.getsid(0) not in sessions.values()
    make_stack().down(silent)


async def test_the_stack_is_not_stopped_under_a_studio_unless_forced(
    open_studio: OpenStudio, make_stack: MakeStack, data_dir: Path
) -> None:
    studio = await open_studio()
    await studio.started()
    with pytest.raises(Conflict) as refusal:
        make_stack().down(silent)
    assert refusal.value.code == "STACK_IN_USE"
    assert str(studio.process.pid) in refusal.value.message
    assert make_stack().status().up
    assert make_stack().down(silent, force=True) == ("postgres", "temporal", "worker")
    assert {pid for pid in processes_of(data_dir) if pid != studio.process.pid} == set()
    await studio.close()


async def test_down_of_nothing_is_nothing(make_stack: MakeStack, data_dir: Path) -> None:
    assert make_stack().down(silent) == ()
    assert make_stack().running_environment() == {}
    assert [part.condition for part in make_stack().status().parts] == ["stopped"] * 3
    assert processes_of(data_dir) == {}


async def test_servers_named_by_variables_are_used_and_left_alone(
    make_stack: MakeStack, data_dir: Path, postgres: EmbeddedPostgres, temporal_address: str
) -> None:
    url = postgres.url().replace("postgres@/", "postgres:a-secret@/")
    stack = make_stack(database_url=url, temporal_address=temporal_address)
    info = stack.up(silent)
    assert info.started == ("worker",)
    assert info.environment() == {"DATABASE_URL": url, "TEMPORAL_ADDRESS": temporal_address}
    assert not (data_dir / "postgres").exists()
    assert not (data_dir / "temporal.db").exists()
    status = stack.status()
    assert [part.condition for part in status.parts] == ["external", "external", "running"]
    assert "a-secret" not in repr(status)
    assert stack.down(silent) == ("worker",)
    assert postgres.answers()
    assert processes_of(data_dir) == {}


async def test_the_variables_lead_to_our_server_and_away_from_the_users(
    make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", "of-the-users-cloud")
    stack = make_stack()
    info = stack.up(silent)
    environment = info.environment()
    assert environment["TEMPORAL_ADDRESS"] == info.temporal_address
    assert environment["TEMPORAL_API_KEY"] == ""
    assert environment["TEMPORAL_CONFIG_FILE"] == os.devnull
    assert stack.running_environment() == environment
    worker = next(part.pid for part in stack.status().parts if part.part == "worker")
    assert psutil.Process(worker).environ()["TEMPORAL_API_KEY"] == ""
    monkeypatch.delenv("TEMPORAL_API_KEY")
    assert make_stack().up(silent).started == ()
    stack.down(silent)
    assert stack.running_environment() == {}


async def test_a_terminal_with_the_exported_variables_is_still_at_our_stack(
    make_stack: MakeStack, data_dir: Path
) -> None:
    info = make_stack().up(silent)
    exported = {"database_url": info.database_url, "temporal_address": info.temporal_address}
    assert make_stack(**exported).up(silent).started == ()
    assert [part.condition for part in make_stack(**exported).status().parts] == ["running"] * 3
    assert make_stack(**exported).down(silent) == ("postgres", "temporal", "worker")
    assert make_stack(**exported).up(silent).started == ("postgres", "temporal", "worker")


async def test_a_stack_on_other_servers_is_not_mixed_with_the_users_own(
    make_stack: MakeStack, postgres: EmbeddedPostgres
) -> None:
    make_stack().up(silent)
    assert make_stack(database_url=postgres.url()).running_environment() == {}
    assert make_stack(temporal_address="temporal.example:7233").running_environment() == {}
    make_stack(database_url=postgres.url()).up(silent)
    assert make_stack(database_url=postgres.url()).running_environment()["DATABASE_URL"] == postgres.url()
    assert make_stack(database_url=postgres.url("another")).running_environment() == {}
    assert make_stack().running_environment() == {}
