"""One door for all data: what was not looked up is not shown, and what cannot be looked for is not either."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, update
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.ids import new_id
from engine.records import RunFilter
from engine.store.database import hidden_documents
from engine.store.database.reader import open_reader
from engine.store.runs.listing import runs_page
from engine.store.tables import workflow_runs, workflow_settings
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.secret_values import MAX_CHARACTERS, MAX_VALUES, TooMuchToFollow, secret_values
from tests.engine.store.conftest import TENANT
from tests.engine.store.rows import insert, insert_run

ROOT = Path(__file__).parents[4]
SECRET = "Kanarie-4711-geheim"
DOOR = {"engine/store/database/reader.py", "engine/store/database/hidden_values.py"}
LOG = {"engine/worker/log_lines.py"}
"""The log of a process, which is of no run: there names and shapes are hidden."""


def test_only_the_door_redacts() -> None:
    """Whoever else did would not know what is hidden elsewhere."""
    using = {
        str(path.relative_to(ROOT))
        for folder in ("engine", "runstudio_tui")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name)
        and node.id in {"redact", "redact_named", "redact_text"}
        and "values/redaction" not in str(path)
    }
    assert using == DOOR | LOG


async def test_what_was_not_looked_up_is_not_shown(engine: AsyncEngine) -> None:
    run_id, other = await insert_run(engine, input_json={"password": SECRET}), await insert_run(engine)
    async with open_reader(engine, TENANT) as reader:
        assert reader.of(run_id=run_id).hide_text("anything") == PLACEHOLDER
        assert reader.of(event_id="an event").hide({"a": 1}) == PLACEHOLDER
        assert reader.of().hide_text("of the tenant alone") == "of the tenant alone"
        known = await reader.following(runs=[run_id, None], events=["an event"])
        assert known.of(run_id=run_id).hide_text(f"about {SECRET}") == f"about {PLACEHOLDER}"
        assert known.of(run_id=run_id, event_id="an event").hide_text(SECRET.upper()) == PLACEHOLDER
        assert known.of(event_id="an event").hide_text("anything") == "anything"
        assert known.of(run_id=other).hide_text("anything") == PLACEHOLDER
    async with open_reader(engine, TENANT, run_id) as of_run:
        assert of_run.hide_text(f"about {SECRET}") == f"about {PLACEHOLDER}"
        assert of_run.of(run_id=other).hide_text("anything") == PLACEHOLDER


async def test_more_than_can_be_looked_for_hides_everything(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {"tokens": [f"value {number}" for number in range(MAX_VALUES + 1)], "password": "x"}
    run_id = await insert_run(engine, input_json=many, status="FAILED", error_json={"message": "it is down"})
    plain = await insert_run(engine, input_json={"a": 1}, status="FAILED", error_json={"message": "it is down"})
    shown = {row.run_id: row.error_message for row in (await runs_page(engine, TENANT, RunFilter())).rows}
    assert shown == {run_id: PLACEHOLDER, plain: "it is down"}
    monkeypatch.setattr(hidden_documents, "MAX_DOCUMENTS", 0)
    shown = {row.run_id: row.error_message for row in (await runs_page(engine, TENANT, RunFilter())).rows}
    assert shown == {run_id: PLACEHOLDER, plain: PLACEHOLDER}
    with pytest.raises(TooMuchToFollow):
        secret_values(["x" * (MAX_CHARACTERS + 1)])


async def test_what_is_remembered_is_of_one_rule_and_one_database(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine, input_json={"badge": SECRET}, status="FAILED", error_json={"message": SECRET})

    async def message() -> str | None:
        [row] = (await runs_page(engine, TENANT, RunFilter())).rows
        return row.error_message

    assert await message() == SECRET
    await insert(engine, workflow_settings, {"redaction_key_patterns": ["^badge$"], "redaction_pointers": []})
    assert await message() == PLACEHOLDER
    async with engine.begin() as connection:
        # What was hidden stays so when the body goes.
        await connection.execute(update(workflow_runs).where(workflow_runs.c.run_id == run_id).values(input_json=None))
    assert await message() == PLACEHOLDER


async def test_a_policy_that_cannot_be_understood_hides_lists_too(engine: AsyncEngine) -> None:
    await insert_run(engine, status="FAILED", error_json={"message": "it is down"})
    await insert(engine, workflow_settings, {"redaction_key_patterns": ["("], "redaction_pointers": []})
    [row] = (await runs_page(engine, TENANT, RunFilter())).rows
    assert row.error_message == PLACEHOLDER


async def test_a_chain_of_runs_is_followed_up_and_its_events_across(engine: AsyncEngine) -> None:
    top = await insert_run(engine, input_json={"password": SECRET})
    middle = await insert_run(engine, input_json={}, parent_run_id=top, root_run_id=top)
    low = await insert_run(engine, input_json={}, parent_run_id=middle, root_run_id=top)
    stranger = await insert_run(engine, input_json={})
    async with open_reader(engine, TENANT) as reader:
        known = await reader.following(runs=[low, stranger, new_id()])
    assert known.of(run_id=low).hide_text(SECRET[::-1]) == PLACEHOLDER
    assert known.of(run_id=stranger).hide_text(SECRET) == SECRET


async def test_a_run_that_outlives_one_above_it_shows_nothing_of_it_any_more(engine: AsyncEngine) -> None:
    """By a rule of its workflow, or because somebody has deleted that one alone: what is a copy cannot be told then."""
    top = await insert_run(engine, input_json={"password": SECRET})
    middle = await insert_run(engine, input_json={"note": SECRET}, parent_run_id=top, root_run_id=top)
    low = await insert_run(engine, input_json={"note": SECRET}, parent_run_id=middle, root_run_id=top)
    gone = await insert_run(engine, parent_run_id=middle, root_run_id=top, bodies_deleted_at=func.now())

    async def shown(run_id: str) -> str:
        async with open_reader(engine, TENANT, run_id) as reader:
            return str(reader.payload({"note": SECRET, "other": 1}).value)

    before = [await shown(run_id) for run_id in (middle, low)]
    assert before == [str({"note": PLACEHOLDER, "other": 1})] * 2
    async with engine.begin() as connection:
        await connection.execute(delete(workflow_runs).where(workflow_runs.c.run_id == top))
    assert [await shown(run_id) for run_id in (middle, low)] == [PLACEHOLDER] * 2
    rows = (await runs_page(engine, TENANT, RunFilter())).rows
    assert {row.run_id for row in rows} == {middle, low, gone}
    # Of one whose own bodies were deleted while that one was there, the copies are taken out already.
    assert await shown(gone) != PLACEHOLDER


@pytest.mark.parametrize("beside", [{}, {PLACEHOLDER: {"password": "another-99"}}])
async def test_a_key_that_is_hidden_and_what_is_under_it_are_followed(
    engine: AsyncEngine, beside: dict[str, Any]
) -> None:
    card = "4111111111111111"
    run_id = await insert_run(engine, input_json={"cards": {card: {"holder": SECRET}, **beside}})
    async with open_reader(engine, TENANT, run_id) as reader:
        for copied in (SECRET, SECRET[::-1], card[::-1], *(["another-99"] if beside else [])):
            assert PLACEHOLDER in str(reader.hide_text(f"about {copied}")), copied
