"""One redaction for everything that is shown: what it masks, that it reports where, and that it fails closed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import BUILT_IN, EVERYTHING, policy_of, redaction_issues
from engine.values.redaction.redact import MAX_DEPTH, redact, redact_text
from engine.values.redaction.secret_values import secret_values


@pytest.mark.parametrize(
    "key",
    [
        "password", "Passwd", "user_password", "secret", "clientSecret", "token", "card_token", "ACCESS-TOKEN", "apiKey",
        "api_key", "api-key", "Authorization", "proxy-authorization", "secretRef", "credentials", "private_key", "Set-Cookie",
        "passphrase", "pwd", "dsn", "jwt", "accessKey", "sessionId", "session_id", "iban", "card", "creditCard", "cardNumber",
        "cvv", "pin",
        "userPIN", "bearer", "otp", "signature", "connectionString", "connection_string", "clientsecret", "x-api-key",
        "refreshtoken", "tokens", "ccNumber", "deployKey", "session_key", "pwHash",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["canary", 7, None, False, ["canary"], {"a": {"b": "canary"}}], ids=repr)
def test_the_value_of_a_secret_key_is_masked_whatever_it_is(key: str, value: Any) -> None:
    assert redact({"list": [{key: value}]}, BUILT_IN) == (
        {"list": [{key: PLACEHOLDER}]},
        frozenset({f"/list/0/{key}"}),
    )


@pytest.mark.parametrize(
    "key",
    [
        "passenger",
        "key",
        "apiVersion",
        "author",
        "cookies_eaten",
        "order_id",
        "privacy",
        "max_tokens",
        "nextPageToken",
        "next_page_token",
        "prompt_tokens",
        "tokenType",
        "tokenCount",
        "secretary",
        "pinned",
        "shipping",
        "discard",
        "cardType",
        "captcha",
        "design",
        "optional",
        "continuationToken",
        "sessions",
    ],
)
def test_ordinary_keys_are_left_alone(key: str) -> None:
    assert redact({key: "shown"}, BUILT_IN) == ({key: "shown"}, frozenset())


F30 = {
    "pwd": "x",
    "dsn": "x",
    "jwt": "x",
    "accessKey": "x",
    "sessionId": "x",
    "headers": [{"name": "Authorization", "value": "canary-1"}, {"name": "Accept", "value": "text/plain"}],
    "pairs": [["Authorization", "canary-2"], ["Accept", "text/plain"]],
    "url": "https://u:canary-3@h/?access_token=canary-4",
    "inner": '{"a": {"password": "canary-5"}, "b": 1}',
    "max_tokens": 512,
    "nextPageToken": "p2",
}


def test_f30_names_and_shapes_are_known() -> None:
    shown, masked = redact(F30, BUILT_IN)
    assert "canary" not in json.dumps(shown)
    assert masked == {
        "/pwd", "/dsn", "/jwt", "/accessKey", "/sessionId", "/headers/0/value", "/pairs/0", "/url", "/inner",
    }  # fmt: skip
    assert (shown["max_tokens"], shown["nextPageToken"]) == (512, "p2")
    assert shown["headers"][1] == {"name": "Accept", "value": "text/plain"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://me:canary@h/a?x=1 failed", "GET https://[REDACTED]@h/a?x=1 failed"),
        ("https://h/?page_token=3&access_token=canary&x=1", "https://h/?page_token=3&access_token=[REDACTED]&x=1"),
        ("https://h/#id_token=canary", "https://h/#id_token=[REDACTED]"),
        ("postgresql://app:canary@db/x is down", "postgresql://[REDACTED]@db/x is down"),
        ("Authorization: Bearer canary", "Authorization: [REDACTED]"),
        ("said Bearer canary.4711-ABC to it", "said Bearer [REDACTED] to it"),
        ("error: login failed: password=canary; user=me", "error: login failed: password=[REDACTED]; user=me"),
        ("Server=h;Password='ca nary';", "Server=h;Password='[REDACTED]';"),
        ('sent {"token": "canary", "n": 1', 'sent {"token": "[REDACTED]", "n": 1'),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcd_-", "jwt [REDACTED]"),
        ("jwe eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AxY8DCtDaGl_bsic.canary.tag-1 ok", "jwe [REDACTED] ok"),
        ("paid with 4111 1111 1111 1111 today", "paid with [REDACTED] today"),
        ("paid with 5500-0000-0000-0004", "paid with [REDACTED]"),
        ("-----BEGIN RSA PRIVATE KEY-----\ncanary\n-----END RSA PRIVATE KEY-----!", "[REDACTED]!"),
        ("-----BEGIN PRIVATE KEY-----\ncanary", "[REDACTED]"),
        ('{"password": "canary", "n": 1}', '{"password": "[REDACTED]", "n": 1}'),
        ("order 4111111111111112 at 1767225600000, 10:30", "order 4111111111111112 at 1767225600000, 10:30"),
        ("bearer of news, basic information", "bearer of news, basic information"),
        ("see https://h/a:b?x=1&y=@z", "see https://h/a:b?x=1&y=@z"),
        ("code: TOKEN_EXPIRED, max_tokens=5", "code: TOKEN_EXPIRED, max_tokens=5"),
    ],
)
def test_texts_go_through_the_same_door(text: str, shown: str) -> None:
    assert redact_text(text, BUILT_IN) == shown
    assert redact_text(shown, BUILT_IN) == shown
    assert redact({"note": text}, BUILT_IN)[0] == {"note": text if text == shown else PLACEHOLDER}


def test_a_card_number_is_hidden_as_a_number_too() -> None:
    assert redact([4111111111111111, 4111111111111112], BUILT_IN) == (
        [PLACEHOLDER, 4111111111111112],
        frozenset({"/0"}),
    )


SENSITIVE = {"type": "string", "x-sensitive": True}


@pytest.mark.parametrize(
    ("schema", "value", "masked"),
    [
        ({"properties": {"a": SENSITIVE, "b": {"type": "string"}}}, {"a": "x", "b": "y"}, {"/a"}),
        ({"properties": {"l": {"items": {"properties": {"a": SENSITIVE}}}}}, {"l": [{"a": 1}, {"b": 1}]}, {"/l/0/a"}),
        ({"properties": {"a": {"$ref": "#/$defs/s"}}, "$defs": {"s": SENSITIVE}}, {"a": {"x": 1}}, {"/a"}),
        ({"oneOf": [{"type": "null"}, {"properties": {"a": SENSITIVE}}]}, {"a": 1}, {"/a"}),
        ({"if": {}, "then": {"properties": {"a": SENSITIVE}}}, {"a": 1}, {"/a"}),
        ({"additionalProperties": SENSITIVE, "properties": {"a": {}}}, {"a": 1, "b": 2}, {"/b"}),
        ({"patternProperties": {"^s": SENSITIVE}}, {"s1": 1}, {"/s1"}),
        ({"prefixItems": [{}, SENSITIVE]}, [1, 2, 3], {"/1"}),
        (SENSITIVE, "x", {""}),
        ({"properties": {"a": {"x-sensitive": False}}}, {"a": 1}, set()),
        ({"properties": {"a": {"$ref": "#pw"}}, "$defs": {"p": {"$anchor": "pw", **SENSITIVE}}}, {"a": 1}, {"/a"}),
        ({"properties": {"a": {"$ref": "#/$defs/a%20b"}}, "$defs": {"a b": SENSITIVE}}, {"a": 1}, {"/a"}),
        (
            {"$id": "http://x/s", "properties": {"a": {"$ref": "s#/$defs/p"}}, "$defs": {"p": SENSITIVE}},
            {"a": 1},
            {"/a"},
        ),
        ({"properties": {"a": {"$ref": "p"}}, "$defs": {"p": {"$id": "p", **SENSITIVE}}}, {"a": 1}, {"/a"}),
        ({"properties": {"a": {"$ref": "#/nowhere"}, "b": SENSITIVE}}, {"a": 1}, {"/a"}),
        ({"properties": {"a": SENSITIVE, "c": {"$recursiveRef": "#"}}}, {"c": {"a": 1}}, {"/c/a"}),
        ({"items": [{}, SENSITIVE]}, [1, 2, 3], {"/1"}),
        ({"items": [{}], "additionalItems": SENSITIVE}, [1, 2], {"/1"}),
        ({"prefixItems": [{}], "unevaluatedItems": SENSITIVE}, [1, 2], {"/1"}),
        ({"dependencies": {"b": {"properties": {"a": SENSITIVE}}}}, {"a": 1, "b": 2}, {"/a"}),
        ({"properties": {"o": {"propertyNames": SENSITIVE}}}, {"o": {"canary": 1}}, {"/o"}),
        ({"properties": {"a": {"contentSchema": {"properties": {"p": SENSITIVE}}}}}, {"a": "{}"}, {"/a"}),
        ({"properties": {"a": {"x-sensitive": "yes"}, "b": {"x-sensitive": 0}}}, {"a": 1, "b": 2}, {"/a"}),
        ({"$ref": "#"}, {"a": 1}, set()),
        ({"allOf": [{"$ref": "#"}, {"properties": {"a": SENSITIVE}}]}, {"a": 1}, {""}),
        (True, {"a": 1}, set()),
        (None, {"a": 1}, set()),
    ],
)
def test_what_a_schema_marks_is_masked(schema: Any, value: Any, masked: set[str]) -> None:
    shown, places = redact(value, BUILT_IN.beside(schema, value))
    assert places == masked
    assert redact(shown, BUILT_IN.beside(schema, shown))[0] == shown


SECRET = "Kanarie-4711/xyz"
FORMS = {
    "itself": SECRET,
    "within": f"pw {SECRET}!",
    "upper": SECRET.upper(),
    "reversed": SECRET[::-1],
    "hex": SECRET.encode().hex(),
    "base64": base64.b64encode(f"user:{SECRET}".encode()).decode(),
    "escaped": "Kanarie\\u002d4711\\u002fxyz",
    "quoted": "Kanarie-4711%2Fxyz",
    "substring": SECRET[3:11],
    "half": SECRET[:8],
    "list": list(SECRET),
    "split": SECRET.split("-"),
    "json": json.dumps({"note": SECRET}),
    "key": {SECRET: 1},
}


@pytest.mark.parametrize("form", FORMS)
def test_what_was_copied_is_masked_where_it_landed(form: str) -> None:
    values = secret_values([SECRET])
    shown, _ = redact({"copy": FORMS[form], "other": "order 17 of Ada", "n": 3}, BUILT_IN.following(values))
    assert shown["other"] == "order 17 of Ada"
    said = json.dumps(shown)
    for window in (SECRET[at : at + 8] for at in range(len(SECRET) - 7)):
        assert window not in said
        assert window[::-1] not in said
        assert window.upper() not in said
    assert shown["copy"] in (PLACEHOLDER, {PLACEHOLDER: 1}) or PLACEHOLDER in str(shown["copy"])


@pytest.mark.parametrize(
    ("secret", "hidden", "shown"),
    [
        ("1234", ["1234", "code 1234", 1234, "4321"], ["12345", "x1234y", "order 12"]),
        (1234, ["1234", 1234], [12345]),
        ("abc", ["abc", "ABC "], ["abcd", "the abc"]),
        ("hunter2", ["myhunter2!", "HUNTER2", "2retnuh"], ["hunter", "hunt er"]),
        (True, [], [True, "true"]),
        (None, [], [None]),
        ("  ", [], ["  ", ""]),
        ("[REDACTED]", [], ["redacted", "[REDACTED]"]),
    ],
)
def test_short_values_are_followed_as_far_as_they_can_be_told(secret: Any, hidden: list[Any], shown: list[Any]) -> None:
    policy = BUILT_IN.following(secret_values([secret]))
    assert [value for value in hidden if redact([value], policy)[0] != [PLACEHOLDER]] in ([], ["myhunter2!"])
    assert redact(shown, policy)[0] == shown


def test_references_of_a_definition_are_shown_and_values_written_out_are_not() -> None:
    definition = {
        "headers": {"authorization": {"$secret": "API_KEY"}, "token": {"$expr": "vars.token"}, "password": "canary"},
        "url": {"$expr": "'https://' & payload.host"},
        "pairs": [["Authorization", {"$secret": "API_KEY"}], ["token", {"$expr": "vars.token"}]],
        "header": ["X-Api-Key", {"$secret": "API_KEY"}],
        "named": {"name": "Authorization", "value": {"$secret": "API_KEY"}},
    }
    shown = redact(definition, BUILT_IN.for_definitions())
    assert shown == (
        {**definition, "headers": {**definition["headers"], "password": PLACEHOLDER}},
        frozenset({"/headers/password"}),
    )


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ({"password": {"$expr": " 'hunter22' "}}, {"password": PLACEHOLDER}),
        ({"password": {"$expr": '"it\\"s hunter22"'}}, {"password": PLACEHOLDER}),
        ({"password": {"$expr": "'a' & payload.b"}}, None),
        (
            {"pairs": [["Accept", "x"], ["Authorization", {"$expr": "'abcd1234'"}]]},
            {"pairs": [["Accept", "x"], PLACEHOLDER]},
        ),
        ({"name": "Authorization", "value": {"$expr": "'abcd1234'"}}, {"name": "Authorization", "value": PLACEHOLDER}),
        ({"url": {"$expr": "'https://u:pw12345@host/' & payload.id"}}, {"url": {"$expr": PLACEHOLDER}}),
        ({"header": {"$expr": "'Bearer ' & vars.token"}}, None),
        ({"header": {"$expr": "$append(vars.h, 'Bearer abcdef12345678')"}}, {"header": {"$expr": PLACEHOLDER}}),
        ({"when": {"$expr": "payload.token = 'abc' and payload.password != ''"}}, None),
        ({"when": {"$expr": "'" + "\\\\" * 50_000}}, None),
    ],
)
def test_a_text_in_an_expression_is_written_out(written: Any, shown: Any) -> None:
    assert redact(written, BUILT_IN.for_definitions())[0] == (written if shown is None else shown)


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
    policy = policy_of(["/customer/name"], ["^badge$", "/ssn/", "(?i)tax", "  "])
    value = {"customer": {"name": "Ada", "Badge": "DE1", "badges": 2, "taxId": 3}, "ssn_last": 4, "token": 5}
    result, places = redact(value, policy)
    assert result == {
        "customer": {"name": PLACEHOLDER, "Badge": PLACEHOLDER, "badges": 2, "taxId": PLACEHOLDER},
        "ssn_last": PLACEHOLDER,
        "token": PLACEHOLDER,
    }
    assert places == {"/customer/name", "/customer/Badge", "/customer/taxId", "/ssn_last", "/token"}


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
