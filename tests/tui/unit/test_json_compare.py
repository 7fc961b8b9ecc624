"""Two documents as one text: both can be read back from it, and marks stand where they differ and nowhere else."""

from __future__ import annotations

import copy
import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.records import Document
from runstudio_tui.domain import json_diff
from runstudio_tui.domain.json_compare import Changes, ComparedLine, Mark, Place, compare, count_changes
from runstudio_tui.domain.json_diff import same
from runstudio_tui.domain.jsonview import JsonKind, value_at

NAMES = st.text("ab/~", max_size=2)
SCALARS = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0, 1.5, "", "x", "1"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=25
)
HOSTILE = st.recursive(
    st.text(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


def everything(_: Place) -> bool:
    return True


def read_back(lines: list[ComparedLine], *, before: bool) -> Any:
    """One of the two values, as the lines tell it."""
    other = Mark.ADDED if before else Mark.REMOVED
    parts: list[str] = []
    opened = True
    for line in lines:
        if line.place.mark is other:
            continue
        if not opened and line.kind is not JsonKind.CLOSE:
            parts.append(",")
        parts.append(line.name + (line.was if before and line.place.mark is Mark.CHANGED else line.text))
        opened = line.kind is JsonKind.OPEN
    return json.loads("".join(parts))


def marked(before: Any, after: Any) -> list[str]:
    """``~ /a 1 -> 2`` of everything that differs, topmost first."""
    lines = compare(Document(before), Document(after), lambda place: place.changed and place.mark is Mark.SAME)
    return [
        f"{line.place.mark} {line.place.pointer} {line.was}".rstrip()
        for line in lines
        if line.place.mark is not Mark.SAME
    ]


@given(VALUES, VALUES)
def test_both_documents_can_be_read_back(before: Any, after: Any) -> None:
    lines = compare(Document(before), Document(after), everything)
    assert same(read_back(lines, before=True), before)
    assert same(read_back(lines, before=False), after)
    assert len({line.key for line in lines}) == len(lines)
    for line in lines:
        source = before if line.place.mark is Mark.REMOVED else after
        value_at(source, line.place.pointer)


@given(VALUES, st.data())
def test_one_changed_value_is_marked_and_nothing_else(before: Any, data: st.DataObject) -> None:
    lines = [
        line for line in compare(Document(before), Document(before), everything) if line.kind is not JsonKind.CLOSE
    ]
    pointer = data.draw(st.sampled_from([line.place.pointer for line in lines]))
    after = replaced(before, pointer, "another value altogether")
    was = value_at(before, pointer)
    found = marked(before, after)
    if isinstance(was, dict | list) and was:
        assert found == [f"- {pointer}".rstrip(), f"+ {pointer}".rstrip()]
    else:
        assert found == [f"~ {pointer} {json.dumps(was)}"]


@given(VALUES, VALUES)
def test_there_are_marks_exactly_when_they_differ(before: Any, after: Any) -> None:
    counts = count_changes(Document(before), Document(after))
    assert (counts == Changes()) == same(before, after)
    assert (counts.text == "") == same(before, after)
    assert count_changes(Document(before), Document(copy.deepcopy(before))) == Changes()


@given(VALUES, VALUES)
def test_what_is_folded_is_one_line_and_hides_nothing_else(before: Any, after: Any) -> None:
    whole = compare(Document(before), Document(after), everything)
    shut = compare(Document(before), Document(after), lambda place: place.depth < 1)
    assert [line.place for line in shut] == [line.place for line in whole if line.place.depth < 2 and kept(line)]
    assert all(line.folded for line in shut if line.kind is JsonKind.OPEN and line.place.depth == 1)


def kept(line: ComparedLine) -> bool:
    return line.place.depth == 0 or line.kind is not JsonKind.CLOSE


@given(HOSTILE, HOSTILE)
def test_it_can_be_drawn_whatever_is_in_it(before: Any, after: Any) -> None:
    for line in compare(Document(before), Document(after), everything):
        for text in (line.name, line.text, line.was):
            assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in text), repr(text)


def replaced(value: Any, pointer: str, new: Any) -> Any:
    if not pointer:
        return new
    result = copy.deepcopy(value)
    parent, _, name = pointer.rpartition("/")
    container = value_at(result, parent)
    container[int(name) if isinstance(container, list) else name.replace("~1", "/").replace("~0", "~")] = new
    return result


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1.0}, ["~ /a 1"]),
        ({"a": 1}, {"a": True}, ["~ /a 1"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": None}, {}, ["- /a"]),
        ({}, {"a": None}, ["+ /a"]),
        ({"a": {"b": 1}}, {"a": 5}, ["- /a", "+ /a"]),
        ({"a": 5}, {"a": {"b": 1}}, ["- /a", "+ /a"]),
        ({"a": []}, {"a": {}}, ["~ /a []"]),
        ({"a": [1]}, {"a": []}, ["- /a/0"]),
        ([1, 2, 3, 4], [1, 3, 4], ["- /1"]),
        ([1, 3], [1, 2, 3], ["+ /1"]),
        ([{"id": 1, "n": 1}, {"id": 2, "n": 1}], [{"id": 1, "n": 1}, {"id": 2, "n": 2}], ["~ /1/n 1"]),
        ([1, 2], [3, 2, 4], ["~ /0 1", "+ /2"]),
        (1, 2, ["~  1"]),
    ],
)
def test_what_is_marked(before: Any, after: Any, expected: list[str]) -> None:
    assert marked(before, after) == expected


