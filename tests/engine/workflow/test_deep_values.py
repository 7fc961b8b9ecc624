"""What ``transform.parse_json`` reads may be nested more deeply than Python's stack allows a function that calls itself."""

from __future__ import annotations

from typing import Any

import pytest

from engine.values.javascript import json_text
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import call, call_workflow, ordinary, wait_time

LEVELS = 890
DEEP = "[" * LEVELS + "]" * LEVELS


def parse(source: str) -> dict[str, Any]:
    return call("p", "transform.parse_json", source=source)


def compose() -> dict[str, Any]:
    reference = {"type": "reference", "path": "vars.p.value", "label": "the value"}
    document = {"version": 1, "blocks": [{"type": "paragraph", "children": [reference]}]}
    step = call("c", "transform.compose_text")
    step["config"]["outputs"] = [{"id": "o", "label": "o", "stableKey": "text", "document": document}]
    return step


def test_json_is_written_however_deep_it_is() -> None:
    value: Any = []
    for _ in range(LEVELS * 10 - 1):
        value = [value]
    assert json_text(value) == "[" * LEVELS * 10 + "]" * LEVELS * 10


async def test_a_deep_value_in_a_text_does_not_stop_the_run(bench: Bench) -> None:
    run = await bench.play([parse(DEEP), compose(), ordinary("o")])
    row = await run.row()
    assert (row["status"], row["output_json"]["c"]["text"]) == ("SUCCEEDED", DEEP)


async def test_a_deep_value_of_a_called_run_does_not_stop_its_parent(bench: Bench) -> None:
    await bench.publish([parse(DEEP)], "wf.child")
    run = await bench.play([call_workflow("c", "wf.child", outputs={"vars.type": "childRun.vars.p.type"})])
    row = await run.row()
    assert (row["status"], row["output_json"]) == ("SUCCEEDED", {"type": "array"})


@pytest.mark.parametrize("inner", [DEEP, "9" * 4000], ids=["deep", "of many digits"])
async def test_what_is_beyond_the_limits_of_a_request_is_stored_without_nul(inner: str, bench: Bench) -> None:
    run = await bench.play([parse(f'{{"n":"a\\u0000\\\\u0000\\ud800","d":{inner}}}'), wait_time("w", 1), ordinary("o")])
    row = await run.row()
    assert (row["status"], row["output_json"]["p"]["value"]["n"]) == ("SUCCEEDED", "a\ufffd\\u0000\ufffd")
