"""docs/conformance.md has every line of the checklist, and every test it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", PAGE)))
LINES = 97


def test_every_line_of_the_checklist_is_answered() -> None:
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, LINES + 1))
    for number, _, answer in rows:
        assert "`tests/" in answer or answer.startswith("does not apply"), number


def test_tests_are_named_by_file_and_name() -> None:
    assert PAGE.count("tests/") == len(re.findall(r"`tests/[\w/]+\.py::[\w:]+`", PAGE))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda value: value.rpartition("/")[2])
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    scope: list[ast.stmt] = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    *classes, function = name.split("::")
    for wanted in classes:
        [scope] = [node.body for node in scope if isinstance(node, ast.ClassDef) and node.name == wanted]
    assert function in {node.name for node in scope if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
