"""What every backend does of a replay: with the original input, with changes to it, and what it would do, told before."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from temporalio.client import Client

from engine.errors import Conflict, Invalid, NotFound
from engine.records import (
    MAX_PAYLOAD_BYTES,
    PLACEHOLDER,
    JsonChange,
    Original,
    Override,
    Patch,
    ReplayInput,
    RunFilter,
    Started,
)
from runstudio_tui.domain.replay_edit import read_edit

from .conftest import Scenario, refuses

NOBODY = "0198c2aa-0000-7000-8000-000000000000"


@pytest.fixture
def scenario(shared_scenario: Scenario) -> Scenario:
    """Runs are only added to it."""
    return shared_scenario


async def edited(scenario: Scenario, run_id: str, **changed: Any) -> ReplayInput:
    """What the studio sends when members of a run's input were changed in its text."""
    base = await scenario.backend.runs.replay_base(run_id)
    edit = read_edit(base, json.dumps({**base.value, **changed}))
    assert edit.problem == ""
    return edit.input


async def replay(
    scenario: Scenario, run_id: str, given: ReplayInput, key: str | None = None, *, version: int | None = None
) -> Started:
    """As the studio asks for it."""
    return await scenario.backend.runs.replay(run_id, "contract test", given, version=version, idempotency_key=key)


async def total(scenario: Scenario) -> int:
    """Runs there are."""
    return len((await scenario.backend.runs.list(RunFilter(), limit=500)).rows)


async def test_what_is_edited_hides_what_is_hidden(scenario: Scenario) -> None:
    base = await scenario.backend.runs.replay_base(scenario.waiting)
    assert scenario.masked in base.masked
    assert base.value[scenario.masked.removeprefix("/")] == PLACEHOLDER
    assert base == await scenario.backend.runs.replay_base(scenario.waiting)
    shown = await scenario.backend.runs.payload(scenario.waiting)
    assert (shown.value, shown.masked) == (base.value, base.masked)
    with refuses(NotFound, "RUN_NOT_FOUND", f"There is no run {NOBODY}."):
        await scenario.backend.runs.replay_base(NOBODY)


@pytest.mark.parametrize("state", ["succeeded", "failed", "waiting"])
async def test_a_replay_of_the_original_in_any_state(scenario: Scenario, state: str) -> None:
    source = getattr(scenario, state)
    before = (await scenario.backend.runs.get(source)).row
    started = await replay(scenario, source, Original())
    assert (started.created, started.version) == (True, before.version)
    new = await scenario.backend.runs.get(started.run_id)
    assert new.row.replay_of == source
    assert new.row.workflow_id == before.workflow_id
    assert new.has_input
    old = await scenario.backend.runs.get(source)
    assert started.run_id in old.replayed_by
    assert old.row.status is before.status
    ours = await scenario.backend.runs.replay_base(started.run_id)
    theirs = await scenario.backend.runs.replay_base(source)
    assert (ours.value, ours.masked) == (theirs.value, theirs.masked)
    listed = await scenario.backend.runs.list(RunFilter(replay_of=source))
    assert started.run_id in {row.run_id for row in listed.rows}


async def test_an_edit_changes_what_was_changed_and_nothing_else(
    scenario: Scenario, servers: tuple[str, Client] | None
) -> None:
    given = await edited(scenario, scenario.waiting, order_id="ORD-9")
    assert isinstance(given, Patch)
    assert given.changes == (JsonChange("replace", "/order_id", "ORD-9"),)
    started = await replay(scenario, scenario.waiting, given)
    before = await scenario.backend.runs.payload(scenario.waiting)
    after = await scenario.backend.runs.payload(started.run_id)
    assert after.value == {**before.value, "order_id": "ORD-9"}
    assert after.masked == before.masked
    if servers is not None:
        assert await stored(servers[0], started.run_id) == {
            "order_id": "ORD-9",
            "then": "wait",
            "card_token": "tok_canary",
        }


async def stored(database_url: str, run_id: str) -> Any:
    """The input of a run as the database has it, past every redaction."""
    async with await psycopg.AsyncConnection.connect(database_url.replace("+psycopg", "")) as connection:
        found = await connection.execute("SELECT input_json FROM workflow_runs WHERE run_id = %s", (run_id,))
        row = await found.fetchone()
    assert row is not None
    return row[0]


async def test_a_key_starts_one_run_and_is_for_one_request(scenario: Scenario) -> None:
    first = await replay(scenario, scenario.succeeded, Original(), "replay-key-1")
    again = await replay(scenario, scenario.succeeded, Original(), "replay-key-1")
    assert (again.run_id, again.created) == (first.run_id, False)
    told = f"The key belongs to another request, which started run {first.run_id}."
    with refuses(Conflict, "IDEMPOTENCY_KEY_REUSED", told) as refused:
        await replay(
            scenario, scenario.succeeded, await edited(scenario, scenario.succeeded, order_id="ORD-9"), "replay-key-1"
        )
    assert refused.value.details == {"runId": first.run_id}
    with refuses(Conflict, "IDEMPOTENCY_KEY_REUSED", told):
        await replay(scenario, scenario.waiting, Original(), "replay-key-1")


