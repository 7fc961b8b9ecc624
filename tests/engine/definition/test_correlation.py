"""The keys of an event, from what its producer says or from its payload."""

from __future__ import annotations

from typing import Any

import pytest

from engine.definition.correlation import resolve_correlation


@pytest.mark.parametrize(
    ("explicit", "order", "keys"),
    [
        (" A-1\u00a0", "B", ("A-1",)),
        ("Cafe\u0301", "B", ("Caf\u00e9",)),
        (" \u2003", " Cafe\u0301 ", ("Caf\u00e9",)),
        (None, 17, ("17",)),
        (None, 1e21, ("1000000000000000000000",)),
        (None, 10**21, ("1000000000000000000000",)),
        (None, {"id": 1}, ()),
        (None, ["A-1"], ()),
        (None, [], ()),
        (None, " \ufeff", ()),
        (None, None, ()),
    ],
)
def test_f19_an_event_has_keys_in_normal_form_or_none(explicit: str | None, order: Any, keys: tuple[str, ...]) -> None:
    assert resolve_correlation({"*": ["order"]}, "PAID", {"order": order}, explicit) == keys