def test_what_was_removed_stands_where_it_was() -> None:
    lines = compare(Document({"a": 1, "gone": 2, "b": 3}), Document({"a": 1, "b": 3, "new": 4}), everything)
    assert [f"{line.place.mark}{line.name}" for line in lines[1:-1]] == ['"a": ', '-"gone": ', '"b": ', '+"new": ']


def test_hidden_values_stay_hidden_and_are_not_judged() -> None:
    masked = frozenset({"/token"})
    before = Document({"token": "[REDACTED]", "n": 1}, masked)
    lines = compare(before, Document({"token": "[REDACTED]", "n": 1}, masked), everything)
    assert [(line.text, line.kind, line.place.mark) for line in lines if line.name.startswith('"token"')] == [
        ('"[REDACTED]" ⚿', JsonKind.MASKED, Mark.SAME)
    ]
    [token] = [line for line in compare(Document({"token": 5}), before, everything) if line.name.startswith('"token"')]
    assert (token.place.mark, token.text, token.was) == (Mark.CHANGED, '"[REDACTED]" ⚿', "5")


def test_one_document_alone() -> None:
    document = Document({"a": [1]})
    for before, after, mark in (
        (document, None, Mark.REMOVED),
        (None, document, Mark.ADDED),
        (document, document, Mark.SAME),
    ):
        assert {line.place.mark for line in compare(before, after, everything)} == {mark}
    assert compare(None, None, everything) == []


def test_long_lists_are_compared_place_by_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_diff, "_COMPARED", 4)
    assert marked([1, 2, 3, 4, 9], [5, 1, 2, 3, 4]) == ["~ /0 1", "~ /1 2", "~ /2 3", "~ /3 4", "~ /4 9"]


def test_deep_documents_do_not_exhaust_the_stack() -> None:
    value: Any = 1
    for _ in range(250):
        value = {"a": value}
    assert len(compare(Document(value), Document(value), everything)) == 501


def test_what_is_folded_is_not_looked_into() -> None:
    """A large document costs what is open of it."""
    large = {"payload": {f"k{n}": {"n": n} for n in range(50_000)}, "n": 1}
    lines = compare(Document(large), Document({**large, "n": 2}), lambda place: place.changed)
    assert [(line.place.members, line.folded) for line in lines] == [(2, False), (50_000, True), (0, False), (2, False)]
