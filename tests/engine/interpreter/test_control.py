"""Blocks: branches, loops and their scopes, return."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.contract import TEMPORAL_CLOCK_SEMANTICS
from tests.engine.interpreter.driving import FACTS, Driver, assign, attempt, expr, failing, loop

RETURN = {"id": "r", "type": "control.return"}


def branch(condition: str, then: list[dict[str, object]], **fields: object) -> dict[str, object]:
    return {"id": "i", "type": "control.if", "condition": expr(condition), "then": then, **fields}


def test_a_definition_without_steps_succeeds() -> None:
    run = Driver().run()
    assert (run.finish.status, run.steps, run.finish.steps_started) == ("SUCCEEDED", [], 0)


@pytest.mark.parametrize(("condition", "arm"), [("true", "then"), ("false", "else")])
def test_an_if_records_its_branch(condition: str, arm: str) -> None:
    run = Driver(branch(condition, [assign(a="1")], **{"else": [assign(a="2")]})).run()
    assert run.steps == [("steps[0]", "SUCCEEDED"), (f"steps[0].{arm}.steps[0]", "SUCCEEDED")]
    assert run.ledger.steps[0].outcome == {"branch": arm}


@pytest.mark.parametrize(
    ("value", "kind"), [("1", "a number"), ("null", "null"), ('"true"', "text"), ("[]", "an array")]
)
def test_a_condition_is_a_boolean_or_fails(value: str, kind: str) -> None:
    run = Driver(branch(value, [])).run()
    assert run.finish.error is not None
    assert (run.finish.error["category"], run.finish.error["code"]) == ("ExpressionError", "type")
    assert run.finish.error["message"] == f"control.if condition must evaluate to a boolean, not {kind}"
    assert run.finish.error["details"] == {"source": value, "path": "/steps/0/condition/$expr"}


def test_items_are_an_array_or_fail() -> None:
    run = Driver(loop(assign(a="1"), items='"abc"')).run()
    assert run.finish.error is not None
    assert run.finish.error["message"] == "control.forEach items must evaluate to an array, not text"


@pytest.mark.parametrize(
    ("items", "orders", "message"),
    [
        ("payload.orders[open]", 0, "found nothing; [payload.orders[open]] is an empty array then"),
        ("payload.orders[open]", 1, "must evaluate to an array, not an object: it found one, which stands for itself;"
            " [payload.orders[open]] is an array always"),
        ("payload.orders[open].id", 1, "must evaluate to an array, not a number: it found one, which stands for itself;"
            " [payload.orders[open].id] is an array always"),
        ("payload.orders.id", 1, None),
        ("payload.one.id", 1, "must evaluate to an array, not a number: it found one, which stands for itself;"
            " [payload.one.id] is an array always"),
        ("coalesce(payload.one.id, [])", 1, "must evaluate to an array, not a number: it found one, which stands for itself;"
            " [coalesce(payload.one.id, [])] is an array always"),
        ("payload.orders[0].id", 1, "must evaluate to an array, not a number"),
        ("payload.empty.id", 1, "found nothing; [payload.empty.id] is an empty array then"),
        ("payload.none", 0, "found nothing; [payload.none] is an empty array then"),
    ],
)  # fmt: skip
def test_f21_a_filter_that_finds_none_or_one_says_what_to_write(items: str, orders: int, message: str | None) -> None:
    found = [{"id": number, "open": number < orders} for number in range(3)]
    run = Driver(loop(assign(n="1"), items=items), payload={"orders": found, "one": found[:1], "empty": []}).run()
    error = run.finish.error
    assert (error and error["message"]) == (f"control.forEach items {message}" if message else None)


def test_f21_in_earlier_semantics_nothing_found_is_told_as_ever() -> None:
    earlier = replace(FACTS, semantics_version=TEMPORAL_CLOCK_SEMANTICS)
    error = Driver(loop(assign(n="1"), items="payload.none"), facts=earlier).run().finish.error
    assert error is not None
    assert error["message"] == "Expression result is not JSON-serializable"


@pytest.mark.parametrize("orders", [0, 1, 2])
def test_f21_in_brackets_it_is_always_an_array(orders: int) -> None:
    payload = {"orders": [{"id": number, "open": number < orders} for number in range(3)]}
    run = Driver(loop(assign(n="1"), items="[payload.orders[open]]"), payload=payload).run()
    assert run.ledger.steps[0].outcome == {"items": orders}


def test_iterations_are_named_from_the_outside_in() -> None:
    run = Driver(loop(loop(assign(a="x & y"), items="[7,8]", var="y"), items='["p","q"]')).run()
    inner = [step.step.iteration for step in run.ledger.steps if step.step.path.endswith("body.steps[0].body.steps[0]")]
    assert inner == ["0.0", "0.1", "1.0", "1.1"]
    assert [step.step.iteration for step in run.ledger.steps if step.step.path == "root.steps[0].body.steps[0]"] == [
        "0",
        "1",
    ]
    assert run.ledger.steps[0].outcome == {"items": 2}


def test_the_scope_of_a_loop_is_there_inside_and_gone_after() -> None:
    run = Driver(
        assign(x='"before"'),
        loop(
            assign(
                "s",
                seen='append(vars.seen, {"x": x, "item": item, "i": index, "n": length, "f": isFirst, "l": isLast})',
            ),
            items="[10,20]",
        ),
        assign("z", after="coalesce(item, local.index, x)"),
    ).run()
    assert run.vars == {
        "x": "before",
        "after": "before",
        "seen": [
            {"x": 10, "item": 10, "i": 0, "n": 2, "f": True, "l": False},
            {"x": 20, "item": 20, "i": 1, "n": 2, "f": False, "l": True},
        ],
    }


def test_an_inner_loop_with_the_same_variable_gives_it_back() -> None:
    run = Driver(loop(loop(assign("i", inner="x"), items="[8,9]"), assign("o", outer="append(vars.outer, x)"))).run()
    assert run.vars == {"inner": 9, "outer": [1, 2]}


def test_only_the_innermost_loop_has_bare_names_but_outer_items_are_in_vars() -> None:
    run = Driver(loop(loop(assign("i", seen="vars.x & item & index"), items="[8]", var="y"), items="[5]")).run()
    assert run.vars == {"seen": "580"}


def test_a_variable_written_to_the_local_scope_lasts_for_the_item() -> None:
    write = {"id": "w", "type": "transform.assign", "config": {"assign": {"local.t": expr("x * 10")}}}
    read = assign("r", seen="append(vars.seen, coalesce(local.t, 0))")
    run = Driver(loop(read, write, read | {"id": "r2"}), read | {"id": "r3"}).run()
    assert run.vars == {"seen": [0, 10, 0, 20, 0]}


def test_outside_loops_local_means_vars() -> None:
    step = {"id": "w", "type": "transform.assign", "config": {"assign": {"local.t": expr("1")}}}
    assert Driver(step).run().vars == {"t": 1}


@pytest.mark.parametrize("items", ["[]", "payload.empty"])
def test_a_loop_without_items_is_passed(items: str) -> None:
    run = Driver(loop(assign(a="1"), items=items), assign("z", z="1"), payload={"empty": []}).run()
    assert run.vars == {"z": 1}


def test_a_loop_without_a_body_is_passed() -> None:
    assert Driver(loop(items="[1,2,3]"), assign("z", z="1")).run().vars == {"z": 1}


def test_a_loop_longer_than_the_limit_of_a_dry_run_fails() -> None:
    run = Driver(loop(assign(a="1"), items="[1..6]"), item_limit=5).run()
    assert run.finish.error is not None
    assert run.finish.error["code"] == "TOO_MANY_ITEMS"


@pytest.mark.parametrize(
    "leaving",
    [
        [loop(RETURN)],
        [attempt(loop(failing()), catch=[RETURN])],
        [loop(failing())],
        [loop(attempt(failing(), catch=[RETURN]))],
    ],
    ids=["return", "catch", "failure", "return in a catch inside"],
)
def test_leaving_a_loop_in_any_way_unwinds_its_scope(leaving: list[dict[str, object]]) -> None:
    run = Driver(assign(x='"before"'), *leaving).run()
    assert run.finish.scopes["vars"] == {"x": "before"}
    assert run.finish.scopes["local"] == {}


def test_return_ends_the_run_at_any_depth() -> None:
    run = Driver(branch("true", [attempt(loop(RETURN))]), assign("z", z="1")).run()
    assert run.finish.status == "SUCCEEDED"
    assert run.steps[-1] == ("steps[0].then.steps[0].try.steps[0].body.steps[0]", "SUCCEEDED")


def test_state_set_writes_meta_and_survives_assignments() -> None:
    run = Driver(
        {"id": "s", "type": "state.set", "config": {"state": "READY"}}, assign(seen="meta.state & meta.runId")
    ).run()
    assert run.vars == {"seen": "READYrun"}
    assert run.finish.scopes["meta"] == {"state": "READY"}


def test_an_assign_is_all_or_nothing_and_each_entry_sees_the_earlier_ones() -> None:
    good = assign("g", a="1", b="vars.a + 1", c="b + 1")
    bad = assign("b", a="5", d="payload.missing") | {"onError": {"policy": "continue"}}
    run = Driver(good, bad).run()
    assert run.vars == {"a": 1, "b": 2, "c": 3}
    assert run.ledger.steps[0].outcome == {"assigned": {"vars.a": 1, "vars.b": 2, "vars.c": 3}}


def test_a_payload_that_is_no_object_is_empty() -> None:
    assert Driver(payload=[1]).run().finish.scopes["payload"] == {}


def test_the_roots_win_over_variables_of_their_name() -> None:
    run = Driver(
        assign(payload='"p"', system='"s"', error='"e"'), assign("z", z="system.runId & payload.a"), payload={"a": 1}
    )
    assert run.run().vars["z"] == "run1"
