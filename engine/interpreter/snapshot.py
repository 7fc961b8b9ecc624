"""The state of a run as JSON and back: for continue-as-new, and for going on in another process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from engine.definition.plan import Plan
from engine.definition.step_ref import StepRef
from engine.interpreter import effects
from engine.interpreter.effects import ActionTraits, Host, RunFacts
from engine.interpreter.events import EventBuffer
from engine.interpreter.frames import frame_from_json, frame_to_json
from engine.interpreter.run_state import OpenStep, RunState
from engine.interpreter.scopes import Scopes

STATE_VERSION: Final = 1
_CLASSES: Final[dict[str, type]] = {
    cls.__name__: cls
    for cls in (
        effects.ActionTraits,
        effects.AwaitEvent,
        effects.AwaitQuota,
        effects.AwaitTask,
        effects.AwaitTime,
        effects.CallAction,
        effects.Finish,
        effects.Flush,
        effects.LogRecord,
        effects.PureCall,
        effects.Sleep,
        effects.StartChild,
        effects.StepRecord,
        StepRef,
        effects.WaitRecord,
        OpenStep,
    )
}
_KIND: Final = "$kind"
_DATACLASS_FIELDS: Final = frozenset(("step", "ref", "call", "traits", "wait", "trace"))
"""The only fields that hold dataclasses; every other field holds JSON, which is never looked into."""


def to_json(state: RunState) -> dict[str, Any]:
    """JSON-serializable and complete. Shares its values with the state: serialize it before the run goes on.

    The trace of an effect that the host has been given is left out: it was written, or is being written, by the host.
    """
    pending = state.pending
    return {
        "state_version": STATE_VERSION,
        "definition_hash": state.facts.definition_hash,
        "at": state.plan.labels[state.at],
        "iteration": state.iteration,
        "frames": [frame_to_json(frame, state.plan) for frame in state.frames],
        "scopes": state.scopes.to_json(),
        "events": state.events.to_json(),
        "seq": state.seq,
        "now": state.now_ms,
        "steps_started": state.steps_started,
        "quota": state.quota,
        "open": None if state.open is None else encode(state.open),
        "pending": None if pending is None else {**encode(pending), **({"trace": []} if state.delivered else {})},
        "delivered": state.delivered,
        "trace": [encode(record) for record in state.trace],
    }


def from_json(
    plan: Plan, facts: RunFacts, value: dict[str, Any], host: Host, traits: Mapping[str, ActionTraits]
) -> RunState:
    """The inverse of ``to_json``. Raises ValueError, KeyError or TypeError when the state does not belong to this plan."""
    if value["state_version"] != STATE_VERSION:
        raise ValueError(f"state version {value['state_version']} is not {STATE_VERSION}")
    if value["definition_hash"] != facts.definition_hash:
        raise ValueError("the state belongs to another definition")
    scopes = Scopes.from_json(facts, value["scopes"])
    # Without a time: by a build whose clock was Temporal's, which moves it on when it goes on.
    state = RunState(plan, facts, scopes, host, traits, int(value.get("now", 0)))
    state.at = plan.index[value["at"]]
    state.iteration = str(value["iteration"])
    state.frames = [frame_from_json(frame, plan) for frame in value["frames"]]
    state.events = EventBuffer.from_json(value["events"])
    state.seq = int(value["seq"])
    state.steps_started = int(value["steps_started"])
    state.quota = None if value["quota"] is None else int(value["quota"])
    state.open = None if value["open"] is None else decode(value["open"])
    state.pending = None if value["pending"] is None else decode(value["pending"])
    state.delivered = bool(value["delivered"])
    state.trace = [decode(record) for record in value["trace"]]
    return state


def digest_of(state: dict[str, Any]) -> str:
    """A digest of a state as JSON, of everything but the buffered events."""
    return digest_and_size(state)[0]


def digest_and_size(state: dict[str, Any]) -> tuple[str, int]:
    """``digest_of``, and how many bytes the state has as JSON."""
    text = json.dumps({**state, "events": None}, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16], len(text)


def encode(value: Any) -> dict[str, Any]:
    """A record, an effect or an open step as JSON."""
    result: dict[str, Any] = {_KIND: type(value).__name__}
    for field in fields(value):
        item = getattr(value, field.name)
        if field.name in _DATACLASS_FIELDS and item is not None:
            item = encode(item) if is_dataclass(item) else [encode(part) for part in item]
        elif isinstance(item, tuple):
            item = list(item)
        result[field.name] = item
    return result


def decode(value: dict[str, Any]) -> Any:
    """The inverse of ``encode``. Raises KeyError or TypeError for anything else."""
    cls = _CLASSES[value[_KIND]]
    arguments = {name: item for name, item in value.items() if name != _KIND}
    for name in _DATACLASS_FIELDS & arguments.keys():
        item = arguments[name]
        if isinstance(item, dict):
            arguments[name] = decode(item)
        elif isinstance(item, list):
            arguments[name] = tuple(decode(part) for part in item)
    if "secret_paths" in arguments:
        arguments["secret_paths"] = tuple(arguments["secret_paths"])
    return cls(**arguments)
