"""Lines of CSV: what a spreadsheet reads back, and that it obeys none of it."""

from __future__ import annotations

import csv
import io
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.values.csv_text import csv_lines

ANY_TEXT = st.text(alphabet=st.characters(codec=None))


def read(text: str) -> list[list[str]]:
    """As a program reads it."""
    return list(csv.reader(io.StringIO(text, newline="")))


def test_cells_of_every_kind() -> None:
    at = datetime(2026, 1, 15, 12, 0, 0, 1500, tzinfo=timezone(timedelta(hours=2)))
    assert csv_lines([["a", 7, None, at, datetime(2026, 1, 1, tzinfo=UTC)]]) == (
        "a,7,,2026-01-15T10:00:00.001Z,2026-01-01T00:00:00.000Z\n"
    )


def test_commas_and_quotes() -> None:
    assert csv_lines([["a,b", 'say "x"', "plain"]]) == '"a,b","say ""x""",plain\n'


@pytest.mark.parametrize(
    "begins", ["=", "+", "-", "@", "\t", "\r", " =", "\n=", "\u00a0=", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
)
def test_what_would_be_a_formula_is_text(begins: str) -> None:
    [[cell]] = read(csv_lines([[f"{begins}1+1"]]))
    assert cell.startswith("'")
    assert cell.endswith("1+1")


@pytest.mark.parametrize("text", ["a=1", "1-1", "", "'=1", "ann@example.com"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert read(csv_lines([[text, "x"]])) == [[text, "x"]]


@given(st.lists(st.lists(ANY_TEXT, min_size=2, max_size=3), min_size=1, max_size=4))
def test_a_row_is_a_line_and_drives_nothing(rows: list[list[str]]) -> None:
    text = csv_lines(rows)
    text.encode("utf-8")
    assert not [sign for sign in text if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") and sign != "\n"]
    assert text.count("\n") == len(rows)
    found = read(text)
    assert [len(row) for row in found] == [len(row) for row in rows]
    assert not [cell for row in found for cell in row if cell.lstrip()[:1] in tuple("=+-@")]
