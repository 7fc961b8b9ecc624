"""The order an author wrote has a meaning, and Postgres's jsonb does not keep it."""

from __future__ import annotations

from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import assign


async def test_assign_entries_take_effect_in_the_authors_order(bench: Bench) -> None:
    run = await bench.play([assign("a", longest_name="1", short="vars.longest_name + 1", mid_name="vars.short + 1")])
    row = await run.row()
    assert (row["status"], row["output_json"]) == ("SUCCEEDED", {"longest_name": 1, "short": 2, "mid_name": 3})


async def test_a_definition_changed_behind_our_back_does_not_run(bench: Bench) -> None:
    await bench.publish([assign("a", x="1")])
    await bench.execute(
        "UPDATE workflow_definition_versions SET definition_json = jsonb_set(definition_json, '{name}', '\"other\"')"
    )
    run = await bench.start()
    row = await run.ended()
    assert (row["status"], row["last_error_code"]) == ("FAILED", "DEFINITION_HASH_MISMATCH")
