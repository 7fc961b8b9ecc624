"""The conformance cases of kind ``unit``: one function, an input, an output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.actions.context import StepIdentity
from engine.actions.idempotency import engine_key
from engine.definition.correlation import resolve_correlation
from engine.definition.models import EventTrigger, RetryPolicy
from engine.definition.triggers import apply_trigger_mapping
from engine.interpreter.policies import backoff_ms
from engine.settings import DEFAULT_TENANT
from engine.values.json_policy import limited
from engine.values.redaction.policy import policy_of
from engine.values.redaction.redact import redact
from tests.conformance.loader import Case, load_cases


def _redact(given: dict[str, Any]) -> Any:
    return redact(given["value"], policy_of(given["pointers"], []))[0]


def _limit_snapshot(given: dict[str, Any]) -> Any:
    return limited(given["value"], given["maxBytes"])


def _backoff(given: dict[str, Any]) -> Any:
    return pytest.approx(
        backoff_ms(RetryPolicy.model_validate(given["policy"]), given["attempt"], given["random"]), abs=1e-6
    )


def _engine_key(given: dict[str, Any]) -> Any:
    run, path, action, version, action_input = given["base"]

    def key(run_id: str, value: Any) -> str:
        step = StepIdentity(
            tenant=DEFAULT_TENANT, run_id=run_id, workflow_id="w", workflow_version=1, step_path=path, attempt=1
        )
        return engine_key(step, action, version, value)

    base = key(run, action_input)
    return {
        "sameAgain": key(run, action_input) == base,
        "otherInputEqual": key(run, {"another": action_input}) == base,
        "otherRunEqual": key(f"{run}-2", action_input) == base,
    }


def _resolve_correlation(given: dict[str, Any]) -> Any:
    event = given["event"]
    keys = resolve_correlation(given["paths"], event["eventName"], event["payload"], event.get("correlationKey"))
    return {"key": keys[0] if keys else None, "keys": list(keys)}


def _apply_trigger_mapping(given: dict[str, Any]) -> Any:
    trigger, event = EventTrigger.model_validate(given["trigger"]), given["event"]
    received = str(event.get("receivedAt", ""))
    payload, applied = apply_trigger_mapping(trigger, event, lambda: received, lambda _steps: None)
    return {"payload": payload, "mappingApplied": applied}


FUNCTIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "redact": _redact,
    "limitSnapshot": _limit_snapshot,
    "backoffMs": _backoff,
    "engineKey": _engine_key,
    "resolveCorrelation": _resolve_correlation,
    "applyTriggerMapping": _apply_trigger_mapping,
}


@pytest.mark.parametrize("case", load_cases("unit"), ids=lambda case: case.id)
def test_unit(case: Case) -> None:
    name = case.data["function"].split("(")[0]
    assert name in FUNCTIONS, f"no function of the engine answers to {name}"
    assert FUNCTIONS[name](case.data["input"]) == case.data["expect"]["output"], case.title
