"""transform.* on texts: the documented outputs, and what holds for every input."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.actions.pure import run_pure
from engine.errors import StepFailure
from engine.values import javascript


def run(action: str, **action_input: Any) -> Any:
    return run_pure(
        f"transform.{action}", 1, action_input, step_config={}, context={}, now_iso=lambda: "2026-01-01T00:00:00.000Z"
    )


@pytest.mark.parametrize(
    ("action_input", "text"),
    [
        ({"text": "workflow designer", "maxLength": 12, "strategy": "middle"}, "workf...gner"),
        ({"text": "workflow designer", "maxLength": 12}, "workflow ..."),
        ({"text": "workflow designer", "maxLength": 12, "strategy": "start"}, "... designer"),
        ({"text": "workflow", "maxLength": 8}, "workflow"),
        ({"text": "workflow", "maxLength": 0}, ""),
        ({"text": "workflow", "maxLength": 2}, ".."),
        ({"text": "workflow", "maxLength": 3}, "..."),
        ({"text": "workflow", "maxLength": 4, "ellipsis": ""}, "work"),
        ({"text": "workflow", "maxLength": 5.0, "ellipsis": "~"}, "work~"),
        ({"maxLength": 5}, ""),
        ({"text": 12345678, "maxLength": 4}, "1..."),
        # The third unit is half of the face: it is dropped rather than cut in two.
        ({"text": "ab😀cd", "maxLength": 3, "ellipsis": ""}, "ab"),
        ({"text": "ab😀cd", "maxLength": 4, "ellipsis": ""}, "ab😀"),
        ({"text": "ab😀cd", "maxLength": 3, "ellipsis": "", "strategy": "start"}, "cd"),
    ],
)
def test_truncate(action_input: dict[str, Any], text: str) -> None:
    assert run("truncate_text", **action_input) == {"text": text}


@given(
    text=st.text(st.characters(exclude_characters="~", exclude_categories=["Cs"])),
    limit=st.integers(0, 40),
    strategy=st.sampled_from(["end", "start", "middle"]),
    ellipsis=st.sampled_from(["", "~", "~~", "~~~~~~"]),
)
def test_truncate_keeps_its_promises(text: str, limit: int, strategy: str, ellipsis: str) -> None:
    result = run("truncate_text", text=text, maxLength=limit, strategy=strategy, ellipsis=ellipsis)["text"]
    assert javascript.length(result) <= limit
    result.encode("utf-8")
    if javascript.length(text) <= limit:
        assert result == text
    elif len(ellipsis) >= limit:
        assert result == ellipsis[:limit]
    elif ellipsis:
        head, tail = result.split(ellipsis)
        assert text.startswith(head)
        assert text.endswith(tail)
        # Only half a character at each cut may be missing from the limit.
        assert javascript.length(result) >= limit - 2


@pytest.mark.parametrize(
    "action_input", [{}, {"maxLength": -1}, {"maxLength": "5"}, {"maxLength": 1.5}, {"maxLength": True}]
)
def test_truncate_wants_a_whole_number(action_input: dict[str, Any]) -> None:
    with pytest.raises(StepFailure) as failed:
        run("truncate_text", text="x", **action_input)
    assert (failed.value.category, failed.value.code) == ("ActionError", "ACTION_INPUT_INVALID")
    assert failed.value.details["issues"][0]["path"] == "/maxLength"


@pytest.mark.parametrize(
    ("action", "action_input", "output"),
    [
        ("concat_text", {"values": ["p", 1, None, True], "separator": "-"}, {"text": "p-1--true"}),
        (
            "concat_text",
            {"values": [1.0, 0.1, 1e21, [1, None, [2]], {"a": 1}]},
            {"text": "10.11e+211,,2[object Object]"},
        ),
        ("concat_text", {}, {"text": ""}),
        ("join_text", {"items": ["x", "y"], "delimiter": "::"}, {"text": "x::y"}),
        ("join_text", {}, {"text": ""}),
        ("split_text", {"text": "a,,b", "delimiter": ",", "removeEmpty": True}, {"items": ["a", "b"]}),
        ("split_text", {"text": "a,,b", "delimiter": ","}, {"items": ["a", "", "b"]}),
        ("split_text", {"text": "", "delimiter": ","}, {"items": [""]}),
        ("split_text", {"text": "a😀b", "delimiter": ""}, {"items": ["a", "😀", "b"]}),
        ("split_text", {"text": "a.b|c", "delimiter": "."}, {"items": ["a", "b|c"]}),
        ("lowercase_text", {"text": "ÄB"}, {"text": "äb"}),
        ("uppercase_text", {"text": "aß"}, {"text": "ASS"}),
        ("uppercase_text", {}, {"text": ""}),
        ("trim_text", {"text": "\ufeff\u00a0 t\u2003\n"}, {"text": "t"}),
        ("trim_text", {"text": "\x1ct\x85"}, {"text": "\x1ct\x85"}),
    ],
)
def test_text_actions(action: str, action_input: dict[str, Any], output: Any) -> None:
    assert run(action, **action_input) == output


@pytest.mark.parametrize(
    ("action_input", "text"),
    [
        ({"text": "aa", "search": "a", "replacement": "b"}, "bb"),
        ({"text": "aa", "search": "a", "replacement": "b", "replaceAll": False}, "ba"),
        ({"text": "aa", "search": ""}, "aa"),
        ({"text": "aa", "search": "z", "replacement": "b", "replaceAll": False}, "aa"),
        ({"text": "a.c", "search": "."}, "ac"),
        # Only the single replacement knows the tokens.
        ({"text": "aXb", "search": "X", "replacement": "[$&$$$`$'$1]", "replaceAll": False}, "a[X$ab$1]b"),
        ({"text": "aXb", "search": "X", "replacement": "[$&$$]"}, "a[$&$$]b"),
    ],
)
def test_replace(action_input: dict[str, Any], text: str) -> None:
    assert run("replace_text", **action_input) == {"text": text}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-2.5, "-2.5"), (1e20, "100000000000000000000"), (1e21, "1e+21"),
        (1.5e21, "1.5e+21"), (1e-6, "0.000001"), (1.5e-7, "1.5e-7"), (123456.789, "123456.789"), (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"), (12345678901234567890, "12345678901234567890"),
        (float("nan"), "NaN"), (float("-inf"), "-Infinity"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_javascript_does(number: float, text: str) -> None:
    assert javascript.number_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_number_reads_back(number: float) -> None:
    assert float(javascript.number_text(number)) == number


def test_a_list_in_lists_is_written_however_deep_it_is() -> None:
    nested: list[Any] = ["end"]
    for _ in range(5_000):
        nested = [nested, 1]
    assert run("truncate_text", text=nested, maxLength=7) == {"text": "end,..."}
    assert run("concat_text", values=[[], [[], 1], [2, [3, None, []]]], separator="|") == {"text": "|,1|2,3,,"}
