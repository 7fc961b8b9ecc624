"""Exports of one run: everything that is recorded of it, page by page, redacted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from engine.errors import NotFound
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.runs.cancel import cancel_run
from engine.operations.runs.export import export_list, export_run
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.runs.replay import replay_base, replay_run
from engine.records import Count, ExportFormat, JsonChange, Level, Override, Patch, RunFilter
from engine.records.run_files import CSV_COLUMNS, PAGE_ROWS, RUN_LISTS
from engine.store.database.transactions import Store
from engine.store.tables import (
    workflow_action_invocations,
    workflow_audit_log,
    workflow_payloads,
    workflow_run_logs,
    workflow_run_snapshots,
    workflow_run_steps,
    workflow_run_waits,
)
from engine.store.trace import exporting
from engine.values.redaction.placeholder import PLACEHOLDER
from tests.engine.operations.conftest import AsUser, Execute, add_version
from tests.engine.operations.runs.exported import CANARY, UNKNOWN, asked, document_of, file_of, reader, steps
from tests.engine.store.rows import at, insert, insert_old_run, insert_run

__all__ = ["asked", "reader"]


# --- one run ------------------------------------------------------------------------------------------------------------


async def test_a_run_with_everything_that_is_recorded_of_it(reader: OperationContext, store: Store) -> None:
    version = await add_version(store, "orders")
    parent = await insert_run(store, workflow_id="orders")
    run_id = await insert_run(
        store, workflow_id="orders", workflow_version=version, status="SUCCEEDED", completed_at=at(9), step_count=1,
        input_json={"id": 1}, output_json={"done": True}, parent_run_id=parent, root_run_id=parent,
    )  # fmt: skip
    child = await insert_run(store, parent_run_id=run_id)
    replay = await insert_run(store, replay_of_run_id=run_id)
    place = {"run_id": run_id, "step_path": "root.steps[0]", "visit": 1}
    await insert(
        store, workflow_run_steps, {**place, "definition_step_id": "note", "status": "SUCCEEDED", "started_at": at(1)}
    )
    tried = {"action_id": "store.put", "action_version": 1, "status": "SUCCEEDED", "attempt": 1}
    await insert(
        store, workflow_action_invocations,
        {**place, **tried, "idempotency_key": new_id(), "input_json": {"k": "v"}, "output_json": 7, "output_bytes": 1},
    )  # fmt: skip
    await insert(store, workflow_run_waits, {**place, "wait_type": "event", "event_name": "paid", "key": "1"})
    await insert(
        store, workflow_run_logs, *({"run_id": run_id, "level": "INFO", "message": f"line {n}"} for n in (1, 2))
    )
    audited = {"actor": "ann", "target_kind": "run", "target_id": run_id, "run_id": run_id}
    await insert(
        store, workflow_audit_log,
        *({**audited, "audit_id": new_id(), "operation": f"op{n}", "created_at": at(n)} for n in (1, 2)),
    )  # fmt: skip

    found = await document_of(reader, run_id)
    assert tuple(found) == (
        "format", "serverNow", "run", "definition", "payload", "output", "related", *RUN_LISTS, "counts",
    )  # fmt: skip
    assert (found["format"], found["run"]["row"]["run_id"]) == ("runstudio-run-1", run_id)
    assert found["definition"]["document"]["steps"][0]["id"] == "note"
    assert (found["definition"]["workflow_id"], found["definition"]["version"]) == ("orders", version)
    assert (found["payload"]["value"], found["output"]["value"]) == ({"id": 1}, {"done": True})
    assert (found["related"]["parent"]["run_id"], found["related"]["replay_of"]) == (parent, None)
    assert [step["step_id"] for step in found["steps"]] == ["note"]
    [attempt] = found["attempts"]
    assert (attempt["action"], attempt["input"]["value"], attempt["output"]["value"]) == ("store.put@1", {"k": "v"}, 7)
    assert [(wait["event_name"], wait["key"]) for wait in found["waits"]] == [("paid", "1")]
    assert [line["message"] for line in found["logs"]] == ["line 1", "line 2"]
    assert [entry["operation"] for entry in found["audit"]] == ["op2", "op1"]
    assert [row["run_id"] for row in found["children"]] == [child]
    assert [row["run_id"] for row in found["replays"]] == [replay]
    assert found["snapshots"] == []
    assert found["counts"] == {name: len(found[name]) for name in RUN_LISTS}
    assert sum(found["counts"].values()) == 9


async def test_how_many_records_there_will_be_is_told_first(reader: OperationContext, store: Store) -> None:
    run_id = await insert_run(store)
    await steps(store, run_id, 3)
    await insert(store, workflow_run_logs, *({"run_id": run_id, "level": "INFO", "message": "m"} for _ in range(2)))
    parts = [part async for part in export_run(reader, run_id)]
    assert [part.total for part in parts] == [Count(8)] * len(parts)
    assert [part.done for part in parts] == [0, 3, 6, 8, 8]


async def test_a_run_of_which_nothing_is_recorded(reader: OperationContext, store: Store) -> None:
    run_id = await insert_run(store, workflow_id="gone", input_json=None)
    found = await document_of(reader, run_id)
    assert (found["definition"]["document"], found["payload"], found["output"]) == (None, None, None)
    assert [found[name] for name in RUN_LISTS] == [[]] * len(RUN_LISTS)


async def test_a_run_nobody_knows_or_of_another_tenant(
    reader: OperationContext, execute: Execute, store: Store
) -> None:
    foreign = await insert_run(store)
    await execute("UPDATE workflow_runs SET tenant = gen_random_uuid()")
    for run_id in (UNKNOWN, foreign, "no id", "\x1b[2J"):
        with pytest.raises(NotFound) as refused:
            await anext(export_run(reader, run_id))
        assert refused.value.code == "RUN_NOT_FOUND"


async def test_a_run_from_before_the_cutover_with_its_snapshots(reader: OperationContext, store: Store) -> None:
    run_id = await insert_old_run(store)
    bodies: list[dict[str, Any]] = [
        {"payload": {"n": n}, "vars": {"api_key": CANARY}, "meta": {}, "error": None} for n in range(3)
    ]
    bodies.append({"truncated": True, "size": 300_000, "max": 262_144})
    await insert(
        store, workflow_run_snapshots,
        *({"run_id": run_id, "step_path": "root.steps[0]", "envelope_json": body, "size_bytes": 40 + n, "created_at": at(n)}
          for n, body in enumerate(bodies)),
    )  # fmt: skip
    found = await document_of(reader, run_id)
    assert found["run"]["row"]["engine"] == "db"
    sizes = [(one["size_bytes"], one["truncated"]) for one in found["snapshots"]]
    assert sizes == [(40, False), (41, False), (42, False), (43, True)]
    assert [one["body"]["value"]["payload"]["n"] for one in found["snapshots"][:3]] == [0, 1, 2]
    assert found["snapshots"][0]["body"]["value"]["vars"]["api_key"] == PLACEHOLDER
    assert found["snapshots"][0]["body"]["masked"] == ["/vars/api_key"]
    assert found["snapshots"][3]["body"]["value"] == bodies[3]


def test_the_page_for_operators_names_what_is_in_the_files() -> None:
    page = " ".join((Path(__file__).parents[4] / "docs" / "operators.md").read_text(encoding="utf-8").split())
    assert " ".join(f"`{column}`" for column in CSV_COLUMNS) in page
    told = page[page.index("**A run as JSON**") : page.index("**A list**")]
    places = [
        told.index(f"`{name}`") for name in ("format", "serverNow", "run", "payload", "related", *RUN_LISTS, "counts")
    ]
    assert places == sorted(places)


# --- memory -------------------------------------------------------------------------------------------------------------


async def test_thousands_of_steps_are_read_a_page_at_a_time(
    reader: OperationContext, store: Store, asked: list[str]
) -> None:
    number = 20 * PAGE_ROWS
    run_id = await insert_run(store, status="SUCCEEDED", completed_at=at(9))
    await steps(store, run_id, number)
    parts = export_run(reader, run_id)
    assert (await anext(parts)).total == Count(2 * number)
    for page in range(1, number // PAGE_ROWS + 1):
        asked.clear()
        part = await anext(parts)
        # One page is read for one piece, when that is asked for.
        assert sum("AS page" in statement for statement in asked) == 1
        assert (part.text.count('"row_id": '), part.done) == (PAGE_ROWS, page * PAGE_ROWS)
    asked.clear()
    part = await anext(parts)
    assert (part.text.count('"attempt_id": '), part.done) == (PAGE_ROWS, number + PAGE_ROWS)
    # Sizes, then the bodies of one page; beside the look at what the run hides.
    pages = [statement for statement in asked if "RECURSIVE" not in statement]
    assert sum("FROM workflow_action_invocations" in statement for statement in pages) == 2
    await parts.aclose()  # type: ignore[attr-defined] # a generator


FILL = """
INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine, parent_run_id, replay_of_run_id)
    SELECT gen_random_uuid(), 'orders', 1, 'SUCCEEDED', 'temporal', gen_random_uuid(), gen_random_uuid()
    FROM generate_series(1, 3000);