async def test_refused_replays_start_nothing(scenario: Scenario) -> None:
    runs, source = scenario.backend.runs, scenario.succeeded
    digest = (await runs.replay_base(source)).digest
    before = await total(scenario)
    with refuses(NotFound, "RUN_NOT_FOUND", f"There is no run {NOBODY}."):
        await replay(scenario, NOBODY, Original())
    with refuses(Invalid, "REASON_TOO_SHORT", "The reason needs at least 3 characters."):
        await runs.replay(source, " ab ", Original())
    with refuses(NotFound, "VERSION_NOT_FOUND", f"The workflow {scenario.workflow_id} has no version 999999."):
        await replay(scenario, source, Original(), version=999_999)
    changed = "What was edited is not the input of this run as it is shown now."
    with refuses(Conflict, "REPLAY_BASE_CHANGED", changed):
        await replay(scenario, source, Patch("0" * 64, ()))
    hidden = f"The input holds {PLACEHOLDER} at /order_id: a value that was hidden, not the value itself."
    with refuses(Invalid, "PLACEHOLDER_IN_PAYLOAD", hidden) as refused:
        await replay(scenario, source, Patch(digest, (JsonChange("replace", "/order_id", PLACEHOLDER),)))
    assert refused.value.details == {"path": "/order_id"}
    with pytest.raises(Invalid, match="PATCH_PATH_INVALID"):
        await replay(scenario, source, Patch(digest, (JsonChange("remove", "/nowhere"),)))
    with pytest.raises(Invalid, match="PAYLOAD_REJECTED") as rejected:
        await replay(scenario, source, await edited(scenario, source, order_id=1))
    assert [issue["pointer"] for issue in rejected.value.details["issues"]] == ["/order_id"]
    with pytest.raises(Invalid, match="PAYLOAD_REJECTED"):
        await replay(scenario, source, Override({}))
    with pytest.raises(Invalid, match="PAYLOAD_TOO_LARGE"):
        await replay(scenario, source, Patch(digest, (JsonChange("replace", "/order_id", "x" * MAX_PAYLOAD_BYTES),)))
    assert await total(scenario) == before


async def test_a_preview_of_the_original_goes_the_same_way(scenario: Scenario) -> None:
    before = await total(scenario)
    found = await scenario.backend.runs.preview(scenario.succeeded, Original())
    assert (found.run_id, found.status, found.stop, found.error) == (scenario.succeeded, "SUCCEEDED", None, None)
    assert (found.differences, found.changed_paths, found.issues) == ((), (), ())
    failed = await scenario.backend.runs.preview(scenario.failed, Original())
    assert failed.status == "FAILED"
    assert failed.error is not None
    assert failed.error.code == scenario.failed_code
    assert await total(scenario) == before
    with refuses(NotFound, "RUN_NOT_FOUND", f"There is no run {NOBODY}."):
        await scenario.backend.runs.preview(NOBODY, Original())


async def test_a_preview_stops_at_the_first_step_that_is_asked_something_new(scenario: Scenario) -> None:
    before = await total(scenario)
    given = await edited(scenario, scenario.succeeded, order_id="ORD-9")
    found = await scenario.backend.runs.preview(scenario.succeeded, given)
    assert found.changed_paths == ("/order_id",)
    assert found.status is None
    assert found.stop is not None
    assert (found.stop.code, found.stop.path, found.stop.iteration) == ("INPUT_CHANGED", "root.steps[0]", "")
    assert found.stop.message == f"Step {found.stop.step_id} would get an input it never had."
    assert found.stop.recorded is not None
    assert found.stop.now is not None
    assert found.stop.now.value == {**found.stop.recorded.value, "key": "ORD-9"}
    assert found.state.value["payload"]["order_id"] == "ORD-9"
    assert f"/payload{scenario.masked}" in found.state.masked
    assert await total(scenario) == before


async def test_a_preview_of_a_waiting_run_ends_where_the_run_is(scenario: Scenario) -> None:
    found = await scenario.backend.runs.preview(scenario.waiting, Original())
    assert found.stop is not None
    assert (found.stop.code, found.stop.step_id) == ("OPEN", "await-carrier")
    assert found.stop.recorded is None


async def test_a_preview_says_what_the_schema_refuses(scenario: Scenario) -> None:
    found = await scenario.backend.runs.preview(
        scenario.succeeded, await edited(scenario, scenario.succeeded, order_id=1)
    )
    assert [issue.pointer for issue in found.issues] == ["/order_id"]
    changed = "What was edited is not the input of this run as it is shown now."
    with refuses(Conflict, "REPLAY_BASE_CHANGED", changed):
        await scenario.backend.runs.preview(scenario.succeeded, Patch("0" * 64, ()))
