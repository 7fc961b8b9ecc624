"""What every backend writes into the files of an export."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine.errors import Invalid, NotFound
from engine.records import PLACEHOLDER, Count, ExportFormat, ExportPart, RunFilter, RunOrder, RunStatus
from engine.records.plain import plain
from engine.records.run_files import CSV_COLUMNS, RUN_LISTS
from runstudio_tui.domain.jsonview import value_at

from .conftest import Scenario, refuses

NOBODY = "0198c2aa-0000-7000-8000-000000000000"
LISTS = (ExportFormat.CSV, ExportFormat.NDJSON)


async def pieces(parts: AsyncIterator[ExportPart]) -> list[ExportPart]:
    """All of them; what they tell of themselves is checked."""
    found = [part async for part in parts]
    assert found[0].done == 0
    assert [part.done for part in found] == sorted(part.done for part in found)
    assert {part.total for part in found} == {Count(found[-1].done)}
    return found


async def document(scenario: Scenario, run_id: str) -> dict[str, Any]:
    """The document of a run."""
    made: dict[str, Any] = json.loads("".join(part.text for part in await pieces(scenario.backend.runs.export(run_id))))
    return made


async def listed(scenario: Scenario, which: Any, form: ExportFormat) -> list[dict[str, Any]]:
    """The rows of a list."""
    text = "".join(part.text for part in await pieces(scenario.backend.runs.export_list(which, form)))
    if form is ExportFormat.CSV:
        reader = csv.DictReader(io.StringIO(text))
        assert tuple(reader.fieldnames or ()) == CSV_COLUMNS
        return list(reader)
    return [json.loads(line) for line in text.splitlines()]


# --- one run ------------------------------------------------------------------------------------------------------------


async def test_a_run_says_what_the_screens_say(shared_scenario: Scenario) -> None:
    runs = shared_scenario.backend.runs
    run_id = shared_scenario.succeeded
    found = await document(shared_scenario, run_id)
    assert tuple(found) == (
        "format", "serverNow", "run", "definition", "payload", "output", "related", *RUN_LISTS, "counts",
    )  # fmt: skip
    assert found["format"] == "runstudio-run-1"
    assert found["run"]["row"] == plain((await runs.get(run_id)).row)
    assert found["payload"] == plain(await runs.payload(run_id))
    assert found["output"] == plain(await runs.output(run_id))
    by_id = {step["row_id"]: step for step in found["steps"]}
    assert by_id == {step.row_id: plain(step) for step in (await runs.steps(run_id)).rows}
    attempts = await runs.attempts(run_id)
    bodies = [await runs.attempt_body(run_id, attempt.attempt_id) for attempt in attempts]
    written = [{**plain(attempt), **plain(body)} for attempt, body in zip(attempts, bodies, strict=True)]
    assert found["attempts"] == written
    assert len(written) > 0
    assert found["waits"] == [plain(wait) for wait in (await runs.waits(run_id))[::-1]]
    assert found["logs"] == [plain(line) for line in (await runs.logs(run_id)).rows]
    assert found["audit"] == [plain(entry) for entry in (await runs.audit(run_id)).rows]
    assert found["snapshots"] == []
    assert found["counts"] == {name: len(found[name]) for name in RUN_LISTS}


async def test_a_run_has_the_definition_of_its_version(shared_scenario: Scenario) -> None:
    row = (await shared_scenario.backend.runs.get(shared_scenario.succeeded)).row
    found = (await document(shared_scenario, row.run_id))["definition"]
    assert (found["workflow_id"], found["version"]) == (row.workflow_id, row.version)
    assert found["document"] == await shared_scenario.backend.workflows.definition(row.workflow_id, row.version)


async def test_what_is_hidden_is_hidden_in_the_file(shared_scenario: Scenario) -> None:
    parts = await pieces(shared_scenario.backend.runs.export(shared_scenario.waiting))
    text = "".join(part.text for part in parts)
    payload = json.loads(text)["payload"]
    assert value_at(payload["value"], shared_scenario.masked) == PLACEHOLDER
    assert shared_scenario.masked in payload["masked"]
    assert "tok_canary" not in text


async def test_a_run_from_before_the_cutover(shared_scenario: Scenario, old_run: str) -> None:
    runs = shared_scenario.backend.runs
    found = await document(shared_scenario, old_run)
    assert found["run"]["row"]["engine"] == "db"
    kept = await runs.snapshots(old_run)
    bodies = [await runs.snapshot_body(old_run, snapshot.snapshot_id) for snapshot in kept]
    expected = [{**plain(snapshot), "body": plain(body)} for snapshot, body in zip(kept, bodies, strict=True)]
    assert found["snapshots"] == expected
    assert found["counts"]["snapshots"] >= 7


async def test_a_run_nobody_knows(shared_scenario: Scenario) -> None:
    with refuses(NotFound, "RUN_NOT_FOUND", f"There is no run {NOBODY}."):
        await anext(shared_scenario.backend.runs.export(NOBODY))
    with pytest.raises(NotFound):
        await anext(shared_scenario.backend.runs.export("no id at all"))


# --- lists --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", LISTS)
@pytest.mark.parametrize("order", RunOrder)
async def test_all_that_match_in_the_order_of_their_start(
    shared_scenario: Scenario, form: ExportFormat, order: RunOrder
) -> None:
    wanted = RunFilter(workflow=shared_scenario.workflow_id, order=order)
    by_start = RunOrder.STARTED_DESC if order.descending else RunOrder.STARTED_ASC
    page = await shared_scenario.backend.runs.list(
        RunFilter(workflow=shared_scenario.workflow_id, order=by_start), limit=500
    )
    rows = await listed(shared_scenario, wanted, form)
    assert [row["run_id"] for row in rows] == [row.run_id for row in page.rows]
    assert len(rows) > 3


async def test_lines_of_json_are_the_rows_of_the_list(shared_scenario: Scenario) -> None:
    page = await shared_scenario.backend.runs.list(RunFilter(), limit=500)
    assert await listed(shared_scenario, RunFilter(), ExportFormat.NDJSON) == [plain(row) for row in page.rows]


async def test_cells_are_the_fields_of_the_row(shared_scenario: Scenario) -> None:
    wanted = RunFilter(error_code=shared_scenario.failed_code)
    [row] = [
        row
        for row in await listed(shared_scenario, wanted, ExportFormat.CSV)
        if row["run_id"] == shared_scenario.failed
    ]
    shown = (await shared_scenario.backend.runs.get(shared_scenario.failed)).row
    assert (row["status"], row["error_code"], row["error_message"]) == ("FAILED", shown.error_code, shown.error_message)
    assert (row["workflow_version"], row["steps"]) == (str(shown.version), str(shown.step_count))
    assert (row["started_at"], row["completed_at"]) == (plain(shown.started_at), plain(shown.completed_at))
    waiting = await listed(shared_scenario, [shared_scenario.waiting], ExportFormat.CSV)
    cells = {name: waiting[0][name] for name in ("status", "waiting_on", "wait_event", "wait_key")}
    assert cells == {
        "status": "WAITING",
        "waiting_on": "event",
        "wait_event": shared_scenario.waiting_event,
        "wait_key": shared_scenario.waiting_key,
    }


@pytest.mark.parametrize("form", LISTS)
async def test_those_that_were_named_in_their_order(shared_scenario: Scenario, form: ExportFormat) -> None:
    named = [shared_scenario.waiting, shared_scenario.failed, shared_scenario.waiting, shared_scenario.succeeded]
    rows = await listed(shared_scenario, named, form)
    assert [row["run_id"] for row in rows] == [named[0], named[1], named[3]]


@pytest.mark.parametrize("form", LISTS)
async def test_nothing_matches(shared_scenario: Scenario, form: ExportFormat) -> None:
    nothing = RunFilter(statuses=frozenset({RunStatus.RUNNING}), error_code="NOBODY_HAS_IT")
    assert await listed(shared_scenario, nothing, form) == []
    assert await listed(shared_scenario, [], form) == []


async def test_what_is_refused(shared_scenario: Scenario) -> None:
    runs = shared_scenario.backend.runs
    with refuses(Invalid, "EXPORT_FORMAT_INVALID", "A list of runs is no JSON document."):
        await anext(runs.export_list(RunFilter(), ExportFormat.JSON))
    with refuses(NotFound, "RUN_NOT_FOUND", f"There is no run {NOBODY}."):
        await pieces(runs.export_list([shared_scenario.failed, NOBODY], ExportFormat.CSV))


async def test_a_run_and_its_replay(shared_scenario: Scenario) -> None:
    """The last test: from here on a run may be going on."""
    runs = shared_scenario.backend.runs
    source = shared_scenario.failed
    started = await runs.replay(source, "contract test")
    found = await document(shared_scenario, source)
    assert started.run_id in [row["run_id"] for row in found["replays"]]
    assert found["audit"][0]["operation"] == "workflow_run_replay"
    text = "".join([part.text async for part in runs.export(started.run_id)])
    assert json.loads(text)["related"]["replay_of"]["run_id"] == source
