"""Ways through JSON schemas, and names that are nearly right."""

from __future__ import annotations

from typing import Any

import pytest

from engine.definition.schema_paths import SchemaNode, fits
from engine.definition.suggestions import containing, nearest

TREE: dict[str, Any] = {
    "$ref": "#/$defs/Tree",
    "$defs": {
        "Tree": {
            "type": "object",
            "properties": {
                "left": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]},
                "value": {"enum": [1, "a"]},
                "flag": {"const": True},
                "more": {"type": "object", "additionalProperties": {"type": "number"}},
                "lost": {"$ref": "#/$defs/Nowhere"},
                "loop": {"$ref": "#/$defs/Loop"},
            },
            "required": ["left", "value"],
        },
        "Loop": {"$ref": "#/$defs/Loop"},
    },
}


@pytest.mark.parametrize(
    ("path", "types"),
    [
        (("value",), {"integer", "string"}),
        (("left",), {"object", "null"}),
        (("left", "left", "flag"), {"boolean"}),
        (("more", "anything"), {"number"}),
        (("lost",), None),
        (("loop",), None),
        (("absent",), None),
        (("value", "deeper"), None),
    ],
)
def test_types_at_paths(path: tuple[str, ...], types: set[str] | None) -> None:
    node = SchemaNode.of(TREE).at(path)
    assert (None if node is None else node.types()) == types


def test_required_paths_of_a_schema_that_contains_itself_end() -> None:
    paths = list(SchemaNode.of(TREE).required_paths())
    assert ("value",) in paths
    assert len(paths) < 100


def test_types_that_fit() -> None:
    assert fits(frozenset({"integer"}), frozenset({"number"}))
    assert fits(frozenset({"null", "string"}), frozenset({"string"}))
    assert not fits(frozenset({"string"}), frozenset({"integer", "boolean"}))


@pytest.mark.parametrize(
    ("name", "candidates", "expected"),
    [
        ("apend", ["append", "len"], "append"),
        ("LEN", ["len"], "len"),
        ("len", ["len", "Len"], None),
        ("sum", ["append", "len"], None),
        ("transform.trncate_txt", ["transform.truncate_text", "transform.trim_text"], "transform.truncate_text"),
        ("abc", ["axyz"], None),
        ("x", [], None),
    ],
)
def test_nearest(name: str, candidates: list[str], expected: str | None) -> None:
    assert nearest(name, candidates) == expected


def test_containing() -> None:
    refs = [f"payload.Order{number}.v1" for number in range(9)] + ["payload.Any.v1", "other"]
    assert containing("order", refs) == tuple(f"payload.Order{number}.v1" for number in range(5))
    assert containing("zzz", refs) == ()
