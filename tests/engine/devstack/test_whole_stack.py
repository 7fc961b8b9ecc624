"""The stack as a developer gets it: the real schema and the real worker."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from engine.contract import TASK_QUEUE
from engine.devstack.stack import DevStack
from engine.errors import Unavailable
from engine.settings import Settings
from engine.store.database.schema_version import current_revision, head_revision
from tests.engine.devstack.processes_seen import kill, processes_of, silent


@pytest.mark.faults
def test_it_comes_up_ready_is_repaired_and_goes_down_without_a_trace(data_dir: Path) -> None:
    stack = DevStack(data_dir, Settings.load(data_dir=data_dir))
    heard: list[str] = []
    info = stack.up(heard.append)
    assert heard == ["starting Postgres", "preparing the database", "starting Temporal", "starting the worker"]
    assert current_revision(info.database_url) == head_revision()
    assert stack.status().up

    worker = next(part.pid for part in stack.status().parts if part.part == "worker")
    with psycopg.connect(info.database_url.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT pid, task_queue FROM workflow_workers").fetchall()
    assert rows == [(worker, TASK_QUEUE)]

    assert worker is not None
    kill(worker)
    assert [part.condition for part in stack.status().parts] == ["running", "running", "stopped"]
    assert stack.up(silent).started == ("worker",)
    assert stack.status().up

    assert stack.down(silent) == ("postgres", "temporal", "worker")
    assert processes_of(data_dir) == {}
    # It ended what it did, instead of being killed.
    assert '"event": "worker stopped"' in stack.logs("worker").read_text().splitlines()[-1]


def test_a_temporal_whose_data_is_new_is_refused_until_it_is_asked_to_move_there(data_dir: Path) -> None:
    stack = DevStack(data_dir, Settings.load(data_dir=data_dir))
    stack.up(silent)
    stack.down(silent)
    for file in data_dir.glob("temporal.db*"):
        file.unlink()
    with pytest.raises(Unavailable, match=r"WORKER_NOT_STARTED.*INSTALLATION_OTHER: .*dev up --move"):
        stack.up(silent)
    heard: list[str] = []
    info = stack.up(heard.append, move=True)
    assert "moving the database to this Temporal" in heard
    with psycopg.connect(info.database_url.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT operation, reason FROM workflow_audit_log").fetchall()
    assert rows == [("installation_move", "runstudio dev up --move")]
    stack.down(silent)
    assert stack.up(silent).started == ("postgres", "temporal", "worker")
    stack.down(silent)


def test_the_worker_uses_the_stack_and_not_what_the_terminal_names(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text('[profile.default]\naddress = "production.example:7233"\nnamespace = "orders"\napi_key = "key"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "orders")
    stack = DevStack(data_dir, Settings.load(data_dir=data_dir))
    stack.up(silent)
    assert stack.status().up
    stack.down(silent)
    assert processes_of(data_dir) == {}
