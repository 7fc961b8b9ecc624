"""Secrets reach the action and nothing else."""

from __future__ import annotations

from tests.engine.workflow.harness import SECRETS, Bench
from tests.engine.workflow.steps import assign, attempt, call

CANARY = SECRETS["RUNSTUDIO_SECRET_TOKEN"]


async def test_a_secret_is_resolved_in_the_activity_and_never_stored(bench: Bench) -> None:
    marker = {"$secret": "TOKEN"}
    run = await bench.play([
        call("a", "test.ordinary", label="a", value=marker, text="not secret"),
        attempt("t", [call("b", "transform.split_text", text=marker, delimiter="")], [assign("c", code="error.code")]),
    ])  # fmt: skip
    row = await run.row()
    assert row["status"] == "SUCCEEDED"
    assert row["output_json"]["a"] == {"value": "[REDACTED]"}
    assert bench.counts.ran["a"] == 1
    assert row["output_json"]["code"] == "SECRET_NOT_ACCEPTED"
    first, _ = await run.tries()
    assert first["input_json"]["value"] == marker
    history = (await run.history()).to_json()
    assert CANARY not in history
    tables = await bench.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    for table in tables:
        found = await bench.rows(
            f"SELECT 1 FROM {table['table_name']} AS t WHERE t::text LIKE :pattern", pattern=f"%{CANARY}%"
        )
        assert found == [], table["table_name"]


async def test_a_marker_that_came_in_with_data_is_data(bench: Bench) -> None:
    run = await bench.play([call("a", "test.ordinary", value="=payload.given")], {"given": {"$secret": "TOKEN"}})
    assert (await run.row())["output_json"]["a"] == {"value": {"$secret": "TOKEN"}}


async def test_a_secret_that_is_not_there_fails_the_step_by_name(bench: Bench) -> None:
    run = await bench.play([call("a", "test.ordinary", value={"$secret": "MISSING"})])
    error = (await run.row())["error_json"]
    assert error["code"] == "SECRET_NOT_FOUND"
    assert error["details"]["secret"] == "MISSING"
