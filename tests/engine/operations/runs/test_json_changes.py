"""Changes by pointer: RFC 6902's meaning, and no path that leads nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Invalid
from engine.operations.runs.json_changes import apply_changes, changed_paths, placeholder_path
from engine.records import JsonChange

BASE = {"a": 1, "list": [1, {"b": 2}, 3], "x/y": {"~": None}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], BASE),
        ([JsonChange("replace", "/a", 2)], {**BASE, "a": 2}),
        ([JsonChange("add", "/new", {"c": 1})], {**BASE, "new": {"c": 1}}),
        ([JsonChange("remove", "/a")], {"list": [1, {"b": 2}, 3], "x/y": {"~": None}}),
        ([JsonChange("add", "/list/0", 0)], {**BASE, "list": [0, 1, {"b": 2}, 3]}),
        ([JsonChange("add", "/list/-", 4)], {**BASE, "list": [1, {"b": 2}, 3, 4]}),
        ([JsonChange("add", "/list/3", 4)], {**BASE, "list": [1, {"b": 2}, 3, 4]}),
        ([JsonChange("remove", "/list/0"), JsonChange("replace", "/list/0/b", 9)], {**BASE, "list": [{"b": 9}, 3]}),
        ([JsonChange("replace", "/x~1y/~0", 5)], {**BASE, "x/y": {"~": 5}}),
        ([JsonChange("replace", "", {})], {}),
    ],
)
def test_changes(changes: list[JsonChange], expected: Any) -> None:
    assert apply_changes(BASE, changes) == expected
    assert BASE["list"] == [1, {"b": 2}, 3]


@pytest.mark.parametrize(
    "change",
    [
        JsonChange("replace", "/missing", 1),
        JsonChange("remove", "/missing"),
        JsonChange("add", "/missing/below", 1),
        JsonChange("add", "/a/below", 1),
        JsonChange("replace", "/list/3", 1),
        JsonChange("replace", "/list/01", 1),
        JsonChange("replace", "/list/-1", 1),
        JsonChange("replace", "/list/-", 1),
        JsonChange("replace", "/list/" + "9" * 5000, 1),
        JsonChange("replace", "/list/²", 1),
        JsonChange("remove", ""),
        JsonChange("add", "a", 1),
    ],
)
def test_paths_that_lead_nowhere(change: JsonChange) -> None:
    with pytest.raises(Invalid, match="PATCH_PATH_INVALID"):
        apply_changes(BASE, [change])


def test_a_value_given_twice_is_two_values() -> None:
    shared = {"deep": []}
    result = apply_changes(
        {}, [JsonChange("add", "/p", shared), JsonChange("add", "/q", shared), JsonChange("add", "/p/deep/-", 1)]
    )
    assert result == {"p": {"deep": [1]}, "q": {"deep": []}}
    assert shared == {"deep": []}


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ({"a": 1}, {"a": 1.0}, ["/a"]),
        ({"a": 1}, {"a": True}, ["/a"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "d": 2}}, ["/a/c", "/a/d"]),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, ["/a/1", "/a/2"]),
        ({"a": [1]}, {"a": {"0": 1}}, ["/a"]),
        (None, {}, [""]),
        ({"a/b~": 1}, {}, ["/a~1b~0"]),
    ],
)
def test_changed_paths(before: Any, after: Any, paths: list[str]) -> None:
    assert changed_paths(before, after) == paths


def test_many_changed_paths_are_cut() -> None:
    assert len(changed_paths({}, {str(number): 1 for number in range(1000)})) == 100


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("[REDACTED]", ""),
        ({"a": ["x", "Bearer [REDACTED]"]}, "/a/1"),
        ({"[REDACTED]": 1}, "/[REDACTED]"),
        ({"a": ["REDACTED", None, 1]}, None),
    ],
)
def test_placeholders_are_found_anywhere(value: Any, path: str | None) -> None:
    assert placeholder_path(value) == path


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(documents, documents)
def test_equal_documents_and_only_they_have_no_changed_path(before: Any, after: Any) -> None:
    assert changed_paths(before, before) == []
    assert (changed_paths(before, after) == []) == (repr(before) == repr(after) or _same(before, after))


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, bool) != isinstance(after, bool):
        return False
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() == after.keys() and all(_same(before[key], after[key]) for key in before)
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(_same, before, after))
    return bool(before == after)