INSERT INTO workflow_run_waits (run_id, step_path, visit, wait_type) SELECT run_id, 'a', 1, 'time' FROM workflow_runs;
INSERT INTO workflow_run_logs (run_id, level, message) SELECT run_id, 'INFO', 'm' FROM workflow_runs;
INSERT INTO workflow_run_snapshots (run_id, step_path, envelope_json, size_bytes) SELECT run_id, 'a', '{}', 2 FROM workflow_runs;
INSERT INTO workflow_run_steps (run_id, step_path, visit, definition_step_id, status)
    SELECT run_id, 'a', 1, 'a', 'SUCCEEDED' FROM workflow_runs;
INSERT INTO workflow_action_invocations (run_id, step_path, visit, action_id, action_version, idempotency_key, status)
    SELECT run_id, 'a', 1, 'a', 1, run_id::text, 'SUCCEEDED' FROM workflow_runs;
INSERT INTO workflow_audit_log (audit_id, actor, operation, target_kind, target_id, run_id)
    SELECT gen_random_uuid(), 'ann', 'op', 'run', run_id::text, run_id FROM workflow_runs;
ANALYZE
"""


async def test_every_page_is_an_index_range(reader: OperationContext, store: Store, execute: Execute) -> None:
    run_id = await insert_run(store, status="SUCCEEDED")
    await steps(store, run_id, PAGE_ROWS + 1)
    for statement in FILL.split(";"):
        await execute(statement)
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        sent.append((statement, parameters))

    event.listen(store.sync_engine, "before_cursor_execute", note)
    await file_of(export_run(reader, run_id))
    event.remove(store.sync_engine, "before_cursor_execute", note)
    read: dict[str, set[str]] = {}
    async with store.connect() as connection:
        for statement, parameters in sent:
            explained = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            for node in nodes(explained.scalar_one()[0]["Plan"]):
                read.setdefault(node.get("Relation Name", ""), set()).add(node["Node Type"])
    large = {
        "workflow_runs", "workflow_run_steps", "workflow_action_invocations", "workflow_run_waits", "workflow_run_logs",
        "workflow_run_snapshots", "workflow_audit_log",
    }  # fmt: skip
    assert large <= read.keys()
    assert {table: kinds for table, kinds in read.items() if table in large and "Seq Scan" in kinds} == {}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All nodes of a plan."""
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


