"""What the items of a loop are called."""

from __future__ import annotations

import pytest

from engine.records import Document, Json
from runstudio_tui.domain.item_names import names_of_items

LOOP: Json = {"items": {"$expr": "payload.lines"}}


def names(items: Json, *masked: str) -> tuple[str, ...]:
    return names_of_items(LOOP, Document({"payload": {"lines": items}}, frozenset(masked)))


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ({"color": "red", "key": "k-1", "id": 17, "name": "Lamp"}, "Lamp"),
        ({"color": "red", "key": "k-1", "ID": 17}, "17"),
        ({"color": "red", "key": "k-1"}, "k-1"),
        ({"amount": 3, "color": "red", "size": "large"}, "red"),
        ({"name": "", "sku": "SKU-1"}, "SKU-1"),
        ({"amount": 3, "more": {"name": "deeper"}}, ""),
        ("plain", "plain"),
        (17, "17"),
        (None, ""),
    ],
)
def test_s27_an_item_is_called_by_its_name_id_key_or_first_text(item: Json, name: str) -> None:
    assert names([item]) == (name,)


def test_what_is_masked_or_drives_a_terminal_names_nothing() -> None:
    assert names([{"name": "secret", "sku": "SKU-1"}], "/payload/lines/0/name") == ("SKU-1",)
    assert names(["secret"], "/payload/lines/0") == ("",)
    assert "\x1b" not in names(["a\x1b[2Jb"])[0]


def test_a_name_is_short_and_on_one_line() -> None:
    [name] = names([{"name": "a\nb " * 40}])
    assert name.startswith("a b a b")
    assert len(name) == 40


def test_items_that_are_not_known_have_no_names() -> None:
    assert names_of_items({"items": {"$expr": "payload.lines[0]"}}, Document({"payload": {"lines": [1]}})) == ()
    assert names_of_items({"items": {"$expr": "payload.others"}}, Document({"payload": {}})) == ()
    assert names_of_items(LOOP, None) == ()
    assert names_of_items({"items": ["a", "b"]}, None) == ("a", "b")
