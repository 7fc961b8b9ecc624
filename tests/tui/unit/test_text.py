"""What comes from outside is drawn, never obeyed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstudio_tui.text import safe, safe_block, short_id
from runstudio_tui.widgets.cells import cut, pad, width, wrap

HOSTILE = {
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "clear": "\x1b[2J\x1b[H",
    "c1": "\x9b31m\x9d52;c;eA==\x9c",
    "newlines": "one\r\ntwo\nthree\ttab",
    "bidi": "safe\u202egnp.exe",
    "zero width": "ad\u200bmin\ufeff",
    "surrogate": "half\ud83d",
    "delete": "a\x7fb",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_unprintable_is_left(text: str) -> None:
    assert safe(text).isprintable()
    assert all(line.isprintable() for line in safe_block(text).split("\n"))
    safe(text).encode("utf-8")


@given(st.text(alphabet=st.characters(codec=None)))
def test_no_control_survives(text: str) -> None:
    made = safe(text)
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in made)
    assert not any(
        char in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028\u2029" for char in made
    )
    assert len(made) == len(text) - text.count("\ufe0e") - text.count("\ufe0f")


def test_ordinary_text_is_untouched() -> None:
    for text in ("order-fulfilment", "Zürich – 日本 ✔", "[red]not markup[/red]"):
        assert safe(text) == text


def test_marks_that_are_piled_up_are_shown_beside_each_other() -> None:
    """Hundreds on one letter cover the lines above and below, and are sent whole, however narrow their column is."""
    pile = "a" + "\u0336\u0489\u0e47" * 700
    made = safe(pile)
    assert made == pile[:7] + "\ufffd" * 2094
    assert len(cut(made, 10)) < 20
    assert safe_block(f"one\n{pile}") == f"one\n{made}"
    for kept in ("e\u0301\u0323", "Việt", "שָׁ֥לֹו", "ที่", "\u1f00\u0345\u0301"):
        assert safe(kept) == kept


@pytest.mark.parametrize(
    ("text", "shown", "cells"),
    [
        ("\u26a0\ufe0f low", "\u26a0 low", 5),
        ("\U0001f3f3\ufe0f", "\U0001f3f3", 1),
        ("1\ufe0f\u20e3", "1\u20e3", 1),
        ("\U0001f44d\ufe0e", "\U0001f44d", 2),
        ("\U0001f44d\U0001f3fd", "\U0001f44d\ufffd", 3),
        ("\U0001f1e9\U0001f1ea", "\U0001f1e9\U0001f1ea", 2),
    ],
)
def test_every_terminal_counts_the_same_cells(text: str, shown: str, cells: int) -> None:
    """One cell more or less than it was taken for shifts the rest of a line: borders, columns, what stands beside it."""
    assert safe(text) == shown
    assert safe_block(f"a\n{text}") == f"a\n{shown}"
    assert width(shown) == sum(map(width, shown)) == cells


def test_escape_is_visible() -> None:
    assert safe("\x1b[31m") == "␛[31m"
    assert safe_block("a\r\nb\x1b") == "a\nb␛"


def test_ids_are_cut_in_the_middle() -> None:
    assert short_id("0198c2aa-1111-7222-8333-444455557f3a") == "0198c2…7f3a"
    assert short_id("wf.main") == "wf.main"


@given(st.text(alphabet="ab 日é"), st.integers(0, 12))
def test_padding_takes_exactly_the_cells(text: str, cells: int) -> None:
    assert width(pad(text, cells)) == cells
    assert width(cut(text, cells)) <= cells


@given(st.text(alphabet="abc 日\n"), st.integers(2, 12))
def test_wrapping_loses_no_word(text: str, cells: int) -> None:
    lines = wrap(text, cells)
    assert all(width(line) <= cells for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "").replace("\n", "")
