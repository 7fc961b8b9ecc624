"""F24: the size of a text is known before it is made; what would need gigabytes is refused with the memory of its input."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from engine.actions.builtin.regex import REGEX_ACTIONS
from engine.actions.declaration import declarations_of
from engine.actions.pure import run_pure
from engine.errors import StepFailure

LONG = "a" * 250_000
MEGABYTE = 1024 * 1024
REFERENCE = {"type": "reference", "path": "payload.long", "label": "L"}
OUTPUTS = [{"id": "o", "label": "o", "stableKey": "o", "document": {
    "version": 1, "blocks": [{"type": "paragraph", "children": [REFERENCE] * 10_000}]}}]  # fmt: skip
DEEP: Any = [0] * 50_000
for _ in range(150):
    DEEP = [DEEP]

PURE: dict[str, tuple[str, dict[str, Any]]] = {
    "every match replaced": ("transform.replace_text", {"text": LONG, "search": "a", "replacement": LONG}),
    "one match with tokens": (
        "transform.replace_text",
        {"text": LONG, "search": LONG, "replacement": "$&" * 100_000, "replaceAll": False},
    ),
    "a long delimiter": ("transform.join_text", {"items": [None] * 80_000, "delimiter": LONG}),
    "a long separator": ("transform.concat_text", {"values": [1] * 80_000, "separator": LONG}),
    "a deep indentation": ("transform.stringify_json", {"source": DEEP, "spacing": 8}),
    "many shared parts": ("transform.stringify_json", {"source": [LONG] * 50_000}),
    "many references": ("transform.compose_text", {}),
}


def peak_of(call: Any) -> float:
    """Megabytes allocated at once until the call was refused."""
    tracemalloc.start()
    try:
        with pytest.raises(StepFailure) as refused:
            call()
        return tracemalloc.get_traced_memory()[1] / MEGABYTE
    finally:
        tracemalloc.stop()
        assert refused.value.code in {"PAYLOAD_TOO_LARGE", "REGEX_LIMIT_EXCEEDED"}


@pytest.mark.parametrize("case", PURE)
def test_f24_a_pure_action(case: str) -> None:
    action, given = PURE[case]
    config, context = {"outputs": OUTPUTS}, {"payload": {"long": LONG}}
    assert peak_of(lambda: run_pure(action, 1, given, step_config=config, context=context, now_iso=str)) < 40


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("transform.regex_replace", {"pattern": ".*", "flags": "s", "replacement": "$&" * 100_000}),
        ("transform.regex_replace", {"pattern": "a", "replacement": "$`$'" * 50_000}),
        ("transform.regex_extract", {"pattern": "(" * 90 + ".*" + ")" * 90, "flags": "s"}),
        ("transform.regex_match", {"pattern": "(" * 90 + ".*" + ")" * 90, "flags": "s"}),
    ],
)
def test_f24_a_regular_expression(name: str, given: dict[str, Any]) -> None:
    [registered] = [one for handler in REGEX_ACTIONS for one in declarations_of(handler) if one.id == name]
    call = registered.input_model.model_validate({"text": LONG[:20_000], **given})
    handler = registered.handler
    assert handler is not None
    assert peak_of(lambda: handler(call, None)) < 40
