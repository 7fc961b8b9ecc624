"""State at a step and previews of replays, as operators get them: redacted, and honest about what is not known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import Conflict, EngineError, Invalid, NotFound
from engine.operations.runs import state
from engine.operations.runs.replay import replay_base
from engine.operations.runs.state import preview_replay_of, state_at
from engine.records import JsonChange, Override, Patch, ReplayInput, ReplayPreview, StepState
from engine.values.redaction.placeholder import PLACEHOLDER
from tests.engine.rebuild.operating import operator, publish_event
from tests.engine.workflow.harness import SECRETS, Bench
from tests.engine.workflow.steps import assign, call, for_each, ordinary, quick, wait_event, when

PATH = "root.steps[1]"


async def refusal(work: Any) -> EngineError:
    with pytest.raises(EngineError) as refused:
        await work
    return refused.value


async def at(bench: Bench, run_id: str, step: str, iteration: str = "") -> StepState:
    return await state_at(operator(bench), run_id, step, iteration)


async def previewed(bench: Bench, run_id: str, replay_input: ReplayInput | None = None) -> ReplayPreview:
    return await preview_replay_of(operator(bench), run_id, replay_input)


async def test_the_state_before_and_after_a_step(bench: Bench) -> None:
    run = await bench.play([assign("a", n="payload.n"), quick("q", value="=n + 1"), assign("b", n="9")], {"n": 1})
    found = await at(bench, run.id, PATH)
    assert (found.path, found.step_id, found.step_type, found.status) == (PATH, "q", "action.call", "SUCCEEDED")
    assert found.before.value == {"payload": {"n": 1}, "vars": {"n": 1}, "local": {}, "meta": {}, "error": None}
    assert found.after is not None
    assert found.after.value["vars"] == {"n": 1, "q": {"value": 2}}
    assert (found.missing, found.before.masked) == (None, frozenset())


async def test_a_step_may_be_named_by_its_id_and_an_iteration_must_be_named(bench: Bench) -> None:
    run = await bench.play([for_each("l", "[7, 8]", [assign("a", n="item")])])
    found = await at(bench, run.id, "a", "1")
    assert (found.before.value["vars"]["n"], found.before.value["local"]["item"]) == (7, 8)
    missing = await refusal(state_at(operator(bench), run.id, "a"))
    assert (missing.code, missing.hint, missing.details) == (
        "STEP_NOT_FOUND",
        "It was executed in iteration 0, 1.",
        {"iterations": ["0", "1"]},
    )
    assert "a in iteration 7" in (await refusal(state_at(operator(bench), run.id, "a", "7"))).message
    assert (await refusal(state_at(operator(bench), run.id, "nothing"))).code == "STEP_NOT_FOUND"


async def test_the_tenants_policy_masks_every_scope_from_its_own_root(bench: Bench) -> None:
    await bench.execute(
        "INSERT INTO workflow_settings (tenant, redaction_pointers, redaction_key_patterns)"
        """ VALUES (CAST(:t AS uuid), '["/person/name"]', '["iban"]')""",
        t=bench.tenant,
    )
    steps = [
        assign("a", person="payload.person", count="1"),
        call("s", "test.ordinary", value={"$secret": "TOKEN"}, password="hidden"),
    ]
    given = {"person": {"name": "Ada", "iban": "DE02"}, "apiKey": "k", "marker": {"$secret": "OTHER"}}
    run = await bench.play(steps, given)
    found = await at(bench, run.id, "s")
    assert found.before.value["payload"] == {
        "person": {"name": PLACEHOLDER, "iban": PLACEHOLDER},
        "apiKey": PLACEHOLDER,
        "marker": PLACEHOLDER,
    }
    assert found.before.value["vars"] == {"person": {"name": PLACEHOLDER, "iban": PLACEHOLDER}, "count": 1}
    assert found.before.masked == {
        "/payload/person/name",
        "/payload/person/iban",
        "/payload/apiKey",
        "/payload/marker",
        "/vars/person/name",
        "/vars/person/iban",
    }
    told = json.dumps([found.before.value, found.after and found.after.value])
    assert not [hidden for hidden in ("Ada", "DE02", "OTHER", *SECRETS.values()) if hidden in told]
    preview = await previewed(bench, run.id)
    assert not [hidden for hidden in ("Ada", "DE02", "OTHER") if hidden in json.dumps(preview.state.value)]


async def test_where_the_run_is_now_there_is_no_after(bench: Bench) -> None:
    await bench.publish([assign("a", n="1"), wait_event("w"), quick("q")])
    run = await bench.start()
    await run.waiting("event")
    found = await at(bench, run.id, "w")
    assert (found.before.value["vars"], found.after, found.missing and found.missing.code) == ({"n": 1}, None, "OPEN")
    assert (await refusal(state_at(operator(bench), run.id, "q"))).code == "STEP_NOT_FOUND"


async def test_a_value_that_is_gone_is_said(bench: Bench) -> None:
    run = await bench.play([call("big", "test.sized", characters=300_000), assign("a", n="len(big.value)")])
    assert (await at(bench, run.id, "a")).after is not None
    await bench.execute("DELETE FROM workflow_payloads WHERE run_id = CAST(:run AS uuid)", run=run.id)
    at_it = await at(bench, run.id, "big")
    assert (at_it.before.value["vars"], at_it.after) == ({}, None)
    assert at_it.missing is not None
    assert (at_it.missing.code, at_it.missing.message) == (
        "NOT_RECORDED",
        "What try 1 of step big gave is not recorded.",
    )
    after_it = await refusal(state_at(operator(bench), run.id, "a"))
    assert (type(after_it), after_it.code, after_it.message) == (Conflict, "STATE_NOT_RECORDED", at_it.missing.message)


async def test_an_event_that_is_gone_is_said(bench: Bench) -> None:
    await bench.publish([wait_event("w", key="'k'"), assign("a", n="event.n")])
    run = await bench.start()
    await run.waiting("event")
    await publish_event(bench, "PING", {"n": 1})
    await run.ended()
    assert (await at(bench, run.id, "a")).before.value["vars"]["event"] == {"n": 1}
    await bench.execute("DELETE FROM workflow_runtime_events")
    gone = await refusal(state_at(operator(bench), run.id, "a"))
    assert (gone.code, gone.message) == ("STATE_NOT_RECORDED", "The event that step w took is not stored any more.")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE workflow_runs SET runtime_semantics_version = '1999-01.1'", "SEMANTICS_DIFFER"),
        ("UPDATE workflow_runs SET input_json = NULL", "INPUT_NOT_STORED"),
        ("UPDATE workflow_runs SET definition_hash = 'other'", "DEFINITION_HASH_MISMATCH"),
        ("DELETE FROM workflow_definition_versions", "DEFINITION_NOT_FOUND"),
        ("UPDATE workflow_action_invocations SET output_bytes = 100000000", "RUN_TOO_LARGE"),
        (
            "ALTER TABLE workflow_runs DROP CONSTRAINT workflow_runs_engine_is_temporal;"
            " UPDATE workflow_runs SET engine = 'db'",
            "RUN_BEFORE_CUTOVER",
        ),
    ],
    ids=lambda value: value if value.isupper() else "",
)
async def test_a_run_that_cannot_be_computed_is_refused_and_not_guessed(bench: Bench, change: str, code: str) -> None:
    run = await bench.play([quick("q")])
    for statement in change.split(";"):
        await bench.execute(statement)
    refused = await refusal(state_at(operator(bench), run.id, "q"))
    assert refused.code == code
    assert refused.message
    assert refused.hint
    preview = await refusal(preview_replay_of(operator(bench), run.id))
    assert preview.code == code


async def test_a_run_of_another_tenant_does_not_exist(bench: Bench) -> None:
    run = await bench.play([quick("q")])
    elsewhere = replace(operator(bench), tenant="00000000-0000-0000-0000-000000000002")
    for work in (
        state_at(elsewhere, run.id, "q"),
        state_at(elsewhere, "no id", "q"),
        preview_replay_of(elsewhere, run.id),
    ):
        assert isinstance(await refusal(work), NotFound)


async def test_computing_for_too_long_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await bench.play([assign("a", n="1")])
    monkeypatch.setattr(state, "PATIENCE_SECONDS", -1.0)
    assert (await refusal(state_at(operator(bench), run.id, "a"))).code == "TOO_LONG"
    preview = await previewed(bench, run.id)
    assert preview.stop is not None
    assert (preview.stop.code, preview.status) == ("TOO_LONG", None)


BRANCHES = [
    when("i", "payload.n > 10", [assign("big", size="'big'")], [assign("small", size="'small'")]),
    for_each("l", "payload.items", [assign("s", last="item")]),
    ordinary("o", value="=payload.n", password="=payload.password"),
    assign("end", done="true"),
]
GIVEN = {"n": 1, "items": [1], "password": "hidden"}


async def test_a_preview_of_the_original_input_ends_as_the_run_did(bench: Bench) -> None:
    run = await bench.play(BRANCHES, GIVEN)
    preview = await previewed(bench, run.id)
    assert (preview.status, preview.stop, preview.differences, preview.changed_paths) == ("SUCCEEDED", None, (), ())
    assert preview.state.value["payload"]["password"] == PLACEHOLDER
    assert preview.state.value["vars"]["done"] is True


async def test_a_preview_tells_what_would_be_different_and_executes_nothing(bench: Bench) -> None:
    run = await bench.play(BRANCHES, GIVEN)
    before = (len(await bench.rows("SELECT 1 FROM workflow_runs")), bench.counts.ran["o"])
    preview = await previewed(bench, run.id, Override({**GIVEN, "n": 11, "items": [1, 2]}))
    assert (len(await bench.rows("SELECT 1 FROM workflow_runs")), bench.counts.ran["o"]) == before
    assert [(found.step_id, found.kind, found.recorded, found.now) for found in preview.differences] == [
        ("i", "branch", "else", "then"),
        ("big", "added", None, "SUCCEEDED"),
        ("small", "dropped", "SUCCEEDED", None),
        ("l", "items", 1, 2),
        ("s", "added", None, "SUCCEEDED"),
    ]
    stop = preview.stop
    assert stop is not None
    assert (stop.code, stop.step_id, stop.path) == ("INPUT_CHANGED", "o", "root.steps[2]")
    assert stop.recorded is not None
    assert stop.now is not None
    assert (stop.recorded.value["value"], stop.now.value["value"]) == (1, 11)
    assert (stop.now.value["password"], stop.now.masked) == (PLACEHOLDER, {"/password"})
    assert preview.changed_paths == ("/items/1", "/n")


async def test_a_preview_of_an_edit_keeps_what_was_hidden(bench: Bench) -> None:
    run = await bench.play(BRANCHES, GIVEN)
    base = await replay_base(operator(bench), run.id)
    patch = Patch(base.digest, (JsonChange("replace", "/items", [1, 2]),))
    preview = await previewed(bench, run.id, patch)
    assert (preview.status, preview.stop) == ("SUCCEEDED", None)
    assert [found.kind for found in preview.differences] == ["items", "added"]
    hidden = await refusal(preview_replay_of(operator(bench), run.id, Override({**GIVEN, "password": PLACEHOLDER})))
    assert (type(hidden), hidden.code) == (Invalid, "PLACEHOLDER_IN_PAYLOAD")


async def test_a_preview_says_what_the_schema_would_refuse(bench: Bench) -> None:
    await bench.publish([assign("a", n="1")], payload_schema={"type": "object", "required": ["name"]})
    run = await bench.start({"name": "x"})
    await run.ended()
    preview = await previewed(bench, run.id, Override({}))
    assert [issue.keyword for issue in preview.issues] == ["required"]
    wrong = await refusal(preview_replay_of(operator(bench), run.id, Override([])))
    assert wrong.code == "PAYLOAD_NOT_OBJECT"
