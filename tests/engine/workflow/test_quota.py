"""Quota: leased in blocks, never exceeded, given back."""

from __future__ import annotations

import asyncio

import pytest

from engine.contract import QUERY_CURRENT_WAIT, SIGNAL_QUOTA_RESUME
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import call_workflow, for_each, quick, set_state, wait_event

pytestmark = pytest.mark.usefixtures("unhurried")


async def limit(bench: Bench, steps: int) -> None:
    await bench.execute(
        "INSERT INTO workflow_settings (tenant, quota_limit) VALUES (CAST(:t AS uuid), :n)"
        " ON CONFLICT (tenant) DO UPDATE SET quota_limit = excluded.quota_limit",
        t=bench.tenant,
        n=steps,
    )


async def used(bench: Bench) -> int:
    [row] = await bench.rows("SELECT used_count FROM workflow_step_usage_periods")
    return int(row["used_count"])


async def test_a_run_pauses_exactly_at_the_limit_and_goes_on_when_there_is_more(bench: Bench) -> None:
    await limit(bench, 3)
    await bench.publish([quick(f"q{n}") for n in range(5)])
    run = await bench.start()
    row = await run.waiting("quota")
    assert (row["step_count"], row["node_path"], row["node_step_id"]) == (3, "root.steps[3]", "q3")
    assert row["error_json"]["category"] == "QuotaExceeded"
    assert len(await run.steps()) == 3
    assert await used(bench) == 3
    [wait] = await run.waits()
    assert (wait["wait_type"], wait["status"], wait["payload"]["usedCount"]) == ("quota", "WAITING", 3)
    assert wait["payload"]["effectiveLimit"] == 3
    assert (await run.handle.query(QUERY_CURRENT_WAIT))["type"] == "quota"
    since = row["waiting_since"]

    await run.at_rest()
    asked = (await run.events())["MARKER_RECORDED"]
    await run.handle.signal(SIGNAL_QUOTA_RESUME, {"reason": "too early"})
    await run.at_rest()
    assert (await run.events())["MARKER_RECORDED"] == asked + 1
    row = await run.waiting("quota")
    assert row["waiting_since"] == since

    await limit(bench, 100)
    await run.handle.signal(SIGNAL_QUOTA_RESUME, {})
    row = await run.ended()
    assert (row["status"], row["error_json"], row["quota_leased"]) == ("SUCCEEDED", None, 0)
    assert [w["status"] for w in await run.waits()] == ["RESOLVED"]
    assert await used(bench) == 5


async def test_a_limit_is_not_crossed_by_many_runs_at_once(bench: Bench) -> None:
    await limit(bench, 40)
    await bench.publish([for_each("l", "[1,2,3,4,5,6,7]", [set_state("s")])])
    runs = [await bench.start() for _ in range(10)]

    async def settled() -> bool:
        rows = await bench.rows("SELECT status FROM workflow_runs")
        return all(row["status"] in ("SUCCEEDED", "WAITING") for row in rows)

    await bench.until(settled)
    [row] = await bench.rows("SELECT sum(step_count) AS n, sum(quota_leased) AS leased FROM workflow_runs")
    assert row["n"] <= 40
    assert await used(bench) == row["n"] + row["leased"]
    await limit(bench, 1000)
    paused = [run for run in runs if (await run.row())["status"] == "WAITING"]
    assert paused
    for run in paused:
        await run.handle.signal(SIGNAL_QUOTA_RESUME, {})
    await asyncio.gather(*(run.ended() for run in runs))
    assert await used(bench) == 80


async def test_what_a_waiting_run_does_not_need_is_there_for_others(bench: Bench) -> None:
    await limit(bench, 20)
    await bench.publish([quick("a"), wait_event("w"), quick("b")])
    run = await bench.start()
    row = await run.waiting("event")
    assert (row["quota_leased"], row["step_count"]) == (0, 2)
    assert await used(bench) == 2
    await run.send_event("PING")
    await run.ended()
    assert await used(bench) == 3


async def test_a_parent_holds_nothing_while_its_child_runs(bench: Bench) -> None:
    await limit(bench, 3)
    await bench.publish([quick("q")], "wf.child")
    run = await bench.play([call_workflow("c", "wf.child"), quick("q")])
    assert (await run.row())["status"] == "SUCCEEDED"
    assert await used(bench) == 3


async def test_a_resume_that_came_before_the_pause_counts(bench: Bench) -> None:
    await limit(bench, 1)
    await bench.publish([wait_event("w"), quick("q")])
    run = await bench.start()
    await run.waiting("event")
    await run.handle.signal(SIGNAL_QUOTA_RESUME, {})
    await run.send_event("PING")
    await run.waiting("quota")

    async def asked_twice() -> bool:
        return (await run.events())["MARKER_RECORDED"] >= 5

    await bench.until(asked_twice)


async def test_a_run_paused_by_quota_can_be_canceled(bench: Bench) -> None:
    await limit(bench, 1)
    await bench.publish([quick("a"), quick("b")])
    run = await bench.start()
    await run.waiting("quota")
    await run.handle.cancel()
    row = await run.ended()
    assert row["status"] == "CANCELED"
    assert [w["status"] for w in await run.waits()] == ["CANCELED"]
    assert [s["status"] for s in await run.steps()] == ["SUCCEEDED"]


async def test_without_a_limit_a_run_counts_ahead_and_gives_back(bench: Bench) -> None:
    await bench.publish([quick("a"), wait_event("w")])
    run = await bench.start()
    await run.waiting("event")
    assert await used(bench) == 2
    await run.handle.cancel()
    await run.ended()
    assert await used(bench) == 2
