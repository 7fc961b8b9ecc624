"""``runstudio migrate``, ``doctor``, ``dev status`` and ``--version``."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from engine.store.database.schema_version import head_revision
from tests.commands.conftest import IDLE_NAMESPACE, ROOT, Stack


@pytest.fixture
def unmigrated(runstudio: Stack, empty_database_url: str) -> Stack:
    return runstudio.with_variables(DATABASE_URL=empty_database_url)


def test_migrate_says_what_is_missing_does_it_and_does_it_once(unmigrated: Stack) -> None:
    head = head_revision()
    missing = unmigrated("migrate", "--check", "--json")
    assert (missing.code, missing.json) == (4, {"current": None, "head": head, "upToDate": False})
    people = unmigrated("migrate", "--check")
    assert (people.code, people.out) == (
        4,
        f"The schema is at nothing, this release needs {head}. Run `runstudio migrate`.\n",
    )
    for _ in range(2):
        done = unmigrated("migrate", "--json")
        assert (done.code, done.json) == (0, {"current": head, "head": head, "upToDate": True})
    assert unmigrated("migrate", "--check").code == 0


def test_a_database_without_the_schema_is_named_before_anything_is_read(unmigrated: Stack) -> None:
    refused = unmigrated("runs", "list", "--json")
    assert (refused.code, refused.out, refused.refusal["code"]) == (1, "", "SCHEMA_OLD")
    assert "runstudio migrate" in refused.refusal["hint"]


def test_migrate_says_that_postgres_is_away_or_not_named(without_database: Stack, runstudio: Stack) -> None:
    assert without_database("migrate", "--check", "--json").code == 5
    unnamed = runstudio.with_variables(DATABASE_URL="")("migrate", "--json")
    assert (unnamed.code, unnamed.refusal["code"]) == (2, "DATABASE_URL_MISSING")


def test_doctor_finds_everything_well(runstudio: Stack) -> None:
    told = runstudio("doctor", "--json")
    assert told.json.keys() == {"parts"}
    states = {part["name"]: part["state"] for part in told.json["parts"]}
    duties = {"routing", "reconciler", "schedule-sync", "quota-scan", "sweep", "alerts", "retention"}
    assert states.keys() == {
        "postgres",
        "schema",
        "temporal",
        "workers",
        "runs",
        "stores",
        "events",
        "schedules",
        "jobs",
        "messages",
        *duties,
    }
    assert (told.code, states["postgres"], states["temporal"], states["workers"]) == (0, "ok", "ok", "ok")
    for part in told.json["parts"]:
        assert part.keys() == {"name", "state", "detail", "advice"}
    people = runstudio("doctor")
    assert [line.split()[1] for line in people.out.splitlines() if not line.startswith(" ")] == list(states)


def test_doctor_names_what_is_down(without_database: Stack, offline: Stack, without_worker: Stack) -> None:
    for stack, part in ((without_database, "postgres"), (offline, "temporal"), (without_worker, "workers")):
        told = stack("doctor", "--json")
        down = [found["name"] for found in told.json["parts"] if found["state"] == "down"]
        assert (told.code, down) == (5, [part])


def test_the_temporal_of_the_installation_is_shown_refused_and_moved_to(runstudio: Stack) -> None:
    [(namespace_id,)] = runstudio.rows("SELECT namespace_id FROM workflow_installation")
    shown = runstudio.answer("installation", "show")["temporal"]
    assert (shown["namespace"], shown["namespace_id"]) == ("default", namespace_id)
    told = runstudio("installation", "show").out
    assert namespace_id in told
    assert f"recorded   {shown['recorded_at']} by {shown['recorded_by']}" in told
    elsewhere = runstudio.with_variables(TEMPORAL_NAMESPACE=IDLE_NAMESPACE)
    for words in (("runs", "list"), ("start", "cli.nothing"), ("events", "submit", "PING")):
        refused = elsewhere(*words, "--json")
        assert (refused.code, refused.refusal["code"]) == (5, "INSTALLATION_OTHER")
        assert {"default", IDLE_NAMESPACE} <= set(refused.refusal["message"].replace(".", " ").split())
    assert elsewhere("installation", "move", "--reason", "x", "--json").refusal["code"] == "REASON_TOO_SHORT"
    moved = elsewhere.answer("installation", "move", "--reason", "as a test wants it")["temporal"]
    try:
        assert moved["namespace"] == IDLE_NAMESPACE
        assert runstudio("runs", "list", "--json").refusal["code"] == "INSTALLATION_OTHER"
    finally:
        back = runstudio.answer("installation", "move", "--reason", "and back again")["temporal"]
    assert back["namespace_id"] == namespace_id


def test_dev_status_of_a_stack_that_is_not_up(runstudio: Stack, tmp_path: Path) -> None:
    nothing = runstudio.with_variables(DATABASE_URL="", TEMPORAL_ADDRESS="", RUNSTUDIO_DATA_DIR=str(tmp_path))
    told = nothing("dev", "status", "--json")
    assert told.code == 5
    assert told.json["data_dir"] == str(tmp_path)
    assert {part["part"]: part["condition"] for part in told.json["parts"]} == {
        "postgres": "stopped",
        "temporal": "stopped",
        "worker": "stopped",
    }
    people = nothing("dev", "status")
    assert people.out.splitlines()[0].split() == ["PART", "STATE", "PID", "WHERE"]
    assert list(tmp_path.iterdir()) == []


def test_dev_logs_names_the_parts_there_are(runstudio: Stack) -> None:
    refused = runstudio("dev", "logs", "nothing")
    assert refused.code == 2
    assert "PART_UNKNOWN" in refused.err


def test_the_version_is_told_before_anything_is_imported() -> None:
    program = (
        "import json, sys\n"
        "from runstudio_tui.cli import main\n"
        "main(['--version'])\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    told, modules = done.stdout.splitlines()
    assert told == f"runstudio {version('runstudio')}"
    heavy = {"typer", "click", "textual", "rich", "pydantic", "sqlalchemy", "temporalio"}
    assert not heavy & {name.partition(".")[0] for name in json.loads(modules)}


def test_wrong_usage_is_told_as_such(runstudio: Stack) -> None:
    for arguments in (["nonsense"], ["runs", "list", "--nonsense"], ["start"], ["run"]):
        refused = runstudio(*arguments)
        assert (refused.code, refused.out) == (2, ""), arguments
        assert refused.err


def test_the_studio_needs_a_terminal(runstudio: Stack) -> None:
    refused = runstudio()
    assert (refused.code, refused.out) == (2, "")
    assert "needs a terminal" in refused.err
