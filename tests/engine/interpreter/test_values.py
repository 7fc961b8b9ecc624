"""Times, and what is shown of values in records."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.definition.step_ref import StepRef
from engine.interpreter.effects import PureCall, StepRecord, WaitRecord
from engine.interpreter.ledger import Ledger
from engine.interpreter.times import EARLIER_LATEST, iso_of, milliseconds_of, parse_instant
from engine.interpreter.trace import MAX_OUTCOME_BYTES, bounded, shown, shown_assignments
from engine.values.json_size import json_size
from engine.values.timestamps import time_of


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-02", "2026-01-02T00:00:00.000Z"),
        ("2026-01", "2026-01-01T00:00:00.000Z"),
        ("2026", "2026-01-01T00:00:00.000Z"),
        ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"),
        ("2026-01-02T03:04:05,6Z", "2026-01-02T03:04:05.600Z"),
        ("2026-01-02T03:04", "2026-01-02T03:04:00.000Z"),
        ("2026-01-02 03:04:05", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02T03:04:05+02:30", "2026-01-02T00:34:05.000Z"),
        ("2026-01-02T03:04:05-0100", "2026-01-02T04:04:05.000Z"),
        ("2026-01-02T03:04:05+01", "2026-01-02T02:04:05.000Z"),
        (" 2026-01-02t03:04:05.123456789z ", "2026-01-02T03:04:05.123Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("2026-01-02T03:04:05.1239999999999Z", "2026-01-02T03:04:05.123Z"),
        ("0001-01-01", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999Z"),
        ("9999-12-31T23:59:59+23:59", "9999-12-31T00:00:59.000Z"),
    ],
)
def test_iso_times_are_read(text: str, instant: str) -> None:
    assert iso_of(parse_instant(text)) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "5",
        "20260102",
        "1767225600000",
        "2026-02-30",
        "2026-01-02T25:00Z",
        "2026-01-02T03:04:05+25:00",
        "2026-01-02Z",
        "２０２６-01-02",
        "2026-01-02T24:00Z",
        "2026-01-02T23:59:60Z",
        "2026-01-02T03:04+24:00",
        "2026-01-02T03:04+14:60",
        "2026-W05-6",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    ],
)
def test_what_is_no_iso_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_instant(text)


@pytest.mark.parametrize("text", ["9999-12-31T00:00:00.001Z", "2026-01-02T03:04:05.1234567890Z"])
def test_earlier_semantics_refuse_what_they_refused(text: str) -> None:
    assert parse_instant(text) == milliseconds_of(time_of(text))
    with pytest.raises(ValueError, match="outside the years"):
        parse_instant(text, earlier=True)
    assert parse_instant("9999-12-31", earlier=True) == EARLIER_LATEST


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_survive_to_the_millisecond(moment: datetime) -> None:
    back = parse_instant(iso_of(milliseconds_of(moment)))
    assert back == milliseconds_of(moment)
    assert moment - datetime.fromisoformat(iso_of(back)) < timedelta(milliseconds=1)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=400),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=30), inner, max_size=6),
    max_leaves=20,
)


@given(st.dictionaries(st.text(min_size=1, max_size=60), JSON, max_size=60))
def test_an_outcome_fits_into_its_row(assignments: dict[str, Any]) -> None:
    for outcome in (bounded(shown_assignments(assignments.items())), bounded(assignments)):
        assert (
            len(json.dumps(outcome, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
            <= MAX_OUTCOME_BYTES
        )


def test_small_values_are_shown_and_large_ones_are_described() -> None:
    assert shown({"a": [1, 2]}) == {"a": [1, 2]}
    assert shown("x" * 5000) == {"$omitted": "text of 5000"}
    assert shown(list(range(5000))) == {"$omitted": "list of 5000"}
    assert shown({str(n): n for n in range(500)}) == {"$omitted": "object of 500"}
    many = shown_assignments((f"vars.v{n}", "x" * 100) for n in range(100))
    assert len(many["assigned"]) + many["notShown"] == 100


def test_sizing_stops_at_its_limit() -> None:
    deep: Any = "x" * 10
    for _ in range(100_000):
        deep = [deep]
    assert json_size(deep, 1000) < 2000
    assert json_size(list(range(10**6)), 1000) > 1000


def step(status: str, seq: int, call: PureCall | None = None) -> StepRecord:
    return StepRecord(seq, StepRef("p", "", 1, "s", "t"), status, 1, "at", call=call)


def test_a_terminal_row_is_never_replaced_and_of_open_ones_the_later_counts() -> None:
    ledger = Ledger()
    ledger.add([step("STARTED", 1), step("STARTED", 3), step("STARTED", 2)])
    assert ledger.steps[0].seq == 3
    ledger.add([step("SUCCEEDED", 4), step("STARTED", 5), step("FAILED", 6)])
    assert (ledger.steps[0].status, len(ledger.steps)) == ("SUCCEEDED", 1)
    assert ledger.step(StepRef("p", "", 1, "s", "t")) == ledger.steps[0]


def test_waits_are_told_apart_by_type_and_try() -> None:
    ref = StepRef("p", "", 1, "s", "t")
    ledger = Ledger()
    ledger.add([WaitRecord(1, ref, "retry", "WAITING", "at"), WaitRecord(2, ref, "retry", "WAITING", "at", attempt=2)])
    ledger.add([WaitRecord(3, ref, "retry", "RESOLVED", "at"), WaitRecord(4, ref, "retry", "WAITING", "at")])
    assert [(wait.attempt, wait.status) for wait in ledger.waits] == [(1, "RESOLVED"), (2, "WAITING")]
