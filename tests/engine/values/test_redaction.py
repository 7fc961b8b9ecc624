"""One redaction for everything that is shown: what it masks, that it reports where, and that it fails closed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.values.placeholder import PLACEHOLDER
from engine.values.redaction import (
    BUILT_IN,
    EVERYTHING,
    MAX_DEPTH,
    policy_of,
    redact,
    redact_text,
    redaction_issues,
)


@pytest.mark.parametrize(
    "key",
    [
        "password", "Passwd", "user_password", "secret", "clientSecret", "token", "card_token", "ACCESS-TOKEN", "apiKey",
        "api_key", "api-key", "Authorization", "proxy-authorization", "secretRef", "credentials", "private_key", "Set-Cookie",
        "passphrase",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["canary", 7, None, False, ["canary"], {"a": {"b": "canary"}}], ids=repr)
def test_the_value_of_a_secret_key_is_masked_whatever_it_is(key: str, value: Any) -> None:
    assert redact({"list": [{key: value}]}, BUILT_IN) == (
        {"list": [{key: PLACEHOLDER}]},
        frozenset({f"/list/0/{key}"}),
    )


@pytest.mark.parametrize("key", ["passenger", "key", "apiVersion", "author", "cookies_eaten", "order_id", "privacy"])
def test_ordinary_keys_are_left_alone(key: str) -> None:
    assert redact({key: "shown"}, BUILT_IN) == ({key: "shown"}, frozenset())


def test_a_reference_to_a_secret_is_masked_as_a_whole() -> None:
    value = {"label": {"$secret": "API_KEY"}, "list": [{"$secret": "X", "more": 1}], "ref": {"secretRef": "vault/a"}}
    assert redact(value, BUILT_IN) == (
        {"label": PLACEHOLDER, "list": [PLACEHOLDER], "ref": {"secretRef": PLACEHOLDER}},
        frozenset({"/label", "/list/0", "/ref/secretRef"}),
    )


@pytest.mark.parametrize("pointer", ["", "/", "#", "#/"])
@pytest.mark.parametrize("value", [{"a": 1}, [1], "text", None])
def test_a_pointer_to_the_document_masks_it(pointer: str, value: Any) -> None:
    assert redact(value, policy_of([pointer], [])) == (PLACEHOLDER, frozenset({""}))


@pytest.mark.parametrize(
    ("pointer", "masked"),
    [
        ("/a/b", "/a/b"),
        ("#/a/b", "/a/b"),
        ("a/b", "/a/b"),
        ("/l/1", "/l/1"),
        ("/l/1/x", None),
        ("/l/7", None),
        ("/l/-1", None),
        ("/a/missing", None),
        ("/missing/b", None),
        ("/a/b/c", None),
        ("/sl~1ash", "/sl~1ash"),
        ("/ti~0lde", "/ti~0lde"),
        ("/both~01", "/both~01"),
    ],
)
def test_a_pointer_masks_what_it_leads_to_and_makes_nothing(pointer: str, masked: str | None) -> None:
    value = {"a": {"b": 1}, "l": ["x", "y"], "sl/ash": 1, "ti~lde": 1, "both~1": 1}
    result, places = redact(value, policy_of([pointer], []))
    assert places == (frozenset({masked}) if masked else frozenset())
    assert (result == value) is (masked is None)
    assert set(result) == set(value)


def test_patterns_and_pointers_of_a_tenant_add_to_the_built_in_ones() -> None:
    policy = policy_of(["/customer/name"], ["^iban$", "/ssn/", "(?i)tax", "  "])
    value = {"customer": {"name": "Ada", "IBAN": "DE1", "ibans": 2, "taxId": 3}, "ssn_last": 4, "token": 5}
    result, places = redact(value, policy)
    assert result == {
        "customer": {"name": PLACEHOLDER, "IBAN": PLACEHOLDER, "ibans": 2, "taxId": PLACEHOLDER},
        "ssn_last": PLACEHOLDER,
        "token": PLACEHOLDER,
    }
    assert places == {"/customer/name", "/customer/IBAN", "/customer/taxId", "/ssn_last", "/token"}


@pytest.mark.parametrize(
    ("pointers", "patterns"),
    [
        (None, []),
        ("/a", []),
        ([1], []),
        ([], {"a": 1}),
        ([], ["("]),
        ([], [None]),
        ([], ["a" * 201]),
        ({}, []),
    ],
)
def test_rules_that_cannot_be_understood_hide_everything(pointers: Any, patterns: Any) -> None:
    policy = policy_of(pointers, patterns)
    assert policy == EVERYTHING
    assert redact({"a": "canary"}, policy) == (PLACEHOLDER, frozenset({""}))
    assert redact_text("canary", policy) == PLACEHOLDER
    assert len(redaction_issues(pointers, patterns)) == 1


def test_rules_that_can_be_understood_have_no_issues() -> None:
    assert redaction_issues(["/a", ""], ["x+"]) == ()
    assert redact_text("said", BUILT_IN) == "said"


def test_nothing_escapes_by_being_deep() -> None:
    value: Any = {"password": "canary"}
    for _ in range(MAX_DEPTH + 50):
        value = [value]
    result, places = redact(value, BUILT_IN)
    assert "canary" not in json.dumps(result)
    assert places == {"/0" * MAX_DEPTH}


def test_the_original_is_not_changed() -> None:
    value = {"password": "canary", "list": [{"token": 1}]}
    redact(value, BUILT_IN)
    assert value == {"password": "canary", "list": [{"token": 1}]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b/c", "~", "password", "$secret", ""]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON, st.lists(st.sampled_from(["/a", "/b~1c/0", "/~0", "/0/a", "/a/a"]), max_size=3))
def test_every_place_reported_holds_the_placeholder_and_redacting_again_changes_nothing(
    value: Any, pointers: list[str]
) -> None:
    policy = policy_of(pointers, [])
    result, places = redact(value, policy)
    for place in places:
        found = result
        for segment in place.split("/")[1:]:
            name = segment.replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found[name]
        assert found == PLACEHOLDER
    again, _ = redact(result, policy)
    assert again == result
