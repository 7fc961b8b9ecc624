"""What a run did to the world outside, and what of it a replay does again."""

from __future__ import annotations

from typing import Any

import pytest

from engine.records import Attempt, AttemptStatus, Difference, Document, PreviewStop, ReplayPreview, Step, StepStatus
from runstudio_tui.domain.done_before import Execution, done_again, done_before


def attempt(path: str, iteration: str = "", action: str = "pay.charge@1", number: int = 1, **changes: Any) -> Attempt:
    """One that succeeded, unless it is said otherwise."""
    status = changes.pop("status", AttemptStatus.SUCCEEDED)
    return Attempt(f"{path}{iteration}{number}", path, iteration, action, number, status, None, **changes)


def step(path: str, step_id: str) -> Step:
    """Its row."""
    return Step(path, path, step_id, "action.call", StepStatus.SUCCEEDED, None)


def preview(stop: tuple[str, str] | None = None, dropped: tuple[str, ...] = ()) -> ReplayPreview:
    """One that stops at a path and an iteration, and leaves out some paths."""
    return ReplayPreview(
        run_id="r",
        changed_paths=(),
        issues=(),
        status=None,
        error=None,
        differences=tuple(Difference(path, "", "s", "dropped", "SUCCEEDED", None) for path in dropped),
        stop=PreviewStop("INPUT_CHANGED", "new", stop[0], stop[1], "s", None, None) if stop is not None else None,
        state=Document({}),
    )


BODY = "root.steps[1].body.steps[0]"
ATTEMPTS = (
    attempt("root.steps[0].else.steps[0]", action="mail.send@1"),
    attempt(BODY, "0", "http.request@1", status=AttemptStatus.FAILED),
    attempt(BODY, "0", "http.request@1", 2),
    attempt(BODY, "1", "http.request@1"),
    attempt(BODY, "2", "http.request@1"),
    attempt("root.steps[2]"),
    attempt("root.steps[3]", status=AttemptStatus.ABANDONED),
)
STEPS = (step("root.steps[0].else.steps[0]", "tell\x1b"), step(BODY, "price"))


def texts(found: Any) -> list[str]:
    """As they are shown."""
    return [entry.text for entry in found]


TRIED = "root.steps[3] (pay.charge, tried, may have acted)"


def test_what_was_done_and_what_was_tried_is_counted_by_step_and_action() -> None:
    assert texts(done_before(ATTEMPTS, STEPS)) == [
        "tell␛ (mail.send)",
        "price (http.request, 3 times)",
        "root.steps[2] (pay.charge)",
        TRIED,
    ]


@pytest.mark.parametrize("status", [AttemptStatus.FAILED, AttemptStatus.STARTED, AttemptStatus.ABANDONED])
def test_what_never_succeeded_may_have_acted_all_the_same(status: AttemptStatus) -> None:
    tries = [attempt(BODY, "0", "http.request@1", number, status=status) for number in (1, 2, 3)]
    [done] = done_before(tries, STEPS)
    assert done.text == "price (http.request, tried, may have acted)"
    more = [*tries, attempt(BODY, "1", "http.request@1", status=status)]
    assert texts(done_before(more, STEPS)) == ["price (http.request, tried 2 times, may have acted)"]
    [both] = done_before([*more, attempt(BODY, "2", "http.request@1")], STEPS)
    assert both.text == "price (http.request, 2 more tried, which may have acted)"
    assert (both.times, both.tried) == (1, 2)


def test_without_a_stop_everything_is_done_again_but_what_is_left_out() -> None:
    done = done_before(ATTEMPTS, STEPS)
    again = done_again(done, preview(dropped=("root.steps[0].else.steps[0]",)))
    assert texts(again.same) == ["price (http.request, 3 times)", "root.steps[2] (pay.charge)", TRIED]
    assert texts(again.unknown) == []
    assert texts(again.left_out) == ["tell␛ (mail.send)"]


def test_from_the_stop_on_nothing_is_known() -> None:
    done = done_before(ATTEMPTS, STEPS)
    again = done_again(done, preview(stop=(BODY, "1")))
    assert texts(again.same) == ["tell␛ (mail.send)", "price (http.request)"]
    assert texts(again.unknown) == ["price (http.request, 2 times)", "root.steps[2] (pay.charge)", TRIED]


def test_a_stop_at_a_step_that_was_never_reached_has_a_place_too() -> None:
    done = done_before(ATTEMPTS, STEPS)
    never = ("root.steps[0].then.steps[0]", "")
    again = done_again(done, preview(stop=never, dropped=("root.steps[0].else.steps[0]",)))
    assert texts(again.same) == []
    assert texts(again.unknown) == ["price (http.request, 3 times)", "root.steps[2] (pay.charge)", TRIED]
    assert texts(again.left_out) == ["tell␛ (mail.send)"]


@pytest.mark.parametrize(
    ("path", "iteration", "place"),
    [
        ("root.steps[12]", "", (12,)),
        ("root.steps[1].body.steps[0]", "7", (1, 7, 0)),
        ("root.steps[1].body.steps[0].body.steps[2]", "7.3", (1, 7, 0, 3, 2)),
        ("root.steps[1].catch.steps[0]", "", (1, 1, 0)),
        ("root.steps[1].try.steps[0]", "", (1, 0, 0)),
        ("root.steps[1].then.steps[0]", "", (1, 0, 0)),
        ("x", "y", ()),
    ],
)
def test_executions_have_an_order(path: str, iteration: str, place: tuple[int, ...]) -> None:
    assert Execution(path, iteration).place == place