async def test_an_export_that_nobody_asks_on_reads_nothing_more(
    reader: OperationContext, store: Store, asked: list[str]
) -> None:
    for _ in range(3):
        await insert_run(store)
    parts = export_list(reader, RunFilter(), ExportFormat.CSV)
    await anext(parts)
    asked.clear()
    await parts.aclose()  # type: ignore[attr-defined] # a generator
    assert not asked


async def test_a_page_has_so_many_bytes_of_bodies_at_most(
    reader: OperationContext, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PAGE_BYTES", 1000)
    run_id = await insert_run(store, status="SUCCEEDED")
    sizes = [400, 400, 400, 5000, 100]
    for number, size in enumerate(sizes):
        place = {"run_id": run_id, "step_path": f"root.steps[{number}]", "visit": 1, "created_at": at(number)}
        tried = {"action_id": "a", "action_version": 1, "status": "SUCCEEDED", "idempotency_key": new_id()}
        body: dict[str, Any] = {"output_json": "x" * size, "output_bytes": size}
        if size > 1000:
            kept = new_id()
            await insert(
                store, workflow_payloads,
                {"payload_id": kept, "run_id": run_id, "value_json": "y" * size, "size_bytes": size},
            )  # fmt: skip
            body = {"output_ref": kept, "output_bytes": size}
        await insert(store, workflow_action_invocations, {**place, **tried, **body})
    parts = [part async for part in export_run(reader, run_id)]
    assert [part.done for part in parts] == [0, 2, 3, 4, 5, 5]
    found = json.loads("".join(part.text for part in parts))
    assert [len(attempt["output"]["value"]) for attempt in found["attempts"]] == sizes


async def test_each_step_of_a_run_that_goes_on_is_there_once(
    reader: OperationContext, store: Store, execute: Execute
) -> None:
    run_id = await insert_run(store, status="RUNNING")
    await steps(store, run_id, PAGE_ROWS + 5)
    text_of = []
    async for part in export_run(reader, run_id):
        text_of.append(part.text)
        if len(text_of) == 2:
            await execute("UPDATE workflow_run_steps SET status = 'FAILED' WHERE iteration IN ('1', '254')")
    found = json.loads("".join(text_of))["steps"]
    assert len({step["row_id"] for step in found}) == len(found) == PAGE_ROWS + 5
    # As it was when its page was read.
    assert [step["iteration"] for step in found if step["status"] == "FAILED"] == ["254"]


# --- redaction ----------------------------------------------------------------------------------------------------------


async def test_a_secret_is_in_no_export(reader: OperationContext, store: Store, execute: Execute) -> None:
    await execute(
        "INSERT INTO workflow_settings (tenant, redaction_pointers, redaction_key_patterns)"
        " VALUES (:tenant, '[\"/customer/iban\"]', '[\"pin\"]')",
        tenant=reader.tenant,
    )
    inside = {"pin": CANARY, "deep": [{"authorization": CANARY}, {"$secret": CANARY}], "plain": "shown"}
    secret = {**inside, "customer": {"iban": CANARY}}
    version = await add_version(store, "orders", settings={"token": CANARY})
    run_id = await insert_run(
        store, workflow_id="orders", workflow_version=version, status="FAILED", input_json=secret, output_json=secret,
        error_json={"category": "ActionError", "message": "m", "details": inside}, trigger_metadata_json=secret,
    )  # fmt: skip
    place = {"run_id": run_id, "step_path": "root.steps[0]", "visit": 1}
    error = {"category": "ActionError", "message": "m", "details": inside}
    await insert(
        store, workflow_run_steps,
        {**place, "definition_step_id": "s", "status": "FAILED", "outcome_json": secret, "error_json": error},
    )  # fmt: skip
    await insert(
        store, workflow_action_invocations,
        {**place, "action_id": "a", "action_version": 1, "status": "FAILED", "idempotency_key": new_id(),
         "input_json": secret, "output_json": secret, "error_json": error},
    )  # fmt: skip
    await insert(store, workflow_run_waits, {**place, "wait_type": "event", "payload": secret})
    await insert(store, workflow_run_logs, {"run_id": run_id, "level": "INFO", "message": "m", "context_json": secret})
    await insert(
        store, workflow_audit_log,
        {"audit_id": new_id(), "actor": "ann", "operation": "op", "target_kind": "run", "target_id": run_id, "run_id": run_id,
         "details_json": secret},
    )  # fmt: skip
    await insert(
        store, workflow_run_snapshots, {"run_id": run_id, "step_path": "s", "envelope_json": secret, "size_bytes": 1}
    )
    whole = await file_of(export_run(reader, run_id))
    # It was in thirteen places, and what is beside it is there.
    assert whole.count('"plain": "shown"') == 13
    assert CANARY not in whole
    for form in (ExportFormat.CSV, ExportFormat.NDJSON):
        assert CANARY not in await file_of(export_list(reader, RunFilter(), form))


async def test_a_policy_that_cannot_be_understood_hides_everything(
    reader: OperationContext, store: Store, execute: Execute
) -> None:
    run_id = await insert_run(store, input_json={"plain": CANARY}, status="FAILED", error_json={"message": CANARY})
    await execute(
        "INSERT INTO workflow_settings (tenant, redaction_key_patterns) VALUES (:tenant, '[\"(\"]')",
        tenant=reader.tenant,
    )
    assert CANARY not in await file_of(export_run(reader, run_id))
    for form in (ExportFormat.CSV, ExportFormat.NDJSON):
        assert CANARY not in await file_of(export_list(reader, RunFilter(), form))


async def test_the_audit_has_no_payload_whatever_was_done(context: OperationContext, store: Store) -> None:
    """Not even of members that no rule masks: it names what was changed, and how much it was."""
    await add_version(store, "orders")
    launched = await launch_published_run(context, LaunchRequest("orders", {"note": CANARY, "items": [CANARY]}))
    replayed = await replay_run(context, launched.run_id, "once more", Override({"note": f"{CANARY}-2"}))
    base = await replay_base(context, launched.run_id)
    change = JsonChange("replace", "/note", f"{CANARY}-3")
    patched = await replay_run(context, launched.run_id, "again", Patch(base.digest, (change,)))
    for run_id in (launched.run_id, replayed.run_id, patched.run_id):
        await cancel_run(context, run_id, "not wanted", settle_seconds=0)
    seen: list[str] = []
    for run_id in (launched.run_id, replayed.run_id, patched.run_id):
        document = await document_of(context, run_id)
        assert CANARY in json.dumps(document["payload"])
        assert CANARY not in json.dumps(document["audit"])
        seen += [entry["operation"] for entry in document["audit"]]
    assert set(seen) >= {"workflow_run_start", "workflow_run_replay", "workflow_run_cancel"}


async def test_a_viewer_reads_the_error_and_the_bodies_masked(store: Store, as_user: AsUser) -> None:
    error = {"category": "ActionError", "code": "CARD_REFUSED", "message": "the bank said no"}
    run_id = await insert_run(
        store, status="FAILED", error_json=error, last_error_code="CARD_REFUSED", completed_at=at(2), input_json={"token": CANARY}
    )  # fmt: skip
    await insert(
        store, workflow_action_invocations,
        {"run_id": run_id, "step_path": "root.steps[0]", "visit": 1, "action_id": "pay", "action_version": 1, "status": "FAILED",
         "idempotency_key": new_id(), "error_json": error, "input_json": {"password": CANARY, "amount": 3}},
    )  # fmt: skip
    async with as_user(Level.READ) as viewer:
        assert await viewer.level() is Level.READ
        found = await document_of(viewer, run_id)
    [attempt] = found["attempts"]
    assert (attempt["error"]["code"], attempt["error"]["message"]) == ("CARD_REFUSED", "the bank said no")
    assert (found["run"]["error"]["code"], found["run"]["row"]["error_message"]) == ("CARD_REFUSED", "the bank said no")
    assert attempt["input"]["value"] == {"password": PLACEHOLDER, "amount": 3}
    assert found["payload"]["value"] == {"token": PLACEHOLDER}
    assert CANARY not in json.dumps(found)
