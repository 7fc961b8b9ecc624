"""Shapes of secrets are looked for only where their sign is, and what is hidden is the same as if they were everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.values import secret_shapes
from engine.values.placeholder import PLACEHOLDER
from engine.values.secret_shapes import hide_shapes, may_hold_secret

PIECES = (
    "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "Authorization", "Proxy-Authorization", "Cookie",
    "COOKIE", "coo\u212aie", "Bearer ", "BASIC ", "ba\u017fic ", "abcDEF123", "https://", "user:word@", "host.example",
    "eyJhbGciOi", ".eyJzdWIiOi", ".c2lnbmF0", "?token=", "&access_token=", "password", "pass\u017fword", "api key", "pin", "code",
    "=", ": ", ":", "'", '"', " ", "\n", "4111 1111 1111 1111", "4111111111111111", "378282246310005", "1234", "because ",
)  # fmt: skip


def _by_every_pattern(text: str) -> str:
    for _, pattern, replacement in secret_shapes._RULES:
        text = pattern.sub(replacement, text)
    return secret_shapes._hide_assigned(secret_shapes._CARD.sub(secret_shapes._card, text))


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=10).map("".join))
@settings(max_examples=500)
def test_a_shape_is_found_as_if_it_were_looked_for_in_every_text(text: str) -> None:
    storable = text.encode("utf-8", "replace").decode()
    assert hide_shapes(storable) == _by_every_pattern(storable)


@pytest.mark.parametrize(
    "text",
    ["CODE_1", "PAYMENT_CODE_MISSING", "message", "the session has no key", "order-fulfilment", "a token is missing"],
)
def test_a_name_alone_is_no_close_look_worth(text: str) -> None:
    assert not may_hold_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "password=geheim",
        "api key: geheim",
        "Cookie: a=b1",
        "Bearer abc123DEF",
        "https://me:word@host",
        "4111111111111111",
    ],
)
def test_a_shape_is_hidden(text: str) -> None:
    assert PLACEHOLDER in hide_shapes(text)
