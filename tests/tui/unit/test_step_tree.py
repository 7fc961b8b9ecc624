"""Definition and executions, laid over each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.records import ErrorInfo, Step, StepStatus
from runstudio_tui.domain.definition import definition_tree
from runstudio_tui.domain.executions import Executions
from runstudio_tui.domain.step_places import enclosing_loops, line_key
from runstudio_tui.domain.step_tree import StepTree

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
DEFINITION: dict[str, Any] = {
    "steps": [
        {"id": "first", "type": "action.call", "config": {"actionId": "store.put", "version": 1}},
        {
            "id": "outer",
            "type": "control.forEach",
            "items": {"$expr": "payload.a"},
            "itemVar": "a",
            "body": [
                {
                    "id": "inner",
                    "type": "control.forEach",
                    "items": {"$expr": "vars.a"},
                    "itemVar": "b",
                    "body": [{"id": "leaf", "type": "action.call", "config": {"actionId": "x", "version": 2}}],
                }
            ],
        },
        {
            "id": "choice",
            "type": "control.if",
            "condition": {"$expr": "payload.n   > 100"},
            "then": [{"id": "yes", "type": "state.set", "config": {"state": "ok"}}],
            "else": [{"id": "no", "type": "state.set", "config": {"state": "no"}}],
        },
        {
            "id": "guard",
            "type": "control.tryCatch",
            "try": [{"id": "risky", "type": "action.call", "config": {"actionId": "y", "version": 1}}],
            "catch": [{"id": "mend", "type": "action.call", "config": {"actionId": "z", "version": 1}}],
        },
        {"id": "last", "type": "event.wait", "config": {"eventName": "done", "correlationKey": {"$expr": "1"}}},
    ]
}


def step(path: str, iteration: str = "", status: StepStatus = StepStatus.SUCCEEDED, **more: Any) -> Step:
    """A step row."""
    visit = more.pop("visit", 1)
    ended = None if status is StepStatus.STARTED else NOW
    kinds = {"steps[1]": "control.forEach", "steps[2]": "control.if", "steps[3]": "control.tryCatch"}
    kind = kinds.get(path.removeprefix("root."), "action.call")
    return Step(
        f"{path}#{iteration}#{visit}",
        path,
        more.pop("step_id", path.rsplit(".", 1)[-1]),
        kind,
        status,
        NOW - timedelta(seconds=2),
        ended,
        iteration,
        visit,
        **more,
    )


def shown(tree: StepTree) -> list[str]:
    """The tree as text."""
    return [
        f"{'  ' * line.depth}{line.state.glyph} {line.label}" + (f" | {line.detail}" if line.detail else "")
        for line in tree.lines(NOW, lambda _: False)
    ]


def tree_of(*steps: Step) -> tuple[StepTree, Executions]:
    """A tree over the definition."""
    executions = Executions()
    executions.apply(steps)
    return StepTree(definition_tree(DEFINITION), executions), executions


def test_before_anything_ran_the_top_level_is_shown() -> None:
    tree, _ = tree_of()
    assert shown(tree) == [
        "· first | store.put@1",
        "· for each a",
        "· if payload.n > 100",
        "· try guard",
        "· last | event done",
    ]


def test_branches_taken_and_not_taken() -> None:
    tree, _ = tree_of(
        step("root.steps[2]", outcome={"branch": "else"}),
        step("root.steps[2].else.steps[0]"),
    )
    lines = shown(tree)
    at = lines.index("✔ if payload.n > 100 | → else")
    assert lines[at + 1 : at + 4] == ["  · then | not taken", "  ✔ else | taken", "    ✔ no | state.set"]


def test_a_catch_that_was_entered_is_shown_under_its_name() -> None:
    error = ErrorInfo("ActionError", "no", "BROKEN")
    tree, _ = tree_of(
        step("root.steps[3]"),
        step("root.steps[3].try.steps[0]", status=StepStatus.FAILED, error=error, handled_by="tryCatch"),
        step("root.steps[3].catch.steps[0]"),
    )
    assert "  ✖ risky | BROKEN, handled · y@1" in shown(tree)
    assert "  ✔ catch | taken" in shown(tree)
    assert "    ✔ mend | z@1" in shown(tree)


def test_what_was_taken_looks_taken_and_the_rest_is_dim() -> None:
    failed = step("root.steps[3].try.steps[0]", status=StepStatus.FAILED, handled_by="tryCatch")

    def mend(status: StepStatus) -> Step:
        return step("root.steps[3].catch.steps[0]", status=status)

    for rows, expected in [
        ([step("root.steps[2]", outcome={"branch": "then"}), step("root.steps[2].then.steps[0]")], {"· else": True}),
        ([step("root.steps[2]", outcome={"branch": "else"})], {"· then": True, "✔ else": False}),
        ([step("root.steps[2]", status=StepStatus.STARTED)], {"· then": True, "· else": True}),
        ([step("root.steps[3]"), step("root.steps[3].try.steps[0]")], {"· catch": True}),
        ([step("root.steps[3]", status=StepStatus.STARTED), failed], {"· catch": True}),
        ([step("root.steps[3]", status=StepStatus.STARTED), failed, mend(StepStatus.STARTED)], {"● catch": False}),
        ([step("root.steps[3]", status=StepStatus.FAILED), failed, mend(StepStatus.FAILED)], {"✖ catch": False}),
    ]:
        tree, _ = tree_of(*rows)
        lines = tree.lines(NOW, lambda _: False)
        names = ("then", "else", "catch")
        found = {f"{entry.state.glyph} {entry.label}": entry.dim for entry in lines if entry.label in names}
        assert found == expected


def test_iterations_are_closed_until_opened() -> None:
    leaf = "root.steps[1].body.steps[0].body.steps[0]"
    rows = [step("root.steps[1]", outcome={"items": 2})]
    for outer in range(2):
        rows.append(step("root.steps[1].body.steps[0]", str(outer), outcome={"items": 3}))
        rows += [step(leaf, f"{outer}.{inner}") for inner in range(3)]
    rows.append(step(leaf, "1.2", StepStatus.FAILED, visit=2, error=ErrorInfo("ActionError", "no")))
    tree, executions = tree_of(*rows)
    assert "  ✖ [1]" in shown(tree)
    assert "  ✔ [0]" in shown(tree)
    assert not any("x@2" in line for line in shown(tree))
    focus = executions.focus()
    assert focus is not None
    assert focus.visit == 2
    key = tree.reveal(focus)
    assert key == line_key(leaf, "1.2", 2)
    assert "        ✖ leaf | ActionError · visit 2 · x@2" in shown(tree)
    assert tree.set_open("root.steps[1]##1", False)
    assert not any("[1]" in line for line in shown(tree))


def test_what_the_definition_does_not_know_is_shown_too() -> None:
    tree, _ = tree_of(step("root.steps[9]", step_id="old\x1bstep"))
    assert shown(tree)[-1] == "✔ old␛step | action.call"


def test_rows_that_come_again_change_nothing() -> None:
    one = step("root.steps[0]", status=StepStatus.STARTED)
    executions = Executions()
    assert executions.apply([one])
    version = executions.version
    assert not executions.apply([one])
    assert executions.version == version
    assert executions.apply([step("root.steps[0]")])
    assert executions.version == version + 1


def test_status_of_an_iteration_follows_its_rows() -> None:
    path = "root.steps[1].body.steps[0]"
    executions = Executions()
    executions.apply([step(path, "0", StepStatus.STARTED)])
    assert executions.iteration_status("root.steps[1]", "0") is StepStatus.STARTED
    executions.apply([step(path, "0", StepStatus.FAILED, error=ErrorInfo("A", "b"))])
    assert executions.iteration_status("root.steps[1]", "0") is StepStatus.FAILED
    executions.apply([step(path, "0", StepStatus.FAILED, error=ErrorInfo("A", "b"), handled_by="tryCatch")])
    assert executions.iteration_status("root.steps[1]", "0") is StepStatus.SUCCEEDED


def test_an_iteration_whose_failure_the_loop_took_failed_all_the_same() -> None:
    loop = step("root.steps[1]", outcome={"items": 3})
    bad = step("root.steps[1].body.steps[0]", "1", StepStatus.FAILED, handled_by="forEach-continue")
    tree, executions = tree_of(loop, step("root.steps[1].body.steps[0]", "0"), bad)
    assert executions.iteration_status("root.steps[1]", "1") is StepStatus.FAILED
    assert executions.failed_iterations("root.steps[1]", "") == 1
    assert executions.status(loop) is StepStatus.SUCCEEDED
    assert [line.alarm for line in tree.lines(NOW, lambda _: False)][1] == "1 failed"
    executions.apply([replace(bad, status=StepStatus.STARTED, handled_by=None)])
    assert executions.failed_iterations("root.steps[1]", "") == 0


def test_from_failure_to_failure_around_the_ends() -> None:
    failed = [step("root.steps[1].body.steps[0].body.steps[0]", f"0.{n}", StepStatus.FAILED) for n in (9, 10)]
    _, executions = tree_of(step("root.steps[0]", status=StepStatus.FAILED), *failed, step("root.steps[3]"))
    first = executions.get("root.steps[0]##1")
    assert executions.failure_from("root.steps[0]", "", 1, inside=False) == failed[0]
    assert executions.failure_from("root.steps[1].body.steps[0]", "0.10", 1, inside=True) == failed[1]
    assert executions.failure_from(failed[1].path, "0.10", 1, inside=False) == first
    assert executions.failure_from("root.steps[0]", "", -1, inside=False) == failed[1]
    assert tree_of()[1].failure_from("root.steps[0]", "", 1, inside=False) is None


def test_iterations_that_arrive_out_of_order_are_in_order() -> None:
    executions = Executions()
    path = "root.steps[1].body.steps[0]"
    executions.apply([step(path, index) for index in ("2", "0", "10", "1")])
    assert executions.iterations("root.steps[1]", "") == [0, 1, 2, 10]


def test_enclosing_loops() -> None:
    assert enclosing_loops("root.steps[1].body.steps[0].then.steps[0].body.steps[2]", "4.7") == [
        ("root.steps[1]", "4"),
        ("root.steps[1].body.steps[0].then.steps[0]", "4.7"),
    ]
    assert enclosing_loops("root.steps[0]", "") == []


def test_what_runs_comes_before_what_failed_and_was_retried() -> None:
    executions = Executions()
    executions.apply(
        [
            step("root.steps[0]", status=StepStatus.FAILED, error=ErrorInfo("A", "b"), handled_by="tryCatch"),
            step("root.steps[1]", status=StepStatus.STARTED),
            step("root.steps[1].body.steps[0]", "3", StepStatus.STARTED),
        ]
    )
    focus = executions.focus()
    assert focus is not None
    assert focus.iteration == "3"


def test_broken_definitions_are_shown_as_far_as_they_go() -> None:
    for broken in (None, [], {"steps": "x"}, {"steps": [1, {"type": "control.if"}, {"id": 4, "type": None}]}):
        definition_tree(broken)


def test_twenty_thousand_rows_build_the_visible_lines_only() -> None:
    path = "root.steps[1].body.steps[0]"
    executions = Executions()
    executions.apply([step("root.steps[1]", status=StepStatus.STARTED)])
    executions.apply([step(path, str(index)) for index in range(20_000)])
    tree = StepTree(definition_tree(DEFINITION), executions)
    assert len(tree.lines(NOW, lambda _: False)) == 20_005
    tree.set_open("root.steps[1]##1", False)
    assert len(tree.lines(NOW, lambda _: False)) == 5


def at(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def spanning(path: str, began: int, ended: int | None, iteration: str = "", **more: Any) -> Step:
    """A step row from one second to another."""
    row = step(path, iteration, StepStatus.STARTED if ended is None else StepStatus.SUCCEEDED, **more)
    return replace(row, started_at=at(began), completed_at=None if ended is None else at(ended))


def test_a_block_spans_its_first_to_its_last_step() -> None:
    loop = spanning("root.steps[1]", 0, 0, outcome={"items": 2})
    inner = replace(spanning("root.steps[1].body.steps[0]", 1, 1, "0"), step_type="control.forEach")
    leaf = spanning("root.steps[1].body.steps[0].body.steps[0]", 2, 90, "0.0")
    _, executions = tree_of(loop, inner, leaf)
    assert executions.span(loop) == (at(0), at(90))
    assert executions.span(inner) == (at(1), at(90))
    assert executions.iteration_span("root.steps[1]", "0") == (at(1), at(90))
    assert executions.status(loop) is StepStatus.SUCCEEDED


def test_a_block_goes_on_while_the_run_is_inside_it() -> None:
    loop = spanning("root.steps[1]", 0, 0, outcome={"items": 2})
    leaf = spanning("root.steps[1].body.steps[0].body.steps[0]", 2, 3, "0.0")
    tree, executions = tree_of(loop, leaf)
    executions.run_is_at(leaf.path, "0.0")
    assert executions.span(loop) == (at(0), None), "between two of its steps"
    assert "● for each a | 1 of 2" in shown(tree)
    executions.run_is_at("root.steps[2]", "")
    assert executions.span(loop) == (at(0), at(3))
    executions.apply([replace(leaf, row_id="next", iteration="1.0", status=StepStatus.STARTED, completed_at=None)])
    assert executions.span(loop) == (at(0), None)


def test_a_block_stands_as_what_is_inside_it() -> None:
    guard = step("root.steps[3]")
    risky = step("root.steps[3].try.steps[0]", status=StepStatus.FAILED)
    _, executions = tree_of(guard, risky)
    assert executions.status(guard) is StepStatus.FAILED
    executions.apply([replace(risky, handled_by="tryCatch")])
    assert executions.status(guard) is StepStatus.SUCCEEDED
    assert executions.status(replace(guard, status=StepStatus.CANCELED)) is StepStatus.CANCELED
