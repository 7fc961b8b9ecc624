"""Steps, events and trace records as they cross between the workflow and its activities.

Forms are lists, not objects: a trace is written into every history, so its size is paid on every step and on every replay.
Histories outlive deployments: a field is only ever added at the end, and only with a default in ``decode_trace``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from engine.definition.step_ref import StepRef
from engine.interpreter.effects import EventArrived, LogRecord, PureCall, Record, StepRecord, WaitRecord
from engine.workflow.wire import Wire


def encode_step(step: StepRef) -> Wire:
    """``[path, iteration, visit, step_id, step_type]``."""
    return [step.path, step.iteration, step.visit, step.step_id, step.step_type]


def decode_step(wire: Sequence[Any]) -> StepRef:
    """The inverse of ``encode_step``."""
    return StepRef(*wire)


def encode_event(event: EventArrived) -> Wire:
    """``[event_id, event_name, key, payload, received_at, stored]``: the arguments of ``EventArrived``."""
    return [event.event_id, event.event_name, event.key, event.payload, event.received_at, event.stored]


def encode_trace(trace: Iterable[Record]) -> list[Wire]:
    """Records as lists, each led by its kind: ``s`` step, ``w`` wait, ``l`` log."""
    return [_encode(record) for record in trace]


def decode_trace(wires: Iterable[Sequence[Any]]) -> tuple[Record, ...]:
    """The inverse of ``encode_trace``."""
    return tuple(_decode(wire) for wire in wires)


def _encode(record: Record) -> Wire:
    match record:
        case StepRecord():
            call = record.call
            return [
                "s",
                record.seq,
                encode_step(record.step),
                record.status,
                record.attempt,
                record.started_at,
                record.completed_at,
                record.outcome,
                record.error,
                record.handled_by,
                call and [call.action_id, call.action_version, call.input, call.output, call.error],
            ]
        case WaitRecord():
            return [
                "w",
                record.seq,
                encode_step(record.step),
                record.wait_type,
                record.status,
                record.at,
                record.event_name,
                record.key,
                record.timeout_at,
                record.matched_event_id,
                record.payload,
                record.attempt,
            ]
        case LogRecord():
            step = record.step and encode_step(record.step)
            return ["l", record.seq, record.level, record.message, step, record.at, record.context]


def _decode(wire: Sequence[Any]) -> Record:
    kind, seq, *rest = wire
    match kind:
        case "s":
            step, status, attempt, started_at, completed_at, outcome, error, handled_by, call = rest
            return StepRecord(
                seq,
                decode_step(step),
                status,
                attempt,
                started_at,
                completed_at,
                outcome,
                error,
                handled_by,
                PureCall(*call) if call else None,
            )
        case "w":
            step, *fields = rest
            return WaitRecord(seq, decode_step(step), *fields)
        case "l":
            level, message, step, at, context = rest
            return LogRecord(seq, level, message, decode_step(step) if step else None, at, context)
    raise ValueError(f"A trace record of unknown kind {kind!r}: it was written by a newer build.")
