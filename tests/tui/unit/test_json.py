"""JSON: lines, folds, pointers, and text as somebody types it."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.records import Document
from runstudio_tui.domain.json_places import values
from runstudio_tui.domain.json_text import Mistake, parse_json, placeholders
from runstudio_tui.domain.jsonview import JsonIndex, JsonKind, flatten, pretty, value_at

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_the_lines_are_the_value(value: object) -> None:
    lines = flatten(Document(value))
    drawn = "".join(line.key + line.text for line in lines)
    json.loads(drawn)
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in drawn)
    for line in lines:
        if line.kind is not JsonKind.CLOSE:
            value_at(value, line.pointer)


@given(VALUES)
def test_what_is_copied_parses_to_the_same(value: object) -> None:
    pretty(value).encode("utf-8")
    parsed = parse_json(pretty(value))
    assert parsed == value or isinstance(parsed, Mistake)


def test_lone_surrogates_stay_escaped() -> None:
    assert pretty({"a": "x\ud83d"}) == '{\n  "a": "x\\ud83d"\n}'


def test_what_an_editor_would_not_show_or_would_break_a_line_at_stays_escaped() -> None:
    hidden = "a\u2028b\x85c\u202ed\x7fe\U000e0041f"
    text = pretty({hidden: hidden})
    assert "\\u2028b\\u0085c\\u202ed\\u007fe\\udb40\\udc41f" in text
    assert len(text.splitlines()) == 3
    assert parse_json(text) == {hidden: hidden}


def test_folding_by_pointer() -> None:
    value = {"a": {"b": [1, 2]}, "c/d": {"~": {}}, "e": {"f": 1}}
    index = JsonIndex(flatten(Document(value)))
    everything = len(index.visible)
    index.toggle("/a")
    assert index.visible == [0, 1, 7, 8, 9, 10, 11, 12, 13]
    inside = next(i for i, line in enumerate(index.lines) if line.pointer == "/a/b/1")
    assert inside not in index.visible
    index.reveal(inside)
    assert inside in index.visible
    index.fold_below(1)
    assert len(index.visible) == 5
    kept = JsonIndex(flatten(Document({**value, "new": 1})), index.folded)
    assert len(kept.visible) == 6
    index.fold_below(0)
    assert len(index.visible) == everything


def test_pointers_are_escaped() -> None:
    value = {"a/b": {"~x": [10]}}
    assert value_at(value, "/a~1b/~0x/0") == 10
    with pytest.raises(KeyError):
        value_at(value, "/a~1b/~0x/1")
    assert [line.pointer for line in flatten(Document(value))][3] == "/a~1b/~0x/0"


def test_masked_values_carry_a_lock() -> None:
    lines = flatten(Document({"token": "[REDACTED]", "n": 1}, frozenset({"/token"})))
    assert lines[1].kind is JsonKind.MASKED
    assert lines[1].text == '"[REDACTED]", ⚿'


def test_searching_does_not_care_for_case_or_folds() -> None:
    index = JsonIndex(flatten(Document({"Customer": {"name": "Ada"}})))
    index.fold_below(1)
    assert index.find("ADA") == [2]
    assert index.find("customer") == [1]
    assert index.find("") == []


def test_deep_nesting_does_not_exhaust_the_stack() -> None:
    value: object = 1
    for _ in range(5_000):
        value = [value]
    assert len(flatten(Document(value))) == 10_001


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", (1, 1)),
        ("  \n ", (1, 1)),
        ('{\n  "a": 1,\n  "b" 2\n}', (3, 7)),
        ("[1, 2", (1, 6)),
        ('{"a": NaN}', (1, 7)),
        ('{"a": -Infinity}', (1, 7)),
        ('{"a": 1e999}', (1, 7)),
        ('{\n"a": 1,\n"a": 2}', (3, 1)),
        ('{"b": {"a": 1}, "a": [1, "a"], "c": "a", "a": 2}', (1, 42)),
        ('["NaN", {"NaN": NaN}]', (1, 17)),
        (f'["{"9" * 1001}",\n {"9" * 1001}]', (2, 2)),
        ("[" * 100_000, (1, 201)),
        ('{"a":' * 100_000, (1, 1001)),
        ("[" * 201 + "]" * 201, (1, 201)),
    ],
)
def test_mistakes_have_a_place(text: str, place: tuple[int, int]) -> None:
    found = parse_json(text)
    assert isinstance(found, Mistake)
    assert (found.line, found.column) == place
    assert str(found).startswith(f"not valid JSON: line {place[0]}, column {place[1]}")


def test_placeholders_are_found_everywhere() -> None:
    value = {"a": "[REDACTED]", "b": [1, {"c/d": "[REDACTED]"}], "e": "x[REDACTED]"}
    assert tuple(placeholders(value)) == ("/a", "/b/1/c~1d", "/e")


@given(VALUES)
def test_every_value_of_a_text_is_found_where_it_stands(value: object) -> None:
    text = pretty(value)
    for found in values(text):
        stands = value_at(value, found.pointer)
        if found.written in ("{", "["):
            assert isinstance(stands, dict if found.written == "{" else list)
            assert text[found.begin] == found.written
        else:
            assert json.loads(found.written) == stands
            assert text.startswith(found.written, found.begin)
        assert found.at <= found.begin
