"""The states of a run that really ran, computed again from its rows and compared with what it ended with."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from engine.interpreter.recorded_run import NOT_KEPT, RecordedRun
from engine.rebuild.preview import preview_replay
from engine.rebuild.state import RebuiltRun, rebuild_end
from engine.store.database.reader import open_reader
from engine.store.database.transactions import Store
from engine.store.tables import workflow_payloads, workflow_runs
from engine.store.trace.payloads import final_scopes_id
from engine.store.trace.recorded import load_recorded
from engine.values.json_policy import clean_json

STEPS_LOOKED_AT = 40
"""Of long runs only the first steps are rebuilt one by one: each costs the run up to there."""
_ACTIVE = ("RUNNING", "WAITING")


async def assert_rebuilds(store: Store, tenant: str, run_id: str) -> None:
    """Fails unless the rows of a run are enough to compute its end, the state around its steps, and an unchanged replay.

    A run that is not over must be known up to where it is. Runs that never reached the interpreter have nothing to compute.
    """
    recorded, ended_with = await _read(store, tenant, run_id)
    ending = rebuild_end(recorded)
    if recorded.status in _ACTIVE:
        assert ending.stop is not None, ending
        assert ending.stop.code == "OPEN", ending.stop
    else:
        assert (ending.status, ending.stop) == (recorded.status, None), ending.stop
        computed = clean_json(ending.scopes).value
        for name, value in ended_with.items():
            assert computed[name] == value, f"{name}: computed {computed[name]}, the run ended with {value}"
    _assert_steps(recorded)
    # What a child that was refused would have been given is nowhere.
    whole = not any(tried.input is NOT_KEPT for tried in recorded.tries.values())
    if recorded.status in ("SUCCEEDED", "FAILED") and whole:
        preview = preview_replay(recorded, recorded.payload)
        assert (preview.status, preview.stop, preview.differences) == (recorded.status, None, [])


def _assert_steps(recorded: RecordedRun) -> None:
    for key, step in sorted(recorded.steps.items(), key=lambda item: item[1].seq)[:STEPS_LOOKED_AT]:
        rebuilt = RebuiltRun(recorded).at(key)
        assert rebuilt.before is not None, (key, rebuilt.stop)
        if step.status in ("SUCCEEDED", "FAILED"):
            assert (rebuilt.stop, rebuilt.after is None) == (None, False), (key, rebuilt.stop)
        else:
            assert rebuilt.stop is not None, key
            assert rebuilt.stop.code == {"STARTED": "OPEN", "CANCELED": "CANCELED"}[step.status], (key, rebuilt.stop)


async def _read(store: Store, tenant: str, run_id: str) -> tuple[RecordedRun, dict[str, Any]]:
    """The records, and what is stored of the final scopes: all of a child's, the vars of any other."""
    runs, payloads = workflow_runs.c, workflow_payloads.c
    async with open_reader(store, tenant) as reader:
        recorded = await load_recorded(reader, run_id)
        row = await reader.row(select(runs.output_json).where(runs.run_id == run_id))
        kept = await reader.row(select(payloads.value_json).where(payloads.payload_id == final_scopes_id(run_id)))
    if kept is not None:
        return recorded, {name: value for name, value in kept.value_json.items() if name != "system"}
    return recorded, {} if row is None or row.output_json is None else {"vars": row.output_json}
