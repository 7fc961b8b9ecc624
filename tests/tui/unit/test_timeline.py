"""The timeline: segments, the scale with its short idle stretches, and the bars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.records import Step, StepStatus, Wait, WaitKind, WaitStatus
from runstudio_tui.domain.timeline import Doing, Scale, Segment, axis, bar, holding, scale_of, segments

START = datetime(2026, 1, 15, 10, 40, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """A moment of the run."""
    return START + timedelta(seconds=seconds)


def step(start: float, end: float | None, kind: str = "action.call") -> Step:
    """A step row."""
    status = StepStatus.STARTED if end is None else StepStatus.SUCCEEDED
    return Step("s", "root.steps[0]", "s", kind, status, at(start), None if end is None else at(end))


def wait(start: float, end: float | None, kind: WaitKind = WaitKind.RETRY) -> Wait:
    """A wait of the step."""
    status = WaitStatus.WAITING if end is None else WaitStatus.RESOLVED
    return Wait(f"w{start}", "root.steps[0]", "", kind, status, at(start), resolved_at=None if end is None else at(end))


def run(start: float, end: float, doing: Doing = Doing.RUNNING) -> Segment:
    """A segment."""
    return Segment(doing, at(start), at(end))


def whole(scale: Scale) -> str:
    """The axis from end to end."""
    return axis(scale, 0, scale.cells, lambda moment: moment.strftime("%H:%M:%S"))


def test_the_axis_says_when() -> None:
    scale = scale_of([run(0, 7), run(7, 187, Doing.WAITING)], 60)
    assert scale is not None
    assert whole(scale).startswith("10:40:12 ────")
    assert "── 10:40:19 ════3m" in whole(scale)
    middle = axis(scale, 20, 20, lambda moment: moment.strftime("%H:%M:%S"))
    assert len(middle) == 20
    assert middle.startswith("10:40:14 ")


def test_tries_and_the_gaps_between_them() -> None:
    made = segments(step(0, 10), [wait(5, 7), wait(1, 4)], at(60))
    assert [(s.doing, (s.start - START).total_seconds(), (s.end - START).total_seconds()) for s in made] == [
        (Doing.RUNNING, 0, 1),
        (Doing.BACKING_OFF, 1, 4),
        (Doing.RUNNING, 4, 5),
        (Doing.BACKING_OFF, 5, 7),
        (Doing.RUNNING, 7, 10),
    ]


def test_what_goes_on_is_open() -> None:
    waiting = segments(step(0, None), [wait(0, None, WaitKind.EVENT)], at(60))
    assert [(s.doing, s.open, s.end) for s in waiting] == [(Doing.WAITING, True, at(60))]
    running = segments(step(0, None), [], at(60))
    assert [(s.doing, s.open) for s in running] == [(Doing.RUNNING, True)]


def test_a_block_holds_while_the_steps_in_it_run() -> None:
    assert [(s.doing, s.end, s.open) for s in holding(at(0), None, at(60))] == [(Doing.HOLDING, at(60), True)]
    assert [(s.end, s.open) for s in holding(at(0), at(5), at(60))] == [(at(5), False)]
    assert holding(None, None, at(60)) == ()


def test_a_clock_that_went_back_breaks_nothing() -> None:
    assert segments(step(5, 3), [wait(9, 2)], at(0))
    assert scale_of(segments(step(5, 3), [], at(0)), 40) is not None


def test_idle_stretches_are_short_and_say_how_long_they_were() -> None:
    lanes = [[run(0, 3)], [run(3, 7)], [run(7, 187, Doing.WAITING)]]
    scale = scale_of([segment for lane in lanes for segment in lane], 60)
    assert scale is not None
    assert [piece.idle for piece in scale.pieces] == [False, True]
    assert "═3m═" in whole(scale)
    assert len(whole(scale)) == 60
    assert bar(lanes[0], scale).count("▇") > 15
    assert bar(lanes[2], scale).strip().startswith("╌")
    assert bar(lanes[2], scale)[-1] == "╌"


def test_a_run_without_idle_time_is_to_scale() -> None:
    lanes = [[run(0, 10)], [run(10, 40)]]
    scale = scale_of([segment for lane in lanes for segment in lane], 40)
    assert scale is not None
    assert bar(lanes[0], scale) == "▇" * 10 + " " * 30
    assert bar(lanes[1], scale) == " " * 10 + "▇" * 30
    assert "═" not in whole(scale)


def test_a_short_idle_stretch_that_would_take_the_line_is_short_too() -> None:
    lanes = [[run(0, 1)], [run(1, 6.9, Doing.BACKING_OFF)], [run(6.9, 7.5)], [run(7.5, 190, Doing.WAITING)]]
    scale = scale_of([segment for lane in lanes for segment in lane], 60)
    assert scale is not None
    assert [piece.idle for piece in scale.pieces] == [False, True, False, True]
    assert whole(scale).count("═") >= 12


def test_the_shortest_step_has_a_cell() -> None:
    lanes = [[run(0, 0.0001)], [run(0, 100)]]
    scale = scale_of([segment for lane in lanes for segment in lane], 30)
    assert scale is not None
    assert bar(lanes[0], scale).count("▇") == 1


def test_nothing_yet() -> None:
    assert scale_of([], 40) is None
    assert scale_of([run(0, 1)], 5) is None


@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5), st.sampled_from(list(Doing))), min_size=1, max_size=12),
    st.integers(10, 200),
)
def test_every_bar_has_its_cells(spans: list[tuple[float, float, Doing]], cells: int) -> None:
    lanes: list[Any] = [[run(start, start + length, doing)] for start, length, doing in spans]
    scale = scale_of([segment for lane in lanes for segment in lane], cells)
    assert scale is not None
    assert len(whole(scale)) == cells
    for lane in lanes:
        drawn = bar(lane, scale)
        assert len(drawn) == cells
        assert drawn.strip()
    for piece in scale.pieces:
        assert piece.last >= piece.first
