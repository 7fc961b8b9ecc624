"""Jobs, retention, alerts and the end of a tenant from the command line: what is printed, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.jobs.settling import take_turn
from engine.settings import DEFAULT_TENANT
from tests.commands.conftest import Done, Starter
from tests.engine.operations.conftest import Execute, Query, context, execute, query, store
from tests.engine.operations.jobs.test_jobs import ended_runs

__all__ = ["context", "execute", "query", "store"]

Command = Callable[..., Awaitable[Done]]


@pytest.fixture
def runstudio(starter: Starter, database_url: str, temporal_address: str, tmp_path: Path) -> Command:
    """Runs ``runstudio WORDS``."""
    variables = {
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal_address,
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path),
    }

    async def run(*words: str) -> Done:
        return await asyncio.to_thread(starter.run, words, {**os.environ, **variables}, "")

    return run


async def test_runs_are_deleted_by_a_job(
    runstudio: Command, context: OperationContext, execute: Execute, query: Query
) -> None:
    await ended_runs(execute, 2)
    await ended_runs(execute, 1, "SUCCEEDED")
    done = await runstudio("runs", "delete", "status:failed", "--reason", "too old", "--json")
    assert (done.code, done.json["matching"]["value"], done.json["job"]["state"]) == (7, 2, "queued")
    job = done.json["job"]["jobId"]
    assert (await runstudio("jobs", "pause", job)).out == f"{job} paused, 0 left\n"
    assert job in (await runstudio("jobs", "list", "--open")).out
    assert (await runstudio("jobs", "resume", job, "--json")).json["job"]["state"] == "queued"
    worker = replace(context, actor=Actor("17@host", None, "reconciler", "service"))
    while (await take_turn(worker)).found:
        pass
    shown = await runstudio("jobs", "show", job)
    assert "2 done, 0 skipped, 0 failed, 0 left of 2" in shown.out
    assert "of status:failed" in shown.out
    assert [row["status"] for row in await query("SELECT status FROM workflow_runs")] == ["SUCCEEDED"]
    assert (await runstudio("jobs", "cancel", job)).code == 4
    assert (await runstudio("jobs", "show", "nothing")).code == 3


async def test_runs_are_exported_by_a_job_and_written_into_a_file(
    runstudio: Command, context: OperationContext, execute: Execute, tmp_path: Path
) -> None:
    ids = await ended_runs(execute, 2)
    why = ("--reason", "for the auditors")
    assert (await runstudio("runs", "export", "--job", *why)).code == 2
    assert (await runstudio("runs", "export", ids[0], "--job", *why)).code == 2
    assert (await runstudio("runs", "export", "--filter", "status:failed", "--job")).code == 2
    words = ("runs", "export", "--filter", "status:failed", "--job", *why, "--idempotency-key", "k", "--json")
    done = await runstudio(*words)
    assert (done.code, done.json["matching"]["value"], done.json["job"]["kind"]) == (7, 2, "export")
    job, target = done.json["job"]["jobId"], tmp_path / "runs.ndjson"
    assert (await runstudio("jobs", "download", job, "-o", str(target))).code == 3
    assert not target.exists()
    worker = replace(context, actor=Actor("17@host", None, "reconciler", "service"))
    while (await take_turn(worker)).found:
        pass
    assert (await runstudio("jobs", "download", job, "-o", str(target))).out.startswith(f"saved {target} (2 runs, ")
    lines = target.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["run"]["row"]["run_id"] for line in lines] == sorted(ids)
    assert (await runstudio("jobs", "download", job, "-o", str(target))).code == 4
    assert (await runstudio("jobs", "download", job)).out.splitlines() == lines
    assert (await runstudio("jobs", "download", "nothing")).code == 3


async def test_an_event_that_could_not_be_routed_is_listed_and_sent_again(
    runstudio: Command, execute: Execute, query: Query
) -> None:
    await execute(
        "INSERT INTO workflow_runtime_events (event_id, event_name, state, error_message) VALUES ('e-1', 'PAID', 'routed', 'no')"
    )
    await execute(
        "INSERT INTO workflow_event_deliveries (delivery_id, event_id, event_name, target_kind, target, status, last_error)"
        " VALUES (gen_random_uuid(), 'e-1', 'PAID', 'routing', '', 'failed', 'ROUTING_FAILED: It cannot be routed.')"
    )
    listed = (await runstudio("events", "dead")).out.splitlines()
    assert listed[1].split()[1:6] == ["failed", "PAID", "routing", "-", "ROUTING_FAILED:"]
    assert (await runstudio("events", "redeliver", "--all", "--reason", "it was mended")).code == 0
    assert await query("SELECT state, error_message FROM workflow_runtime_events") == [
        {"state": "received", "error_message": None}
    ]
    assert (await runstudio("events", "dead", "--json")).json["deliveries"] == []


async def test_a_filter_stands_in_for_ids(runstudio: Command, query: Query) -> None:
    for words, code in (
        (("runs", "cancel", "--reason", "why not"), 2),
        (("runs", "cancel", "x", "--filter", "wf:a", "--reason", "why not"), 2),
        (("runs", "cancel", "--filter", "nonsense:1", "--reason", "why not"), 2),
        (("runs", "replay", "--filter", "wf:a", "--preview"), 2),
        (("runs", "cancel", "--filter", "wf:a", "--reason", "why not", "--idempotency-key", "k"), 7),
        (("runs", "replay", "--filter", "wf:a", "--reason", "why not", "--idempotency-key", "k"), 4),
        (("runs", "replay", "--filter", "", "--reason", "why not"), 7),
    ):
        assert (await runstudio(*words)).code == code, words
    kinds = await query("SELECT kind, filter_text FROM workflow_jobs ORDER BY created_at")
    assert [tuple(row.values()) for row in kinds] == [("cancel", "wf:a"), ("replay", "")]


async def test_what_is_kept_is_set_shown_and_taken_away(runstudio: Command) -> None:
    assert (await runstudio("retention", "show")).out == "There is no rule: everything is kept.\n"
    done = await runstudio("retention", "set", "--succeeded", "30d", "--bodies", "14", "--reason", "disk")
    assert done.out.splitlines()[1].split()[:7] == ["all", "others", "30d", "for", "ever", "for", "ever"]
    done = await runstudio("retention", "set", "--events", "90d", "--dead-events", "365", "--reason", "disk", "--json")
    assert [done.json["rules"][0]["keep"][name] for name in ("events", "dead_events", "bodies")] == [90, 365, None]
    assert (await runstudio("retention", "set", "--workflow", "a", "--events", "9d", "--reason", "disk")).code == 2
    assert (await runstudio("retention", "set", "--failed", "x", "--reason", "disk")).code == 2
    assert (await runstudio("retention", "remove", "--reason", "disk", "--json")).json == {"rules": []}
    assert (await runstudio("retention", "remove", "--reason", "disk")).code == 3


async def test_alerts_are_set_tried_and_removed(runstudio: Command, query: Query) -> None:
    assert (await runstudio("alerts", "set", "night", "failed", "--reason", "somebody should know")).code == 2
    words = ("alerts", "set", "night", "failed", "--webhook", "https://x.example/", "--more-than", "3")
    assert (await runstudio(*words, "--reason", "somebody should know")).code == 0
    listed = (await runstudio("alerts", "list", "--json")).json["alerts"]
    assert [(one["alert"]["name"], one["alert"]["more_than"]) for one in listed] == [("night", 3)]
    assert (await runstudio("alerts", "messages", "--json")).json["messages"] == []
    assert (await runstudio("alerts", "remove", "night", "--reason", "no more")).code == 0
    assert (await runstudio("alerts", "test", "night")).code == 3
    assert await query("SELECT 1 FROM workflow_alerts") == []


async def test_a_tenant_is_deleted_by_its_full_name(runstudio: Command, execute: Execute, query: Query) -> None:
    await ended_runs(execute, 2)
    assert (await runstudio("tenant", "delete", DEFAULT_TENANT[:8], "--reason", "they left")).code == 2
    done = await runstudio("tenant", "delete", DEFAULT_TENANT, "--reason", "they left", "--json")
    assert (done.code, done.json["deleted"]["rows"]) == (0, {"workflow_runs": 2})
    assert await query("SELECT 1 FROM workflow_runs") == []
