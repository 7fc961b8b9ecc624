"""Two versions of a definition, compared step by step."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.records import Json
from runstudio_tui.backend.worlds.hostile import EVIL
from runstudio_tui.backend.worlds.workflows import ORDER, ORDER_BEFORE
from runstudio_tui.domain.definition_diff import Change, ComparedPart, compare_definitions, counted, hidden_values
from runstudio_tui.text import safe


def step(step_id: str, **more: Json) -> dict[str, Json]:
    return {"id": step_id, "type": "state.set", "config": {"state": "A"}, **more}


def branch(step_id: str, then: list[Json], otherwise: list[Json] | None = None) -> dict[str, Json]:
    block = {"id": step_id, "type": "control.if", "condition": {"$expr": "true"}, "then": then}
    return block if otherwise is None else {**block, "else": otherwise}


def definition(*steps: Json, **own: Json) -> dict[str, Json]:
    return {"id": "w", "version": 1, "name": "w", "steps": list(steps), **own}


def told(old: Json, new: Json) -> list[str]:
    """Sign and id of every line that is a step, blanks for its depth."""
    lines = compare_definitions(old, new)
    return [f"{'  ' * line.depth}{line.change or '='}{line.heading or line.part.step_id}" for line in lines[1:]]  # type: ignore[union-attr]


def changes(lines: tuple[ComparedPart, ...]) -> dict[str, Change]:
    return {line.part.step_id or line.part.label: line.change for line in lines if line.part is not None}


def test_the_same_definition_has_no_difference() -> None:
    same = definition(step("a"), branch("b", [step("c")], [step("d")]))
    assert told(same, same) == ["=a", "=b", "  =c", "  =else", "    =d"]
    assert told(same, {**same, "version": 2}) == told(same, same), "the number of the version is no difference"
    assert counted(compare_definitions(same, same)) == ""


def test_what_came_and_went_stands_where_it_is_or_was() -> None:
    old = definition(step("a"), step("gone"), step("b"), branch("i", [step("x"), step("y")]))
    new = definition(step("a"), step("b"), step("new"), branch("i", [step("y"), step("z")]))
    assert told(old, new) == ["=a", "-gone", "=b", "+new", "=i", "  -x", "  =y", "  +z"]
    assert told(new, old) == ["=a", "+gone", "=b", "-new", "=i", "  +x", "  =y", "  -z"]


def test_a_step_before_others_does_not_move_them() -> None:
    assert told(definition(step("a"), step("b")), definition(step("n"), step("a"), step("b"))) == ["+n", "=a", "=b"]


def test_a_step_that_moved_says_so_and_moves_as_few_as_possible() -> None:
    old = definition(step("a"), step("b"), step("c"), step("d"))
    assert told(old, definition(step("d"), step("a"), step("b"), step("c"))) == [">d", "=a", "=b", "=c"]
    into = definition(step("a"), branch("i", [step("b")]), step("c"), step("d"))
    assert told(old, into) == ["=a", "+i", "  >b", "=c", "=d"]
    [moved] = [line for line in compare_definitions(old, into) if line.moved]
    assert moved.old is not None
    assert moved.new is not None
    assert (moved.old.path, moved.new.path) == ("root.steps[1]", "root.steps[1].then.steps[0]")


def test_steps_of_a_block_that_went_may_have_stayed() -> None:
    old = definition(branch("i", [step("a"), step("b")], [step("c")]))
    assert told(old, definition(step("a"))) == ["-i", "  -b", "  =else", "    -c", ">a"]


def test_a_changed_step_tells_its_own_fields_only() -> None:
    old = definition(branch("i", [step("a")]), name="old")
    new = definition({**branch("i", [step("a", name="x")]), "condition": {"$expr": "false"}}, name="new")
    lines = compare_definitions(old, new)
    assert changes(lines) == {"definition": Change.CHANGED, "i": Change.CHANGED, "a": Change.CHANGED}
    edits = {
        line.part.label: [(e.change.op, e.change.path, e.change.value, e.was) for e in line.edits] for line in lines
    }  # type: ignore[union-attr]
    assert edits == {
        "definition": [("replace", "/name", "new", "old")],
        "if false": [("replace", "/condition/$expr", "false", "true")],
        "x": [("add", "/name", "x", None)],
    }
    assert counted(lines) == "3 changed"


def test_one_is_not_true_and_the_order_of_members_is_nothing() -> None:
    old = definition(step("a", retry={"maxAttempts": 1, "jitter": True}))
    assert counted(compare_definitions(old, definition(step("a", retry={"jitter": True, "maxAttempts": 1})))) == ""
    assert (
        counted(compare_definitions(old, definition(step("a", retry={"jitter": 1, "maxAttempts": 1})))) == "1 changed"
    )


def test_the_schema_of_the_payload_is_a_part() -> None:
    plain = definition(step("a"))
    for before, after, change in (
        ({"type": "object"}, {"type": "object"}, Change.SAME),
        ({"type": "object"}, {"type": "array"}, Change.CHANGED),
        (None, {"type": "object"}, Change.ADDED),
        ({"type": "object"}, None, Change.REMOVED),
    ):
        assert changes(compare_definitions(plain, plain, before, after))["payload schema"] is change
    assert "payload schema" not in changes(compare_definitions(plain, plain))


def test_what_is_hidden_is_not_compared_and_is_counted() -> None:
    old = definition(step("a", config={"headers": {"token": "[REDACTED]"}, "url": "x"}))
    new = definition(step("a", config={"headers": {"token": "the real one"}, "url": "x"}))
    lines = compare_definitions(old, new)
    assert (counted(lines), hidden_values(lines)) == ("", 1)
    assert "the real one" not in repr(lines)
    other = definition(step("a", config={"headers": {"token": "the real one"}, "url": "y"}))
    [edit] = compare_definitions(old, other)[1].edits
    assert (edit.change.path, edit.change.value) == ("/config/url", "y")


def test_steps_without_an_id_or_with_another_ones_are_told_apart_by_place() -> None:
    nameless: dict[str, Json] = {"type": "state.set", "config": {"state": "A"}}
    lines = compare_definitions(definition(nameless, step("a"), step("a")), definition(nameless, step("a"), step("a")))
    assert counted(lines) == ""
    assert len({line.key for line in lines}) == len(lines)


@pytest.mark.parametrize("broken", [None, 1, [], {}, {"steps": 3}, {"steps": [1, None, {"type": []}]}])
def test_what_is_no_definition_is_compared_all_the_same(broken: Any) -> None:
    compare_definitions(broken, ORDER)
    compare_definitions(ORDER, broken)
    compare_definitions(broken, broken)


def test_everything_drawn_is_safe() -> None:
    evil = definition(step(f"a{EVIL}", name=EVIL), branch(EVIL, [step("x", config={EVIL: EVIL})]))
    for line in compare_definitions(evil, definition(step("b"))):
        if line.part is not None:
            assert line.part.label == safe(line.part.label)
            assert line.part.detail == safe(line.part.detail)


def test_the_demo_shows_one_of_each() -> None:
    assert counted(compare_definitions(ORDER_BEFORE, ORDER)) == "3 changed, 1 added, 1 removed"


def test_any_two_versions_have_every_step_exactly_once() -> None:
    chance = random.Random(7)
    for _ in range(200):
        old, new = _some_steps(chance), _some_steps(chance)
        lines = compare_definitions(definition(*old), definition(*new))
        assert len({line.key for line in lines}) == len(lines)
        before, after = _ids(old), _ids(new)
        seen = [line for line in lines[1:] if line.part is not None]
        assert sorted(line.part.step_id for line in seen) == sorted(before | after)  # type: ignore[union-attr]
        assert [line.new.step_id for line in seen if line.new is not None] == _in_order(new)
        assert {line.old.step_id for line in seen if line.change is Change.REMOVED} == before - after  # type: ignore[union-attr]
        assert {line.new.step_id for line in seen if line.change is Change.ADDED} == after - before  # type: ignore[union-attr]


def _some_steps(chance: random.Random) -> list[dict[str, Json]]:
    ids = [f"s{number}" for number in range(12)]
    chance.shuffle(ids)
    chosen = ids[: chance.randint(1, 12)]
    steps: list[dict[str, Json]] = []
    while chosen:
        name = chosen.pop()
        if chosen and chance.random() < 0.4:
            inside = [step(chosen.pop()) for _ in range(chance.randint(1, len(chosen)))]
            steps.append(branch(name, inside[::2], inside[1::2]))
        else:
            steps.append(step(name, name=chance.choice("ab")))
    return steps


def _in_order(steps: Any) -> list[str]:
    found: list[str] = []
    for one in steps:
        found += [one["id"], *_in_order(one.get("then", [])), *_in_order(one.get("else", []))]
    return found


def _ids(steps: Any) -> set[str]:
    return set(_in_order(steps))
