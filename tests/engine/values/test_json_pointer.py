"""JSON pointers and times as text: each is spelled in one place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.values.json_pointer import names_of, pointer_of, segment
from engine.values.timestamps import iso_milliseconds


@given(st.lists(st.text()))
def test_a_pointer_leads_along_the_names_it_was_made_of(names: list[str]) -> None:
    assert names_of(pointer_of(*names)) == names


@pytest.mark.parametrize(
    ("names", "pointer"), [((), ""), (("",), "/"), (("lines", 0, "a/b"), "/lines/0/a~1b"), (("~1",), "/~01")]
)
def test_pointers_are_written_as_rfc_6901_says(names: tuple[str | int, ...], pointer: str) -> None:
    assert pointer_of(*names) == pointer
    assert "".join(f"/{segment(name)}" for name in names) == pointer


def test_times_are_utc_with_milliseconds() -> None:
    there = datetime(2026, 1, 1, 1, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert iso_milliseconds(there) == "2025-12-31T23:00:00.999Z"
    assert iso_milliseconds(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"
