"""The order an author wrote has a meaning, and Postgres's jsonb does not keep it."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.actions.registry import ActionRegistry
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.runs.replay import replay_run
from engine.rebuild.state import rebuild_end
from engine.records import Original
from engine.simulate.dry_run import simulate
from engine.store.database.reader import open_reader
from engine.store.trace.recorded import load_recorded
from engine.temporal.connection import TemporalConnection
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import Step, assign, expression


async def test_assign_entries_take_effect_in_the_authors_order(bench: Bench) -> None:
    run = await bench.play([assign("a", longest_name="1", short="vars.longest_name + 1", mid_name="vars.short + 1")])
    row = await run.row()
    assert (row["status"], row["output_json"]) == ("SUCCEEDED", {"longest_name": 1, "short": 2, "mid_name": 3})


async def test_f20_a_payload_keeps_its_order_on_every_host(bench: Bench) -> None:
    given = {"zeta": 1, "b": 2, "alpha": [{"k": 4, "a": 5}]}
    seen = assign("a", values="payload.o.*", deep="payload.o.alpha.*")
    child: Step = {"id": "c", "type": "control.callWorkflow", "workflowId": "wf.child", "workflowVersion": 1}
    child["inputMapping"] = {"o": expression("payload.o")}
    child["outputMapping"] = {"vars.child": expression("childRun.vars.deep")}
    await bench.publish([seen], "wf.child")
    await bench.publish([seen, child])
    first = await bench.start({"o": given})
    await first.ended()
    context = OperationContext(bench.store, TemporalConnection.from_client(bench.client), Actor("tester"))
    again = Run(bench, (await replay_run(context, first.id, "once more", Original())).run_id)
    expected = {"values": [1, 2, {"k": 4, "a": 5}], "deep": [4, 5], "child": [4, 5]}
    for run in (first, again):
        assert (await run.ended())["output_json"] == expected
        async with open_reader(bench.store, bench.tenant) as reader:
            assert rebuild_end(await load_recorded(reader, run.id)).scopes["vars"] == expected
    definition = {"id": "w", "version": 1, "name": "W", "payloadSchemaRef": "payload.Any.v1", "steps": [seen]}
    dry = await simulate(definition, {"o": given}, registry=ActionRegistry([]), now=datetime(2026, 1, 1, tzinfo=UTC))
    assert dry.final_vars == {"values": expected["values"], "deep": [4, 5]}


async def test_a_definition_changed_behind_our_back_does_not_run(bench: Bench) -> None:
    await bench.publish([assign("a", x="1")])
    await bench.execute(
        "UPDATE workflow_definition_versions SET definition_json = jsonb_set(definition_json, '{name}', '\"other\"')"
    )
    run = await bench.start()
    row = await run.ended()
    assert (row["status"], row["last_error_code"]) == ("FAILED", "DEFINITION_HASH_MISMATCH")
