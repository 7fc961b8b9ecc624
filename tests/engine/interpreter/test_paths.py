"""The one assignment grammar."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.definition.assign_paths import parse_target, written
from engine.errors import StepFailure


@pytest.mark.parametrize(
    ("text", "root", "segments"),
    [
        ("vars.a", "vars", ("a",)),
        ("vars.a.b.0", "vars", ("a", "b", "0")),
        ("payload.a", "payload", ("a",)),
        ("meta.a", "meta", ("a",)),
        ("local.a", "local", ("a",)),
        ("/a/b", "payload", ("a", "b")),
        ("/a~1b/c~0d", "payload", ("a/b", "c~d")),
        (" vars.a ", "vars", ("a",)),
        ("vars.payload.x", "vars", ("payload", "x")),
    ],
)
@pytest.mark.parametrize("bare", [False, True])
def test_scoped_targets(text: str, root: str, segments: tuple[str, ...], bare: bool) -> None:
    target = parse_target(text, bare=bare)
    assert (target.root, target.segments, target.text) == (root, segments, text)


@pytest.mark.parametrize(
    ("text", "segments"),
    [("a", ("a",)), ("a.b", ("a", "b")), ("vars", ("vars",)), ("payload", ("payload",)), ("error", ("error",))],
)
def test_bare_targets_mean_vars_where_they_are_allowed(text: str, segments: tuple[str, ...]) -> None:
    target = parse_target(text, bare=True)
    assert (target.root, target.segments) == ("vars", segments)
    with pytest.raises(StepFailure, match="must be scoped"):
        parse_target(text, bare=False)


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "/",
        "//a",
        "/a/",
        "vars.",
        "vars..a",
        "vars.a.",
        "error.a",
        "system.runId",
        "vars.__proto__",
        "/a/prototype",
        "meta.constructor.x",
    ],
)
def test_refused_targets(text: str, bare: bool) -> None:
    with pytest.raises(StepFailure) as refused:
        parse_target(text, bare=bare)
    assert (refused.value.category, refused.value.code) == ("ActionError", "INVALID_ASSIGN_PATH")


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ({}, "a", {"a": 9}),
        ({"a": 1, "b": 2}, "a", {"a": 9, "b": 2}),
        ({}, "a.b.c", {"a": {"b": {"c": 9}}}),
        ({"a": {"x": 1}}, "a.b", {"a": {"x": 1, "b": 9}}),
        ({"a": 5}, "a.b", {"a": {"b": 9}}),
        ({"a": None}, "a.b", {"a": {"b": 9}}),
        ({"a": [1, 2]}, "a.1", {"a": [1, 9]}),
        ({"a": [{"b": 1}, 2]}, "a.0.b", {"a": [{"b": 9}, 2]}),
        ({"a": [[1]]}, "a.0.0", {"a": [[9]]}),
        ({"a": [1]}, "a.1", {"a": {"1": 9}}),
        ({"a": [1]}, "a.x", {"a": {"x": 9}}),
        ({"a": [1]}, "a.x.y", {"a": {"x": {"y": 9}}}),
        ({"a": [1]}, "a.0.y", {"a": [{"y": 9}]}),
    ],
)
def test_writing(before: dict[str, Any], path: str, after: dict[str, Any]) -> None:
    assert written(before, tuple(path.split(".")), 9) == after


NAMES = st.sampled_from(["a", "b", "0", "1"])
JSON = st.recursive(
    st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, JSON, max_size=3), st.lists(NAMES, min_size=1, max_size=4), JSON)
def test_writing_changes_nothing_in_place_and_can_be_read_back(
    before: dict[str, Any], path: list[str], value: Any
) -> None:
    text = json.dumps(before)
    after: Any = written(before, tuple(path), value)
    assert json.dumps(before) == text
    for name in path:
        after = after[int(name)] if isinstance(after, list) else after[name]
    assert after == value
