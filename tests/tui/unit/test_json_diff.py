"""Changes between two JSON values: exact, type-strict, and never with a hidden value in the wrong place."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.operations.runs.json_changes import apply_changes
from engine.records import PLACEHOLDER
from runstudio_tui.domain.json_diff import difference, same

LEAVES = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 2.5]) | st.sampled_from(["", "a", "/~"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["", "a", "b", "a/b", "~0"]), inner, max_size=4)
    ),
    max_leaves=25,
)
HIDDEN = {"token": PLACEHOLDER}


def made(base: Any, edited: Any) -> Any:
    """``base`` with the changes to ``edited``, as the engine makes them."""
    found = difference(base, edited)
    assert found.misplaced == ()
    return apply_changes(base, [change.change for change in found.changes])


def paths(base: Any, edited: Any) -> list[str]:
    """The changes, short."""
    return [f"{edit.change.op} {edit.change.path}" for edit in difference(base, edited).changes]


def misplaced(base: Any, edited: Any) -> list[str]:
    """Pointers of the placeholders that must not be sent."""
    return [found.pointer for found in difference(base, edited).misplaced]


@given(JSON, JSON)
def test_the_changes_make_the_edited_value(base: Any, edited: Any) -> None:
    before = copy.deepcopy(base)
    assert same(made(base, edited), edited)
    assert same(base, before)


@given(JSON, JSON)
def test_there_is_no_change_exactly_when_nothing_differs(base: Any, edited: Any) -> None:
    assert (difference(base, edited).changes == ()) == same(base, edited)
    assert difference(base, copy.deepcopy(base)).changes == ()


@given(st.lists(JSON, max_size=6), st.integers(0, 6), JSON)
def test_one_entry_that_comes_or_goes_is_one_change(entries: list[Any], place: int, new: Any) -> None:
    longer = [*entries[:place], new, *entries[place:]]
    assert len(difference(entries, longer).changes) == 1
    assert len(difference(longer, entries).changes) == 1


@given(JSON, st.data())
def test_one_changed_leaf_is_one_replace(value: Any, data: st.DataObject) -> None:
    base = {"v": value, "leaf": 1}
    leaf = data.draw(LEAVES.filter(lambda drawn: not same(drawn, 1)))
    assert paths(base, {"v": value, "leaf": leaf}) == ["replace /leaf"]


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), (0, False), (0.0, False), (None, False), ([], {})])
def test_types_count(one: Any, other: Any) -> None:
    assert not same({"a": [one]}, {"a": [other]})
    assert paths({"a": [one]}, {"a": [other]}) == ["replace /a/0"]
    assert same(made({"a": [one]}, {"a": [other]}), {"a": [other]})


@pytest.mark.parametrize(
    ("base", "edited", "expected"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a/b": {"~": 1}}, {"a/b": {"~": 2}}, ["replace /a~1b/~0"]),
        ({"a": 1}, {"b": 1}, ["remove /a", "add /b"]),
        ([1, 2, 3], [1, 3], ["remove /1"]),
        ([1, 3], [1, 2, 3], ["add /1"]),
        ([{"a": 1, "b": 1}, {"a": 2}], [{"a": 1, "b": 2}, {"a": 2}], ["replace /0/b"]),
        ([1, 2, 3, 4], [0, 1, 3, 4, 5], ["add /0", "remove /2", "add /4"]),
        ({"a": {"b": 1}}, {"a": [1]}, ["replace /a"]),
        ({"a": 1}, [], ["replace "]),
    ],
)
def test_changes_are_as_small_as_they_can_be(base: Any, edited: Any, expected: list[str]) -> None:
    assert paths(base, edited) == expected
    assert same(made(base, edited), edited)


def test_long_lists_are_compared_in_no_time_and_still_exactly() -> None:
    base = list(range(5_000))
    edited = [number + (number % 7 == 0) for number in base[::-1]]
    assert made(base, edited) == edited
    assert paths(base, [*base[:2_500], *base[2_501:]]) == ["remove /2500"]


# --- hidden values ----------------------------------------------------------------------------------------------------

ORDER = {"id": 7, "token": PLACEHOLDER, "lines": [{**HIDDEN, "n": 1}, {"n": 2}, {**HIDDEN, "n": 3}]}


@st.composite
def edits_that_leave_hidden_values_alone(draw: st.DrawFn) -> tuple[Any, Any]:
    """Entries that are told apart by their number; some go, some come, some change, the hidden values stay in theirs."""
    numbers = draw(st.lists(st.integers(0, 30), unique=True, max_size=6))
    secret = draw(st.lists(st.booleans(), min_size=len(numbers), max_size=len(numbers)))
    base = [{"id": number, **(HIDDEN if held else {})} for number, held in zip(numbers, secret, strict=True)]
    kept = [copy.deepcopy(entry) for entry in base if draw(st.booleans())]
    for number in draw(st.lists(st.integers(100, 130), unique=True, max_size=3)):
        kept.insert(draw(st.integers(0, len(kept))), {"id": number})
    return base, kept


@given(edits_that_leave_hidden_values_alone())
def test_every_hidden_value_stays_with_its_entry(edit: tuple[Any, Any]) -> None:
    base, edited = edit
    real = [{**entry, "token": f"of {entry['id']}"} if "token" in entry else entry for entry in base]
    found = difference(base, edited)
    assert found.misplaced == ()
    result = apply_changes(real, [change.change for change in found.changes])
    assert result == [{**entry, "token": f"of {entry['id']}"} if "token" in entry else entry for entry in edited]


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        ({**ORDER, "id": 8}, ["replace /id"]),
        ({**ORDER, "token": "real"}, ["replace /token"]),
        ({"id": 7, "lines": ORDER["lines"]}, ["remove /token"]),
        ({**ORDER, "lines": ORDER["lines"][1:]}, ["remove /lines/0"]),
        ({**ORDER, "lines": ORDER["lines"][:1]}, ["remove /lines/1", "remove /lines/1"]),
        ({**ORDER, "lines": [{**HIDDEN, "n": 9}, *ORDER["lines"][1:]]}, ["replace /lines/0/n"]),
        ({**ORDER, "lines": [{"n": 0}, *ORDER["lines"]]}, ["add /lines/0"]),
        ({**ORDER, "lines": [{"n": 2}, {**HIDDEN, "n": 1}, {**HIDDEN, "n": 3}]}, ["add /lines/0", "remove /lines/2"]),
        ({**ORDER, "lines": [{"token": "a", "n": 1}, {"n": 2}]}, ["replace /lines/0/token", "remove /lines/2"]),
        ({"id": 7}, ["remove /token", "remove /lines"]),
        ([], ["replace "]),
    ],
)
def test_what_is_hidden_stays_replaced_or_removed(edited: Any, expected: list[str]) -> None:
    assert misplaced(ORDER, edited) == []
    assert paths(ORDER, edited) == expected
    assert made(ORDER, edited) == edited


@pytest.mark.parametrize(
    ("edited", "places"),
    [
        ({**ORDER, "id": PLACEHOLDER}, ["/id"]),
        ({**ORDER, "id": f"Bearer {PLACEHOLDER}"}, ["/id"]),
        ({**ORDER, "new": {"deep": [1, PLACEHOLDER]}}, ["/new/deep/1"]),
        ({**ORDER, "new": {PLACEHOLDER: 1}}, ["/new/[REDACTED]"]),
        ({"id": 7, "key": PLACEHOLDER, "lines": ORDER["lines"]}, ["/key"]),
        ({**ORDER, "lines": {"0": HIDDEN}}, ["/lines/0/token"]),
        (PLACEHOLDER, [""]),
    ],
    ids=["typed", "inside a text", "added", "as a name", "renamed", "in another container", "everything"],
)
def test_a_placeholder_is_not_a_value(edited: Any, places: list[str]) -> None:
    assert misplaced(ORDER, edited) == places


@pytest.mark.parametrize(
    ("edited", "places"),
    [
        ([ORDER["lines"][2], ORDER["lines"][1], ORDER["lines"][0]], ["/0", "/2"]),
        ([ORDER["lines"][0], *ORDER["lines"]], ["/0", "/1", "/3"]),
        ([{**HIDDEN, "n": 8}], ["/0"]),
        ([ORDER["lines"][2], {**HIDDEN, "n": 8}], ["/0", "/1"]),
    ],
    ids=["swapped", "copied", "one of two, changed", "moved up and another one typed"],
)
def test_hidden_values_in_a_list_are_never_guessed(edited: Any, places: list[str]) -> None:
    assert misplaced(ORDER["lines"], edited) == places


def test_entries_that_look_the_same_are_not_told_apart() -> None:
    assert misplaced([HIDDEN, HIDDEN], [HIDDEN]) == ["/0"]
    assert misplaced([PLACEHOLDER, PLACEHOLDER, 1], [PLACEHOLDER, 1]) == ["/0"]
    assert paths([HIDDEN, HIDDEN], [HIDDEN, HIDDEN]) == []
    assert paths([HIDDEN, HIDDEN], []) == ["remove /0", "remove /0"]


def test_a_placeholder_that_was_in_the_original_for_itself_may_stay() -> None:
    base = {"note": f"shown as {PLACEHOLDER}", "n": 1}
    assert paths(base, {**base, "n": 2}) == ["replace /n"]
    assert misplaced(base, {**base, "n": 2}) == []
    assert misplaced(base, {**base, "note": f"was shown as {PLACEHOLDER}"}) == ["/note"]
