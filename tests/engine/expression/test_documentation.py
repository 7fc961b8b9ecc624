"""Every example of docs/expressions.md is true."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from engine.expression import FUNCTION_NAMES
from engine.expression.errors import NESTING, RESULT_CHARACTERS, RESULT_NESTING, SOURCE_BYTES, STEPS
from tests.engine.expression.conftest import outcome_of

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "expressions.md").read_text(encoding="utf-8")


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


CONTEXT: dict[str, Any] = json.loads(_blocks("json context")[0])
EXAMPLES = [line.rsplit("=>", 1) for block in _blocks("expr") for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize(("source", "expected"), EXAMPLES, ids=[source.strip() for source, _ in EXAMPLES])
def test_example(source: str, expected: str) -> None:
    stage, detail = outcome_of(source.strip(), CONTEXT)
    if expected.strip().startswith("!"):
        assert detail == expected.strip().removeprefix("!").strip()
        assert stage != "value"
    else:
        assert (stage, detail) == ("value", json.loads(expected))


def test_there_are_examples_of_every_function() -> None:
    assert len(EXAMPLES) > 60
    assert all(f"\n{name}(" in TEXT for name in FUNCTION_NAMES)


def test_the_limits_are_the_real_ones() -> None:
    assert (SOURCE_BYTES, NESTING, STEPS, RESULT_CHARACTERS, RESULT_NESTING) == (4096, 64, 100_000, 262_144, 128)
    for number in ("4 KiB", "64", "100,000", "262,144", "128"):
        assert number in TEXT
