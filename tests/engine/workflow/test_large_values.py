"""Large values stay out of Temporal, and too large ones out of the run."""

from __future__ import annotations

import json

from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import assign, attempt, call, set_state


async def largest_payload(run) -> int:  # type: ignore[no-untyped-def] # see harness.Run
    history = await run.history()
    return max(len(event.SerializeToString()) for event in history.events)


async def test_a_large_output_goes_by_reference_and_is_used_like_any_other(bench: Bench) -> None:
    run = await bench.play([
        call("big", "test.sized", characters=500_000),
        assign("n", length="len(vars.big.value)"),
        call("again", "test.ordinary", value="=vars.big.value"),
    ])  # fmt: skip
    row = await run.row()
    assert row["status"] == "SUCCEEDED"
    assert await largest_payload(run) < 10_000
    first, second = await run.tries()
    assert (first["output_json"], first["output_bytes"]) == (None, 500_012)
    assert (second["input_json"], second["output_json"]) == (None, None)
    [stored] = await bench.rows(
        "SELECT value_json, run_id FROM workflow_payloads WHERE payload_id = :id", id=second["input_ref"]
    )
    assert stored["value_json"] == {"value": "x" * 500_000}
    assert str(stored["run_id"]) == run.id
    assert (await run.result())["scopes"]["vars"]["length"] == 500_000
    # Too large for the row, so all that is left of them there is nothing.
    assert row["output_json"] is None


async def test_an_output_that_is_too_large_fails_the_step(bench: Bench) -> None:
    big = call("big", "test.sized", characters=3_000_000)
    run = await bench.play([attempt("t", [big], [set_state("caught")])])
    error = (await run.row())["output_json"]["caught"]
    assert (error["code"], error["details"]) == ("PAYLOAD_TOO_LARGE", {"bytes": 3_000_012, "limit": 2 * 1024 * 1024})
    [tried] = await run.tries()
    assert tried["status"] == "FAILED"
    assert await largest_payload(run) < 10_000


async def test_an_input_that_is_too_large_does_not_reach_the_action(idle_bench: Bench) -> None:
    idle_bench.max_value_bytes = 400_000
    async with idle_bench.worker():
        run = await idle_bench.play([
            call("big", "test.sized", characters=300_000),
            call("twice", "test.ordinary", label="twice", one="=vars.big.value", two="=vars.big.value"),
        ])  # fmt: skip
    row = await run.row()
    assert (row["status"], row["error_json"]["code"]) == ("FAILED", "PAYLOAD_TOO_LARGE")
    assert idle_bench.counts.ran["twice"] == 0
    assert [t["status"] for t in await run.tries()] == ["SUCCEEDED", "FAILED"]


async def test_a_long_error_is_cut(bench: Bench) -> None:
    fails = call(
        "f", "test.fails", category="ActionError", message="no " * 50_000, code="E1", details={"d": "y" * 300_000}
    )
    run = await bench.play([fails])
    row = await run.row()
    assert row["status"] == "FAILED"
    assert len(json.dumps(row["error_json"])) <= 32 * 1024
    [tried] = await run.tries()
    assert len(json.dumps(tried["error_json"])) <= 32 * 1024
    assert tried["error_json"]["details"]["truncated"] is True
    assert tried["error_message"].endswith("...[truncated]")


async def test_what_json_cannot_say_fails_the_step_or_is_replaced(bench: Bench) -> None:
    run = await bench.play([call("nul", "test.ordinary", value="a\x00b\ud800c")])
    row = await run.row()
    assert row["output_json"] == {"nul": {"value": "a\ufffdb\ufffdc"}}
