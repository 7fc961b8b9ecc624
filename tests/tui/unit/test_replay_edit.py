"""The text of a replay's input: when it is an edit, what is sent of it, what is refused, and what its lines say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.operations.runs.json_changes import apply_changes
from engine.records import (
    MAX_CHANGES,
    MAX_PAYLOAD_BYTES,
    PLACEHOLDER,
    Json,
    JsonChange,
    Original,
    Patch,
    ReplayBase,
    SchemaIssue,
)
from runstudio_tui.domain.edit_notes import Note, line_notes
from runstudio_tui.domain.json_diff import same
from runstudio_tui.domain.jsonview import pretty
from runstudio_tui.domain.replay_edit import Edit, read_edit

ORDER: Json = {"order_id": "ORD-1042", "amount": 100, "customer": {"name": "Ada"}, "card_token": PLACEHOLDER}
BASE = ReplayBase(ORDER, frozenset({"/card_token"}), "digest-1")


def edit_of(value: Json) -> Edit:
    """The edit that makes ``value`` of the order."""
    return read_edit(BASE, json.dumps(value))


@pytest.mark.parametrize(
    "text",
    [
        pretty(ORDER),
        json.dumps(ORDER),
        json.dumps(dict(reversed(ORDER.items())), indent="\t"),
        f"\n\n  {json.dumps(ORDER)}\n",
        json.dumps(ORDER).replace("ORD", "\\u004fRD"),
    ],
    ids=["as it was", "without whitespace", "other order of members", "more whitespace", "spelled otherwise"],
)
def test_what_means_the_same_is_no_edit(text: str) -> None:
    edit = read_edit(BASE, text)
    assert (edit.edited, edit.state, edit.problem) == (False, "original input", "")
    assert edit.input == Original()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_the_prefill_of_any_input_is_no_edit(value: Any) -> None:
    assert read_edit(ReplayBase({"v": value}, frozenset(), "d"), pretty({"v": value})).input == Original()


def test_an_edit_sends_its_changes_and_nothing_else() -> None:
    edit = edit_of({**ORDER, "amount": 120, "customer": {"name": "Ada", "vip": True}})
    assert edit.state == "edited: 2 changes"
    assert edit.problem == ""
    assert edit.input == Patch(
        "digest-1", (JsonChange("replace", "/amount", 120), JsonChange("add", "/customer/vip", True))
    )
    assert PLACEHOLDER not in repr(edit.input)


@pytest.mark.parametrize("value", [100.0, True, "100", None])
def test_another_type_is_an_edit(value: Json) -> None:
    edit = edit_of({**ORDER, "amount": value})
    assert edit.state == "edited: 1 change"
    assert isinstance(edit.input, Patch)
    made = apply_changes(ORDER, edit.input.changes)
    assert same(made["amount"], value)


@pytest.mark.parametrize(
    ("text", "state", "problem"),
    [
        ("", "not valid JSON: line 1, column 1", "there is nothing here"),
        ("  \n", "not valid JSON: line 1, column 1", "there is nothing here"),
        ('{\n "a" 1\n}', "not valid JSON: line 2, column 6", "expecting ':' delimiter"),
        ('{"a": 1,\n "a": 2}', "not valid JSON: line 2, column 2", "given twice"),
        ('{"a": NaN}', "not valid JSON: line 1, column 7", "NaN is not JSON"),
        ('{"a": ' + "9" * 1_001 + "}", "not valid JSON: line 1, column 7", "more than 1,000 digits"),
        ('{"a": ' + "[" * 200 + "]" * 200 + "}", "not valid JSON: line 1, column 206", "deeper than 200 levels"),
        ("[]", "edited: 1 change", "must be a JSON object"),
        ("null", "edited: 1 change", "must be a JSON object"),
    ],
)
def test_what_cannot_be_sent_says_why_and_where(text: str, state: str, problem: str) -> None:
    edit = read_edit(BASE, text)
    assert edit.edited
    assert edit.state == state
    assert problem in edit.problem


def test_a_placeholder_that_was_typed_is_refused_with_its_place() -> None:
    edit = edit_of({**ORDER, "amount": PLACEHOLDER, "other": PLACEHOLDER})
    assert edit.problem.startswith("/amount: a hidden value cannot be typed")
    assert edit.problem.endswith("(and 1 more)")


def test_what_is_too_large_is_refused_before_it_is_sent() -> None:
    fits = {**ORDER, "amount": "x" * (MAX_PAYLOAD_BYTES - 110)}
    assert edit_of(fits).problem == ""
    assert (
        edit_of({**ORDER, "amount": "x" * MAX_PAYLOAD_BYTES}).problem == "the input has 512.1 KB; 512.0 KB are allowed"
    )
    assert "are allowed" in edit_of({**ORDER, "amount": "ä" * (MAX_PAYLOAD_BYTES // 2)}).problem


def test_too_many_changes_are_refused_before_they_are_sent() -> None:
    edit = edit_of({**ORDER, "many": 1, **{f"n{number}": number for number in range(MAX_CHANGES)}})
    assert edit.problem == "10,001 changes; 10,000 can be sent"


def test_an_input_that_is_hidden_as_a_whole_can_be_sent_as_it_is_or_replaced() -> None:
    base = ReplayBase(PLACEHOLDER, frozenset({""}), "d")
    assert read_edit(base, pretty(PLACEHOLDER)).input == Original()
    assert read_edit(base, "{}").input == Patch("d", (JsonChange("replace", "", {}),))


# --- beside the lines -------------------------------------------------------------------------------------------------


def notes(value: Json, *issues: SchemaIssue) -> dict[int, tuple[str, str]]:
    """Marks and texts by line of the pretty-printed value."""
    text = pretty(value)
    return {line: (note.mark, note.text) for line, note in line_notes(read_edit(BASE, text), text, issues).items()}


def test_an_unedited_text_only_says_what_is_kept() -> None:
    assert notes(ORDER) == {7: ("", "⚿ kept from original")}


def test_every_change_stands_at_its_line() -> None:
    edited = {
        "order_id": "ORD-1042",
        "amount": 120,
        "customer": {"vip": {"since": [2024]}},
        "card_token": PLACEHOLDER,
    }
    assert notes(edited) == {
        3: ("~", "was 100"),
        4: ("-", "name removed"),
        5: ("+", "added"),
        6: ("+", ""),
        7: ("+", ""),
        11: ("", "⚿ kept from original"),
    }


def test_entries_of_a_list_have_no_names() -> None:
    base = ReplayBase({"a": [1, 2, 3], "b": 1, "c": 1}, frozenset(), "d")
    one, two = pretty({"a": [1, 3], "b": 1}), pretty({"a": [3]})
    assert [note.text for note in line_notes(read_edit(base, one), one).values()] == ["entry removed", "c removed"]
    assert [note.text for note in line_notes(read_edit(base, two), two).values()] == [
        "2 entries removed",
        "2 values removed",
    ]


def test_a_hidden_value_that_was_replaced_is_not_kept() -> None:
    assert notes({**ORDER, "card_token": "tok_1"})[7] == ("~", f'was "{PLACEHOLDER}"')


def test_old_values_are_short_and_harmless() -> None:
    base = ReplayBase({"a": "\x1b" * 99, "b": [1, 2], "c": {"d": 1}}, frozenset(), "d")
    text = pretty({"a": 1, "b": 2, "c": 3})
    found = line_notes(read_edit(base, text), text)
    assert [note.text for note in found.values()] == [
        f'was "{(chr(92) + "u001b") * 9}'[:27] + "…",
        "was a list of 2",
        "was an object of 1",
    ]


def test_findings_of_the_schema_stand_at_their_field_or_around_it() -> None:
    found = notes(
        {**ORDER, "amount": -1},
        SchemaIssue("/amount", "must be at least 0"),
        SchemaIssue("/customer/email", "is required"),
        SchemaIssue("", "no"),
    )
    assert found[3] == ("✖", "must be at least 0")
    assert found[4] == ("✖", "is required")
    assert found[1] == ("✖", "no")


def test_a_mistake_stands_at_its_line() -> None:
    text = '{\n  "a": 1\n  "b": 2\n}'
    assert line_notes(read_edit(BASE, text), text) == {3: Note("✖", "expecting ',' delimiter", "failed")}


def test_several_values_on_one_line_share_it() -> None:
    text = json.dumps({**ORDER, "amount": 1, "x": 2})
    assert set(line_notes(read_edit(BASE, text), text)) == {1}


def test_what_is_typed_by_hand_is_no_kept_value() -> None:
    assert notes({**ORDER, "amount": PLACEHOLDER})[3] == ("✖", "not a value")
