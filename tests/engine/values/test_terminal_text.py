"""Text that drives no terminal: drawn as signs, or escaped in JSON."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from engine.values.terminal_text import VISIBLE, escaped_json, visible

ANY_TEXT = st.text(alphabet=st.characters(codec=None))
WHOLE_CHARACTERS = st.text(alphabet=st.characters(codec="utf-8"))


@given(WHOLE_CHARACTERS)
def test_escaped_json_says_the_same_and_has_none_of_them(text: str) -> None:
    escaped = escaped_json(json.dumps({text: [text]}, ensure_ascii=False, indent=2))
    assert json.loads(escaped) == {text: [text]}
    assert not [sign for sign in escaped if ord(sign) in VISIBLE and sign != "\n"]
    escaped.encode("utf-8")


def test_half_a_character_is_escaped() -> None:
    assert escaped_json('"\ud83d"') == '"\\ud83d"'


@given(ANY_TEXT)
def test_what_is_visible_has_one_sign_for_each_character(text: str) -> None:
    shown = visible(text)
    assert len(shown) == len(text)
    assert not [sign for sign in shown if ord(sign) in VISIBLE or unicodedata.category(sign) in ("Cc", "Cs")]


def test_letters_of_any_language_stay() -> None:
    text = '"Zoë 日本 ✔ 🙂"'
    assert escaped_json(text) == text
    assert visible(text) == text


def test_characters_that_are_never_drawn_are_shown() -> None:
    hidden = "a\u00adb\u034fc\u3164d\ufe01e\u180bf\U000e0101g\U0001d173h"
    assert visible(hidden) == "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffdg\ufffdh"
    assert visible("\u2764\ufe0f") == "\u2764\ufe0f"


def test_marks_that_are_piled_up_are_escaped_in_json() -> None:
    text = json.dumps({"a" + "\u0301" * 9: "b" + "\u0e47" * 8}, ensure_ascii=False)
    escaped = escaped_json(text)
    assert json.loads(escaped) == json.loads(text)
    assert escaped.count("\\u0301") == 3
    assert escaped.count("\\u0e47") == 2
