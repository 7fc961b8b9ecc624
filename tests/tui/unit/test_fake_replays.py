"""Replays in the fake world: changes are made as the engine makes them, and refused as it refuses them."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Conflict, Invalid
from engine.operations.runs.json_changes import apply_changes
from engine.records import Document, JsonChange, Original, Patch
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.fake.expressions import UNKNOWN, evaluated
from runstudio_tui.backend.fake.replaying import patched
from runstudio_tui.backend.worlds.refunds import PAYLOAD, refunds_backend
from runstudio_tui.clock import ManualClock

PATHS = st.sampled_from(
    ["", "/a", "/a/b", "/a/0", "/a/1", "/a/-", "/l/0", "/l/2", "/l/3", "/l/9", "/l/x", "/b~1c", "/~0"]
)
CHANGES = st.builds(JsonChange, st.sampled_from(["add", "replace", "remove"]), PATHS, st.sampled_from([1, "x", {}, []]))


@given(st.lists(CHANGES, max_size=4))
def test_changes_are_made_as_the_engine_makes_them(changes: list[JsonChange]) -> None:
    base: Any = {"a": {"b": 1}, "l": [1, [2], {}], "b/c": 1, "~": 2}
    before = copy.deepcopy(base)
    try:
        wanted = apply_changes(base, changes)
    except Invalid:
        with pytest.raises(Invalid, match="PATCH_PATH_INVALID"):
            patched(base, tuple(changes))
    else:
        assert patched(base, tuple(changes)) == wanted
    assert base == before


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("payload.a.b", 1),
        ("payload.none", None),
        ("vars.none", UNKNOWN),
        ("vars.item.sku", "S"),
        ("'x'", "x"),
        ("7", 7),
        ("payload.a.b > 0", True),
        ("payload.a.b = 'x'", False),
        ("payload.text < 1", UNKNOWN),
        ("'/' & vars.item.sku", "/S"),
        ("$sum(payload.l)", UNKNOWN),
    ],
)
def test_expressions(source: str, value: Any) -> None:
    scopes = {"payload": {"a": {"b": 1}, "text": "x"}, "vars": {"item": {"sku": "S"}}}
    assert evaluated({"$expr": source}, scopes) == value
    assert evaluated(source, scopes) == source


@pytest.fixture
def refunds() -> FakeBackend:
    return refunds_backend(ManualClock(datetime(2026, 1, 15, 12, tzinfo=UTC)))


async def preview(backend: FakeBackend, run: int, **changed: Any) -> Any:
    """Of the run at a place, with some members of its input changed."""
    run_id = list(backend.world.runs)[run]
    base = await backend.runs.replay_base(run_id)
    changes = tuple(JsonChange("replace", f"/{name}", value) for name, value in changed.items())
    return await backend.runs.preview(run_id, Patch(base.digest, changes) if changes else Original())


async def test_fewer_and_more_items(refunds: FakeBackend) -> None:
    fewer = await preview(refunds, 2, lines=PAYLOAD["lines"][:1])
    assert [(found.step_id, found.kind) for found in fewer.differences] == [
        ("lines", "items"),
        ("take-back", "dropped"),
    ]
    assert (fewer.status, fewer.stop) == ("SUCCEEDED", None)
    more = await preview(refunds, 2, lines=[*PAYLOAD["lines"], {"sku": "S"}])
    assert (more.differences[0].recorded, more.differences[0].now) == (2, 3)
    assert (more.stop.message, more.stop.iteration) == ("Step take-back was never reached.", "2")


async def test_a_run_nobody_picked_up_has_nothing_to_go_by(refunds: FakeBackend) -> None:
    found = await preview(refunds, 1)
    assert (found.stop.code, found.stop.step_id) == ("INPUT_CHANGED", "tell-manager")


async def test_an_expression_that_is_not_understood_is_said(refunds: FakeBackend) -> None:
    definition = refunds.world.workflows["refund"].definitions[3]
    refunds.world.workflows["refund"].definitions[3] = {
        **definition,
        "steps": [{**definition["steps"][0], "condition": {"$expr": "$sum(payload.lines.quantity) > 1"}}],
    }
    found = await preview(refunds, 2)
    assert found.stop.message == "The demo cannot compute the expression of step large."


async def test_a_key_is_for_one_request(refunds: FakeBackend) -> None:
    first, second, *_ = refunds.world.runs
    started = await refunds.runs.replay(first, "because", idempotency_key="k")
    assert not (await refunds.runs.replay(first, "because", idempotency_key="k")).created
    with pytest.raises(Conflict, match="IDEMPOTENCY_KEY_REUSED") as refused:
        await refunds.runs.replay(second, "because", idempotency_key="k")
    assert refused.value.details == {"runId": started.run_id}
    assert refunds.world.runs[started.run_id].payload == Document(
        PAYLOAD, frozenset({"/card_token", "/customer/api_key"})
    )
