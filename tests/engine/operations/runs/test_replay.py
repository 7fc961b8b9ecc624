"""Replay: the original input unless it was changed, and never a placeholder in the place of a value."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Conflict, EngineError, Forbidden, Invalid, NotFound
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.runs import replay
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.runs.replay import replay_base, replay_run, replay_runs
from engine.records import JsonChange, Level, Original, Override, Patch, ReplayInput
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import ORDER_SCHEMA, AsUser, Execute, Query, add_version

SECRET = "canary-4711"
PAYLOAD = {"order": {"id": 7, "note": "first"}, "apiKey": SECRET, "items": [{"token": SECRET, "n": 1}]}


@pytest.fixture
def old_run(context: OperationContext, store: Store) -> Any:
    """Starts the run that is replayed; its id."""

    async def launch(payload: Any = PAYLOAD, **changes: Any) -> str:
        await add_version(store)
        return (await launch_published_run(context, LaunchRequest("orders", payload, **changes))).run_id

    return launch


async def input_of(query: Query, run_id: str) -> Any:
    [row] = await query("SELECT input_json FROM workflow_runs WHERE run_id = :run", run=run_id)
    return row["input_json"]


async def test_the_original_is_sent_as_it_was_stored(
    context: OperationContext, old_run: Any, store: Store, query: Query
) -> None:
    source = await old_run(event_type="order.placed", source_payload_schema_ref="payload.X.v1", trigger_type="event")
    await add_version(store)
    result = await replay_run(context, source, "the partner is back", Original())
    assert (result.created, result.pending, result.version) == (True, False, 1)
    assert await input_of(query, result.run_id) == PAYLOAD
    [row] = await query("SELECT * FROM workflow_runs WHERE run_id = :run", run=result.run_id)
    assert row["replay_of_run_id"] == source
    assert row["trigger_type"] is None
    assert row["trigger_metadata_json"] == {"replayOfRunId": source, "reason": "the partner is back"}
    assert (row["event_type"], row["source_payload_schema_ref"]) == ("order.placed", "payload.X.v1")
    assert row["node_path"] == "root.steps[0]"


async def test_both_runs_are_told_and_the_old_one_is_audited(
    context: OperationContext, old_run: Any, query: Query
) -> None:
    source = await old_run()
    result = await replay_run(context, source, "good reason", Original())
    lines = await query("SELECT run_id, context_json FROM workflow_run_logs WHERE message LIKE '%repla%'")
    assert {line["run_id"]: line["context_json"] for line in lines} == {
        result.run_id: {"sourceRunId": source, "reason": "good reason"},
        source: {"newRunId": result.run_id, "reason": "good reason"},
    }
    [entry] = await query("SELECT * FROM workflow_audit_log WHERE operation = 'workflow_run_replay'")
    assert (entry["run_id"], entry["reason"]) == (source, "good reason")
    assert entry["details_json"]["newRunId"] == result.run_id
    assert (entry["details_json"]["input"], entry["details_json"]["changedPaths"]) == ("original", [])


async def test_an_override_is_the_whole_input_and_an_empty_one_is_empty(
    context: OperationContext, old_run: Any, query: Query
) -> None:
    source = await old_run()
    assert await input_of(query, (await replay_run(context, source, "empty", Override({}))).run_id) == {}
    other = {"order": {"id": 8}}
    assert await input_of(query, (await replay_run(context, source, "other", Override(other))).run_id) == other
    entries = await query("SELECT details_json FROM workflow_audit_log WHERE operation = 'workflow_run_replay'")
    assert [entry["details_json"]["input"] for entry in entries] == ["override", "override"]
    assert entries[0]["details_json"]["changedPaths"] == ["/apiKey", "/items", "/order"]


async def test_what_is_edited_is_redacted_and_only_the_edit_is_changed(
    context: OperationContext, old_run: Any, query: Query
) -> None:
    source = await old_run()
    base = await replay_base(context, source)
    assert SECRET not in str(base.value)
    assert base.masked == {"/apiKey", "/items/0/token"}
    patch = Patch(
        base.digest, (JsonChange("replace", "/order/note", "second"), JsonChange("add", "/items/0", {"n": 0}))
    )
    result = await replay_run(context, source, "corrected", patch)
    assert await input_of(query, result.run_id) == {
        "order": {"id": 7, "note": "second"},
        "apiKey": SECRET,
        "items": [{"n": 0}, {"token": SECRET, "n": 1}],
    }
    [entry] = await query("SELECT details_json FROM workflow_audit_log WHERE operation = 'workflow_run_replay'")
    assert entry["details_json"]["input"] == "patch"
    assert "/order/note" in entry["details_json"]["changedPaths"]
    assert SECRET not in str(entry)


async def test_a_hidden_value_can_be_replaced_or_removed(context: OperationContext, old_run: Any, query: Query) -> None:
    source = await old_run()
    base = await replay_base(context, source)
    patch = Patch(base.digest, (JsonChange("replace", "/apiKey", "new"), JsonChange("remove", "/items/0/token")))
    result = await replay_run(context, source, "rotated", patch)
    assert await input_of(query, result.run_id) == {**PAYLOAD, "apiKey": "new", "items": [{"n": 1}]}


@pytest.mark.parametrize(
    "change",
    [
        JsonChange("replace", "/order/note", "[REDACTED]"),
        JsonChange("add", "/copy", {"deep": ["Bearer [REDACTED]"]}),
        JsonChange("replace", "/items", [{"token": "[REDACTED]", "n": 2}]),
        JsonChange("add", "/order/x", {"[REDACTED]": 1}),
    ],
)
async def test_a_placeholder_in_a_change_is_refused(
    context: OperationContext, old_run: Any, query: Query, change: JsonChange
) -> None:
    source = await old_run()
    base = await replay_base(context, source)
    with pytest.raises(Invalid, match="PLACEHOLDER_IN_PAYLOAD") as caught:
        await replay_run(context, source, "good reason", Patch(base.digest, (change,)))
    assert caught.value.details["path"].startswith(change.path)
    assert len(await query("SELECT 1 FROM workflow_runs")) == 1


async def test_a_placeholder_in_an_override_is_refused(context: OperationContext, old_run: Any) -> None:
    source = await old_run()
    base = await replay_base(context, source)
    with pytest.raises(Invalid, match="PLACEHOLDER_IN_PAYLOAD"):
        await replay_run(context, source, "good reason", Override(base.value))


async def test_a_path_into_what_is_hidden_is_refused(context: OperationContext, old_run: Any) -> None:
    source = await old_run({"secrets": {"inner": {"a": 1}}})
    base = await replay_base(context, source)
    assert base.value == {"secrets": "[REDACTED]"}
    with pytest.raises(Invalid, match="PATCH_PATH_INVALID"):
        await replay_run(
            context, source, "good reason", Patch(base.digest, (JsonChange("replace", "/secrets/inner/a", 2),))
        )


async def test_an_edit_of_another_base_is_refused(context: OperationContext, old_run: Any, execute: Execute) -> None:
    source = await old_run()
    base = await replay_base(context, source)
    await execute("INSERT INTO workflow_settings (redaction_pointers) VALUES ('[\"/order/note\"]')")
    with pytest.raises(Conflict, match="REPLAY_BASE_CHANGED"):
        await replay_run(context, source, "good reason", Patch(base.digest, (JsonChange("replace", "/order/id", 8),)))


@pytest.mark.parametrize("stored", ["NULL", "'[1]'", "'null'"])
async def test_without_a_stored_input_only_an_override_works(
    context: OperationContext, old_run: Any, execute: Execute, query: Query, stored: str
) -> None:
    source = await old_run()
    await execute(f"UPDATE workflow_runs SET input_json = {stored}")
    inputs: list[ReplayInput] = [Original(), Patch("x", ())]
    for replay_input in inputs:
        with pytest.raises(Conflict, match="INPUT_NOT_STORED"):
            await replay_run(context, source, "good reason", replay_input)
    result = await replay_run(context, source, "good reason", Override({"a": 1}))
    assert await input_of(query, result.run_id) == {"a": 1}


async def test_another_version_on_request(context: OperationContext, old_run: Any, store: Store) -> None:
    source = await old_run()
    await add_version(store)
    assert (await replay_run(context, source, "newer", Original(), version=2)).version == 2


async def test_the_rules_of_a_launch_apply(
    context: OperationContext, old_run: Any, store: Store, execute: Execute, query: Query
) -> None:
    source = await old_run()
    await execute("UPDATE workflow_definition_versions SET payload_schema_json = CAST(:schema AS jsonb)", schema=SCHEMA)
    with pytest.raises(Invalid, match="PAYLOAD_REJECTED"):
        await replay_run(context, source, "good reason", Override({"order": {"id": "x"}}))
    await execute("UPDATE workflow_definitions SET is_paused = true")
    with pytest.raises(Conflict, match="WORKFLOW_PAUSED"):
        await replay_run(context, source, "good reason", Original())
    assert len(await query("SELECT 1 FROM workflow_runs")) == 1


SCHEMA = str(ORDER_SCHEMA).replace("'", '"')


async def test_a_repeated_request_starts_one_run(context: OperationContext, old_run: Any) -> None:
    source = await old_run()
    first = await replay_run(context, source, "good reason", Original(), idempotency_key="k")
    again = await replay_run(context, source, "good reason", Original(), idempotency_key="k")
    assert (again.run_id, again.created) == (first.run_id, False)


async def test_a_run_from_before_the_cutover_can_be_replayed_and_its_row_stays_as_it_is(
    context: OperationContext, store: Store, execute: Execute, query: Query
) -> None:
    await add_version(store)
    await execute("ALTER TABLE workflow_runs DROP CONSTRAINT workflow_runs_engine_is_temporal")
    await execute(
        "INSERT INTO workflow_runs (workflow_id, workflow_version, status, engine, input_json)"
        " VALUES ('orders', 1, 'CANCELED', 'db', '{\"a\": 1}')"
    )
    [before] = await query("SELECT * FROM workflow_runs")
    result = await replay_run(context, before["run_id"], "stranded", Original())
    assert await input_of(query, result.run_id) == {"a": 1}
    assert await query("SELECT * FROM workflow_runs WHERE run_id = :run", run=before["run_id"]) == [before]


async def test_many_replays_are_settled_each_on_its_own(context: OperationContext, old_run: Any, query: Query) -> None:
    one, two, missing = await old_run(), await old_run({"b": 2}), new_id()
    heard: list[tuple[int, int]] = []
    outcomes = await replay_runs(
        context,
        # In capitals it is the same run.
        [one, missing, two, one, one.upper()],
        "all again",
        idempotency_key="bulk",
        progress=lambda done, total: heard.append((done, total)),
    )
    assert heard == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [outcome.run_id for outcome in outcomes] == [one, missing, two]
    assert outcomes[1].error is not None
    assert outcomes[1].error.code == "RUN_NOT_FOUND"
    assert outcomes[2].result is not None
    assert await input_of(query, outcomes[2].result.run_id) == {"b": 2}
    repeated = await replay_runs(context, [one.upper(), two], "all again", idempotency_key="bulk")
    assert [outcome.result and outcome.result.created for outcome in repeated] == [False, False]


@pytest.mark.parametrize(
    ("run_id", "reason", "code"),
    [(None, "no", "REASON_TOO_SHORT"), ("garbage", "good reason", "RUN_NOT_FOUND")],
)
async def test_refusals(context: OperationContext, old_run: Any, run_id: str | None, reason: str, code: str) -> None:
    target = await old_run() if run_id is None else run_id
    with pytest.raises(EngineError, match=code):
        await replay_run(context, target, reason, Original())


async def test_a_run_that_is_deleted_while_it_is_replayed_is_not_there(
    context: OperationContext, old_run: Any, execute: Execute, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await old_run()

    async def read_and_deleted(*given: Any) -> Any:
        found = await read(*given)
        await execute("DELETE FROM workflow_runs WHERE run_id = :run", run=source)
        return found

    read = replay.input_of
    monkeypatch.setattr(replay, "input_of", read_and_deleted)
    with pytest.raises(NotFound, match="RUN_NOT_FOUND"):
        await replay_run(context, source, "good reason", Original())
    assert await query("SELECT 1 FROM workflow_runs") == []


async def test_an_operator_may_not_replay(as_user: AsUser, old_run: Any) -> None:
    source = await old_run()
    async with as_user(Level.OPERATE) as operator:
        with pytest.raises(Forbidden):
            await replay_run(operator, source, "good reason", Original())
