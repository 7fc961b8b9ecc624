"""What crosses comes back as it was, and what was written by an older build is still read."""

from __future__ import annotations

import json

import pytest

from engine.definition.step_ref import StepRef
from engine.interpreter.effects import LogRecord, PureCall, StepRecord, WaitRecord
from engine.workflow.encoding import decode_step, decode_trace, encode_step, encode_trace

STEP = StepRef("root.steps[0].body.steps[1]", "0.3", 2, "author", "action.call")
AT = "2026-01-01T00:00:00.000Z"
RECORDS = (
    StepRecord(1, STEP, "STARTED", 1, AT),
    StepRecord(
        2,
        STEP,
        "FAILED",
        3,
        AT,
        completed_at=AT,
        outcome={"a": [1, None]},
        error={"category": "ActionError"},
        handled_by="tryCatch",
        call=PureCall("transform.x", 1, {"in": 1}, None, {"category": "ActionError"}),
    ),
    WaitRecord(3, STEP, "event", "RESOLVED", AT, "PING", "key", AT, "e1", {"filters": []}, attempt=4),
    LogRecord(4, "WARN", "text", STEP, AT, {"n": 1}),
    LogRecord(5, "INFO", "text", None, AT),
)


def test_a_trace_survives_json() -> None:
    assert decode_trace(json.loads(json.dumps(encode_trace(RECORDS)))) == RECORDS


def test_a_step_survives_json() -> None:
    assert decode_step(json.loads(json.dumps(encode_step(STEP)))) == STEP


def test_a_record_is_small() -> None:
    [wire] = encode_trace(RECORDS[:1])
    assert len(json.dumps(wire, separators=(",", ":"))) < 140


def test_a_wait_written_without_its_try_is_the_first() -> None:
    [wire] = encode_trace([WaitRecord(3, STEP, "time", "WAITING", AT)])
    assert decode_trace([wire[:-1]]) == (WaitRecord(3, STEP, "time", "WAITING", AT),)


def test_a_kind_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        decode_trace([["x", 1]])
