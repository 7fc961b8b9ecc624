"""The border of jsonb: what is refused, what is replaced and said to be, and that Postgres agrees."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import column, literal, select, table

from engine.errors import Invalid
from engine.store.database.engine import create_store_engine
from engine.store.tables import workflow_payload_schemas
from engine.values.json_policy import (
    canonical_json,
    clean_json,
    dumps_for_storage,
    limited,
    parse_json,
    size_bytes,
    storable_text,
)
from engine.values.request_limits import MAX_JSON_DEPTH


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "code", "pointer"),
    [
        (math.nan, "JSON_NUMBER_NOT_FINITE", ""),
        ({"a": [1, math.inf]}, "JSON_NUMBER_NOT_FINITE", "/a/1"),
        ({"a/b": {"~": -math.inf}}, "JSON_NUMBER_NOT_FINITE", "/a~1b/~0"),
        ([10**1001], "JSON_NUMBER_TOO_LARGE", "/0"),
        ({"a": object()}, "JSON_TYPE", "/a"),
        ({"a": {1: 2}}, "JSON_TYPE", "/a"),
        ({"a": {1, 2}}, "JSON_TYPE", "/a"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(value: Any, code: str, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        clean_json(value)
    assert (refused.value.code, refused.value.details["pointer"]) == (code, pointer)


@pytest.mark.parametrize("depth", [MAX_JSON_DEPTH + 1, 100_000])
def test_deep_nesting_is_refused_and_not_a_crash(depth: int) -> None:
    with pytest.raises(Invalid, match="JSON_TOO_DEEP"):
        clean_json(_nested(depth))
    assert clean_json(_nested(MAX_JSON_DEPTH)).replaced == ()


def test_nul_and_lone_surrogates_are_replaced_and_the_places_told() -> None:
    cleaned = clean_json({"a": ["x\x00y", "\ud800"], "b\x00": 1, "ok": "é😀", "t": (1, 2)})
    assert cleaned.value == {"a": ["x\ufffdy", "\ufffd"], "b\ufffd": 1, "ok": "é😀", "t": [1, 2]}
    assert cleaned.replaced == ("/a/0", "/a/1", "/b\ufffd")
    assert storable_text("a\x00\udfff") == "a\ufffd\ufffd"


def test_keys_that_become_equal_stay_two() -> None:
    cleaned = clean_json({"a\x00": 1, "a\ufffd": 2, "a" + chr(0xD800): 3})
    assert sorted(cleaned.value.values()) == [1, 2, 3]


def test_the_canonical_form_is_one_spelling() -> None:
    assert canonical_json({"b": [1.5, None, True], "a": "é\n"}) == '{"a":"é\\n","b":[1.5,null,true]}'
    assert size_bytes({"a": "é"}) == len('{"a":"é"}'.encode())
    with pytest.raises(Invalid, match="JSON_NUMBER_NOT_FINITE"):
        canonical_json([math.nan])


def test_what_is_too_large_becomes_a_marker_that_says_so() -> None:
    assert limited({"a": 1}, 7) == {"a": 1}
    assert limited({"a": 1}, 6) == {"truncated": True, "size": 7, "max": 6}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1e400]", "1e400 is too large a number."),
        ("-1E+999", "-1E+999 is too large a number."),
        ("9" * 400 + ".5", "9" * 40 + "… is too large a number."),
        ("Infinity", "Infinity is not a JSON number."),
    ],
    ids=lambda item: str(item)[:20],
)
def test_a_number_that_is_refused_is_named_as_it_was_written(text: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_json(text, max_bytes=1000)
    assert refused.value.message == said


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"a": 1, "a": 2}', "JSON_DUPLICATE_KEY"),
        ("[NaN]", "JSON_NUMBER_NOT_FINITE"),
        ("-Infinity", "JSON_NUMBER_NOT_FINITE"),
        ("1e999", "JSON_NUMBER_NOT_FINITE"),
        ("1" * 5000, "JSON_NUMBER_TOO_LARGE"),
        ("1" * 1100, "JSON_NUMBER_TOO_LARGE"),
        ("[" * 100_000, "JSON_TOO_DEEP"),
        ("[" * 300 + "]" * 300, "JSON_TOO_DEEP"),
        (b"\xff", "JSON_ENCODING"),
        ("x" * 200_001, "JSON_TOO_LARGE"),
        ("", "JSON_SYNTAX"),
        ("{'a': 1}", "JSON_SYNTAX"),
    ],
    ids=lambda item: str(item)[:20],
)
def test_json_from_outside_is_refused_with_a_code(text: str | bytes, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_json(text, max_bytes=200_000)
    assert refused.value.code == code


def test_a_syntax_error_names_line_and_column() -> None:
    with pytest.raises(Invalid) as refused:
        parse_json('{\n  "a": }', max_bytes=100)
    assert refused.value.details == {"line": 2, "column": 8}


def test_json_from_outside_is_read() -> None:
    assert parse_json(b'{"a": [1, "\\u0000\\ud83d\\ude00\\ud800"]}', max_bytes=100).value == {
        "a": [1, "\ufffd😀\ufffd"]
    }
    assert parse_json('"\ud800"', max_bytes=100).replaced == ("",)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=25,
    )
)
def test_whatever_is_accepted_can_be_sent(value: Any) -> None:
    cleaned = clean_json(value).value
    sent = dumps_for_storage(value)
    assert json.loads(sent) == cleaned
    sent.encode()
    assert "\\u0000" not in sent.replace("\\\\", "")


async def test_postgres_stores_what_the_policy_lets_through_and_never_sees_the_rest(database_url: str) -> None:
    engine = create_store_engine(database_url)
    hostile = {
        "nul": "\x00",
        "surrogate": "\ud800",
        "escape": "\\u0000",
        "big": 10**999,
        "small": 5e-324,
        "e": "\x1b]52;",
    }
    try:
        async with engine.begin() as connection:
            rows = [{"ref": "a", "schema_json": hostile}, {"ref": "b", "schema_json": {"a": "\\u0000"}}]
            await connection.execute(workflow_payload_schemas.insert(), rows)
            stored = (
                await connection.execute(
                    select(workflow_payload_schemas.c.schema_json).order_by(workflow_payload_schemas.c.ref)
                )
            ).scalars()
            assert list(stored) == [clean_json(hostile).value, {"a": "\\u0000"}]
        with pytest.raises(Invalid, match="JSON_NUMBER_NOT_FINITE"):
            async with engine.begin() as connection:
                await connection.execute(
                    workflow_payload_schemas.insert(), {"ref": "c", "schema_json": {"a": math.nan}}
                )
        async with engine.connect() as connection:
            names = table("workflow_payload_schemas", column("ref"))
            assert (await connection.scalar(select(names.c.ref).where(names.c.ref == literal("c")))) is None
    finally:
        await engine.dispose()
