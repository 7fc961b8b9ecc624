"""The hash that pins a run to a definition."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.definition.hash import canonical_json, definition_hash
from engine.errors import Invalid

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('aé"\\', max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=10,
)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(JSON)
def test_the_order_of_keys_does_not_matter(value: Any) -> None:
    assert definition_hash(value) == definition_hash(reordered(value))


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), ([1e3], [1000]), ({"a": 1e22}, {"a": 10**22}), (0, -0.0)])
def test_the_spelling_of_a_number_does_not_matter(one: Any, other: Any) -> None:
    assert canonical_json(one) == canonical_json(other)


@pytest.mark.parametrize(("one", "other"), [(1, "1"), (True, 1), (None, {}), ([1, 2], [2, 1]), ("é", "e")])
def test_different_values_have_different_hashes(one: Any, other: Any) -> None:
    assert definition_hash(one) != definition_hash(other)


def test_the_form_is_compact_utf_8() -> None:
    assert canonical_json({"b": "é", "a": [1, None]}) == '{"a":[1,null],"b":"é"}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": object()}, "\ud800"])
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        definition_hash(value)
    assert refused.value.code == "NON_SERIALIZABLE"
