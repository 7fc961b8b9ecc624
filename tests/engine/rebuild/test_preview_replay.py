"""What another input would change, told from what happened before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.interpreter.recorded_run import NOT_KEPT
from engine.rebuild.preview import preview_replay
from engine.records import Difference
from tests.engine.rebuild.recording import assign, echo, expr, played

BRANCH = {
    "id": "i",
    "type": "control.if",
    "condition": expr("payload.big"),
    "then": [assign("t", size='"big"')],
    "else": [assign("e", size='"small"')],
}


async def test_another_way_through_pure_steps_is_shown_to_the_end() -> None:
    run = (await played([BRANCH, assign("z", done="true")], payload={"big": False})).recorded()
    preview = preview_replay(run, {"big": True})
    assert (preview.status, preview.stop, preview.scopes["vars"]) == ("SUCCEEDED", None, {"size": "big", "done": True})
    assert preview.differences == [
        Difference("root.steps[0]", "", "i", "branch", "else", "then"),
        Difference("root.steps[0].then.steps[0]", "", "t", "added", None, "SUCCEEDED"),
        Difference("root.steps[0].else.steps[0]", "", "e", "dropped", "SUCCEEDED", None),
    ]


async def test_an_action_with_the_same_input_answers_as_before() -> None:
    run = (await played([echo("same", "payload.a"), assign("z", b="payload.b")], payload={"a": 1, "b": 2})).recorded()
    preview = preview_replay(run, {"a": 1, "b": 3})
    assert (preview.status, preview.scopes["vars"], preview.differences) == (
        "SUCCEEDED",
        {"same": {"value": 1}, "b": 3},
        [],
    )


async def test_an_action_with_another_input_stops_the_preview_and_shows_both() -> None:
    steps = [assign("a", n="payload.n"), echo("e", "n"), assign("later", x="1")]
    preview = preview_replay((await played(steps, payload={"n": 1})).recorded(), {"n": 2})
    assert preview.stop is not None
    assert (preview.stop.code, preview.stop.recorded, preview.stop.now) == ("INPUT_CHANGED", {"value": 1}, {"value": 2})
    assert preview.stop.step is not None
    assert (preview.stop.step.path, preview.status, preview.differences) == ("root.steps[1]", None, [])


async def test_an_action_that_was_never_reached_stops_the_preview() -> None:
    branch = {**BRANCH, "then": [echo("new", "payload.big")]}
    preview = preview_replay((await played([branch], payload={"big": False})).recorded(), {"big": True})
    assert preview.stop is not None
    assert (preview.stop.code, preview.stop.message) == ("INPUT_CHANGED", "Step new was never reached.")
    assert [difference.kind for difference in preview.differences] == ["branch"]


async def test_more_and_fewer_items_are_told() -> None:
    loop = {
        "id": "l",
        "type": "control.forEach",
        "items": expr("payload.items"),
        "itemVar": "x",
        "body": [assign("a", n="x")],
    }
    run = (await played([loop], payload={"items": [1, 2]})).recorded()
    more, fewer = preview_replay(run, {"items": [1, 2, 3]}), preview_replay(run, {"items": [1]})
    assert [(item.kind, item.iteration, item.recorded, item.now) for item in more.differences] == [
        ("items", "", 2, 3),
        ("added", "2", None, "SUCCEEDED"),
    ]
    assert [(item.kind, item.iteration) for item in fewer.differences] == [("items", ""), ("dropped", "1")]


async def test_a_failure_that_would_not_happen_is_told() -> None:
    guarded = {
        "id": "t",
        "type": "control.tryCatch",
        "try": [assign("a", n="payload.n")],
        "catch": [assign("c", caught="true")],
    }
    preview = preview_replay((await played([guarded], payload={})).recorded(), {"n": 1})
    assert [(item.step_id, item.kind, item.recorded, item.now) for item in preview.differences] == [
        ("a", "status", "FAILED", "SUCCEEDED"),
        ("c", "dropped", "SUCCEEDED", None),
    ]


async def test_a_run_that_would_fail_shows_its_error() -> None:
    preview = preview_replay((await played([assign("a", n="payload.n")], payload={"n": 1})).recorded(), {})
    assert preview.error is not None
    assert (preview.status, preview.error["category"]) == ("FAILED", "ExpressionError")


EVENT: dict[str, Any] = {
    "id": "w",
    "type": "event.wait",
    "config": {"eventName": "E", "correlationKey": expr("payload.key")},
}
SIGNAL = {"op": "signalEvent", "name": "E", "correlationKey": "k", "payload": {"n": 1}}


async def test_a_wait_for_the_same_event_gets_it_and_for_another_stops() -> None:
    run = (await played([EVENT], SIGNAL, payload={"key": "k"})).recorded()
    assert preview_replay(run, {"key": "k", "more": 1}).scopes["vars"]["event"] == {"n": 1}
    stop = preview_replay(run, {"key": "other"}).stop
    assert stop is not None
    assert (stop.code, stop.recorded, stop.now) == ("INPUT_CHANGED", ["E", "k"], ["E", "other"])


async def test_a_task_that_asks_the_same_has_its_answer_and_another_stops() -> None:
    config = {"taskType": "t", "title": expr("payload.title"), "contextData": {"n": expr("payload.n")}}
    task = {"id": "h", "type": "human.task", "config": config}
    run = (
        await played([task], {"op": "completeTask", "payload": {"ok": True}}, payload={"title": "T", "n": 1})
    ).recorded()
    assert preview_replay(run, {"title": "T", "n": 1, "other": 2}).scopes["vars"]["event"] == {"ok": True}
    stop = preview_replay(run, {"title": "T", "n": 2}).stop
    assert stop is not None
    assert (stop.recorded["context"], stop.now["context"]) == ({"n": 1}, {"n": 2})


async def test_other_semantics_are_not_previewed() -> None:
    run = (await played([assign("a", n="1")])).recorded()
    preview = preview_replay(replace(run, facts=replace(run.facts, semantics_version="x")), {})
    assert preview.stop is not None
    assert (preview.stop.code, preview.scopes) == ("SEMANTICS_DIFFER", {})


async def test_an_input_that_was_not_kept_cannot_be_compared() -> None:
    run = (await played([echo("e", "payload.n")], payload={"n": 1})).recorded()
    key = ("root.steps[0]", "", 1, 1)
    stop = preview_replay(replace(run, tries={key: replace(run.tries[key], input=NOT_KEPT)}), {"n": 1}).stop
    assert stop is not None
    assert (stop.code, stop.message) == ("NOT_RECORDED", "What step e was given is not recorded.")


async def test_a_preview_ends_when_it_is_enough() -> None:
    run = (await played([assign("a", n="1")])).recorded()
    preview = preview_replay(run, {}, lambda: True)
    assert preview.stop is not None
    assert (preview.stop.code, preview.status) == ("TOO_LONG", None)


async def test_an_email_step_that_was_never_reached_stops_the_preview() -> None:
    email = {"id": "m", "type": "email.parseBody", "config": {"text": expr("'x'"), "saveAs": "mail"}}
    run = (await played([{**BRANCH, "then": [email]}], payload={"big": False})).recorded()
    stop = preview_replay(run, {"big": True}).stop
    assert stop is not None
    assert stop.message == "Step m was never reached."
