"""Whatever was killed, lost or taken: ``up`` ends with a stack that works, with its data, and never with a traceback."""

from __future__ import annotations

import json
import signal
import socket
import stat
from pathlib import Path

import psutil
import psycopg
import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from engine.devstack.info import StackInfo
from engine.devstack.stack import DevStack
from engine.errors import Conflict, Unavailable
from engine.ids import new_id
from tests.engine.devstack.processes_seen import FAKE_WORKER, MakeStack, kill, processes_of, silent


async def leave_data(info: StackInfo) -> str:
    """A committed row and a workflow that nobody works on yet; returns the id of both."""
    mark = new_id()
    with psycopg.connect(info.database_url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS marks (mark text)")
        connection.execute("INSERT INTO marks VALUES (%s)", [mark])
    client = await Client.connect(info.temporal_address)
    await client.start_workflow("Waiting", id=mark, task_queue=new_id())
    return mark


async def assert_data(info: StackInfo, mark: str) -> None:
    with psycopg.connect(info.database_url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT mark FROM marks").fetchall() == [(mark,)]
    client = await Client.connect(info.temporal_address)
    description = await client.get_workflow_handle(mark).describe()
    assert description.status == WorkflowExecutionStatus.RUNNING


def pid_of(stack: DevStack, part: str) -> int:
    pid = next(status.pid for status in stack.status().parts if status.part == part)
    assert pid is not None
    return pid


async def test_runs_and_rows_survive_down_and_up(make_stack: MakeStack, data_dir: Path) -> None:
    stack = make_stack()
    info = stack.up(silent)
    mark = await leave_data(info)
    assert stack.down(silent) == ("postgres", "temporal", "worker")
    assert processes_of(data_dir) == {}
    after = stack.up(silent)
    assert after.started == ("postgres", "temporal", "worker")
    # What somebody exported in a terminal is still right.
    assert after.environment() == info.environment()
    await assert_data(after, mark)
    stack.down(silent)
    assert processes_of(data_dir) == {}


async def test_what_runs_hold_is_for_its_owner_alone(make_stack: MakeStack, data_dir: Path) -> None:
    make_stack().up(silent)
    # As root, others may pass through the directory, because Postgres' account must.
    for name in ("temporal.db", "logs", "logs/temporal.log", "logs/postgres.log", "logs/worker.log", "postgres"):
        assert stat.S_IMODE((data_dir / name).stat().st_mode) & 0o077 == 0, name


async def test_a_stack_that_is_up_is_taken_as_it_is(make_stack: MakeStack) -> None:
    before = make_stack().up(silent)
    processes = [part.pid for part in make_stack().status().parts]
    after = make_stack().up(silent)
    assert after.started == ()
    assert after.environment() == before.environment()
    assert [part.pid for part in make_stack().status().parts] == processes
    assert make_stack().status().up


@pytest.mark.faults
@pytest.mark.parametrize("victim", ["postgres", "temporal", "worker"])
async def test_a_killed_part_is_replaced_and_the_others_stay(
    make_stack: MakeStack, data_dir: Path, victim: str
) -> None:
    stack = make_stack()
    before = stack.up(silent)
    mark = await leave_data(before)
    others = {part.part: part.pid for part in stack.status().parts if part.part != victim}
    kill(pid_of(stack, victim))
    info = make_stack().up(silent)
    assert info.started == (victim,)
    # The same addresses: whoever was connected finds the repaired server by itself.
    assert info.environment() == before.environment()
    assert {part.part: part.pid for part in stack.status().parts if part.part != victim} == others
    await assert_data(info, mark)
    stack.down(silent)
    assert processes_of(data_dir) == {}


@pytest.mark.faults
async def test_everything_killed_at_once_is_replaced(make_stack: MakeStack, data_dir: Path) -> None:
    stack = make_stack()
    mark = await leave_data(stack.up(silent))
    kill(*processes_of(data_dir))
    assert [part.condition for part in stack.status().parts] == ["stopped"] * 3
    info = stack.up(silent)
    assert info.started == ("postgres", "temporal", "worker")
    await assert_data(info, mark)


@pytest.mark.faults
async def test_a_part_that_hangs_is_replaced(make_stack: MakeStack, data_dir: Path) -> None:
    stack = make_stack()
    mark = await leave_data(stack.up(silent))
    for pid in [pid_of(stack, part) for part in ("postgres", "temporal")]:
        psutil.Process(pid).send_signal(signal.SIGSTOP)
    assert [part.condition for part in stack.status().parts] == ["not answering", "not answering", "running"]
    info = stack.up(silent)
    assert info.started == ("postgres", "temporal")
    await assert_data(info, mark)
    stack.down(silent)
    assert processes_of(data_dir) == {}


async def test_a_taken_port_is_given_up_and_the_worker_follows(make_stack: MakeStack) -> None:
    stack = make_stack()
    before = stack.up(silent)
    mark = await leave_data(before)
    kill(pid_of(stack, "temporal"))
    host, _, port = before.temporal_address.partition(":")
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((host, int(port)))
        squatter.listen()
        info = stack.up(silent)
    assert info.temporal_address != before.temporal_address
    assert info.started == ("temporal", "worker")
    assert f"temporal {info.temporal_address}\n" in stack.logs("worker").read_text()
    await assert_data(info, mark)


@pytest.mark.parametrize("content", [b"", b'{"format": 2}'])
async def test_a_lost_record_leads_to_no_second_server(make_stack: MakeStack, data_dir: Path, content: bytes) -> None:
    stack = make_stack()
    mark = await leave_data(stack.up(silent))
    (data_dir / "stack.json").write_bytes(content)
    info = stack.up(silent)
    # Postgres is known by its directory; the others cannot be believed without their record, so they are replaced.
    assert info.started == ("temporal", "worker")
    commands = list(processes_of(data_dir).values())
    assert sum("start-dev" in command for command in commands) == 1
    assert sum("fake_worker" in command for command in commands) == 1
    await assert_data(info, mark)
    (data_dir / "stack.json").unlink()
    stack.down(silent)
    assert processes_of(data_dir) == {}


async def test_a_reused_pid_is_nobody_of_ours(make_stack: MakeStack, data_dir: Path) -> None:
    stack = make_stack()
    stack.up(silent)
    stack.down(silent)
    bystander = psutil.Popen(["sleep", "60"])
    try:
        # As a crash of the machine leaves it: the record and Postgres' own pid file name pids that are others' by now.
        process = {"pid": bystander.pid, "started": "another-boot:1"}
        part = {"process": process, "started_at": "2026-01-01T00:00:00Z", "port": 1, "ui_port": 2}
        record = {"holders": [process], "kept": True, "postgres": part, "temporal": part, "worker": part}
        (data_dir / "stack.json").write_text(json.dumps(record))
        (data_dir / "postgres" / "postmaster.pid").write_text(f"{bystander.pid}\n{data_dir}/postgres\n")
        assert [part.condition for part in stack.status().parts] == ["stopped"] * 3
        assert stack.status().holders == ()
        assert stack.up(silent).started == ("postgres", "temporal", "worker")
        stack.down(silent)
        assert bystander.is_running()
        assert bystander.status() != psutil.STATUS_ZOMBIE
    finally:
        bystander.kill()
        bystander.wait()


async def test_a_worker_that_refuses_leaves_nothing_behind(make_stack: MakeStack, data_dir: Path) -> None:
    with pytest.raises(Unavailable) as refusal:
        make_stack(worker_command=(*FAKE_WORKER, "refuse")).up(silent)
    assert refusal.value.code == "WORKER_NOT_STARTED"
    assert "the worker refuses to start" in refusal.value.details["log"]
    assert processes_of(data_dir) == {}


async def test_a_worker_that_refuses_takes_nothing_from_those_who_use_the_stack(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.up(silent)
    kill(pid_of(stack, "worker"))
    with pytest.raises(Unavailable):
        make_stack(worker_command=(*FAKE_WORKER, "refuse")).up(silent)
    assert [part.condition for part in stack.status().parts] == ["running", "running", "stopped"]


async def test_data_of_another_postgres_is_refused_untouched(make_stack: MakeStack, data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(Conflict) as refusal:
        make_stack().up(silent)
    assert refusal.value.code == "POSTGRES_DATA_VERSION"
    assert [path.name for path in (data_dir / "postgres").iterdir()] == ["PG_VERSION"]
    assert processes_of(data_dir) == {}
