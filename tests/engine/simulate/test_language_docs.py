"""The examples of docs/language.md do what the page says."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.actions.registry import ActionRegistry
from engine.definition.models import CONTROL_TYPES, NODE_TYPES
from engine.simulate.dry_run import simulate

PAGE = (Path(__file__).parents[3] / "docs" / "language.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(block) for block in re.findall(r"```json example\n(.*?)```", PAGE, re.DOTALL)]


def types_in(value: Any) -> set[str]:
    if isinstance(value, list):
        return {found for item in value for found in types_in(item)}
    if isinstance(value, dict):
        own = {value["type"]} if isinstance(value.get("type"), str) else set()
        return own | {found for item in value.values() for found in types_in(item)}
    return set()


def test_every_step_type_has_an_example() -> None:
    shown = {found for example in EXAMPLES for found in types_in(example["steps"])}
    assert {*NODE_TYPES, *CONTROL_TYPES} <= shown


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["steps"][0]["id"])
async def test_an_example_ends_as_the_page_says(example: dict[str, Any]) -> None:
    definition = {"id": "w", "version": 1, "name": "W", "payloadSchemaRef": "payload.Any.v1", "steps": example["steps"]}
    result = await simulate(
        definition,
        example.get("payload", {}),
        registry=ActionRegistry(),
        now=datetime(2026, 1, 1, tzinfo=UTC),
        fixtures=example.get("fixtures"),
    )
    expected = example["result"]
    assert (result.status, result.final_vars) == (expected["status"], expected["vars"]), result.to_tree()
    if "payload" in expected:
        assert result.final_payload == expected["payload"]
