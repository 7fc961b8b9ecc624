"""transform.regex_*: JavaScript's expressions and answers, in linear time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.actions.builtin.javascript_regex import to_re2
from engine.actions.context import ActionContext
from engine.actions.invoke import invoke
from engine.actions.registry import ActionRegistry
from engine.errors import StepFailure


@pytest.fixture
def regex(registry: ActionRegistry, make_context: Callable[..., ActionContext]) -> Callable[..., Any]:
    async def run(action: str, **action_input: Any) -> Any:
        return await invoke(registry.get(f"transform.regex_{action}", 1), action_input, make_context())

    return run


@pytest.mark.parametrize(
    ("action_input", "output"),
    [
        (
            {"text": "id INC-123456 ok", "pattern": r"INC-(?<id>\d{6})"},
            {"matched": True, "match": "INC-123456", "index": 3, "groups": ["123456"], "namedGroups": {"id": "123456"}},
        ),
        (
            {"text": "none", "pattern": "zzz"},
            {"matched": False, "match": None, "index": None, "groups": [], "namedGroups": {}},
        ),
        (
            {"text": "b", "pattern": "(a)?(?<y>b)"},
            {"matched": True, "match": "b", "index": 0, "groups": [None, "b"], "namedGroups": {"y": "b"}},
        ),
        (
            {"text": "ab", "pattern": "b", "flags": "y"},
            {"matched": False, "match": None, "index": None, "groups": [], "namedGroups": {}},
        ),
        ({"text": 123, "pattern": "2"}, {"matched": True, "match": "2", "index": 1, "groups": [], "namedGroups": {}}),
        ({"text": "😀x", "pattern": "x"}, {"matched": True, "match": "x", "index": 2, "groups": [], "namedGroups": {}}),
        ({"text": None, "pattern": "^$"}, {"matched": True, "match": "", "index": 0, "groups": [], "namedGroups": {}}),
    ],
)
async def test_match(regex: Callable[..., Any], action_input: dict[str, Any], output: Any) -> None:
    assert await regex("match", **action_input) == output


async def test_extract_collects_up_to_a_number(regex: Callable[..., Any]) -> None:
    first = {"text": "A-1", "index": 0, "groups": ["A", "1"], "namedGroups": {"n": "1"}}
    second = {"text": "B-2", "index": 4, "groups": ["B", "2"], "namedGroups": {"n": "2"}}
    assert await regex("extract", text="A-1 B-2 C-3", pattern=r"([A-Z])-(?<n>\d)", maxMatches=2) == {
        "matched": True,
        "count": 2,
        "first": first,
        "matches": [first, second],
    }


@pytest.mark.parametrize(
    ("text", "pattern", "flags", "found"),
    [
        ("baac", "a*", "", [("", 0), ("aa", 1), ("", 3), ("", 4)]),
        ("aab", "a", "y", [("a", 0), ("a", 1)]),
        ("baa", "a", "y", []),
        ("ab", "$", "", [("", 2)]),
        ("a\nb", "^", "m", [("", 0), ("", 2)]),
        ("A-b", "[a-z]", "i", [("A", 0), ("b", 2)]),
        ("x\u2003y", r"\s", "", [("\u2003", 1)]),
        ("٣3", r"\d", "", [("3", 1)]),
        ("a\u2028b", ".", "", [("a", 0), ("b", 2)]),
        ("a\u2028b", ".", "s", [("a", 0), ("\u2028", 1), ("b", 2)]),
        ("ñx", r"\p{L}", "u", [("ñ", 0), ("x", 1)]),
        ("a😀", r"\u{1F600}", "u", [("😀", 1)]),
        ("a😀", r"\ud83d\ude00", "", [("😀", 1)]),
        ("a{,2}b", "a{,2}", "", [("a{,2}", 0)]),
        ("a]b", "[^]", "", [("a", 0), ("]", 1), ("b", 2)]),
        ("[:a", "[[:]", "", [("[", 0), (":", 1)]),
        ("a-b", r"[\w-]+", "", [("a-b", 0)]),
    ],
)
async def test_what_matches(
    regex: Callable[..., Any], text: str, pattern: str, flags: str, found: list[tuple[str, int]]
) -> None:
    output = await regex("extract", text=text, pattern=pattern, flags=flags)
    assert [(match["text"], match["index"]) for match in output["matches"]] == found


@pytest.mark.parametrize(
    ("action_input", "text", "count"),
    [
        ({"text": "INC-123 INC-456", "pattern": r"INC-(\d+)", "replacement": "REF-$1"}, "REF-123 REF-456", 2),
        ({"text": "aa", "pattern": "a", "replacement": "b", "replaceAll": False, "flags": "g"}, "ba", 1),
        ({"text": "ab", "pattern": "(?<x>a)(b)", "replacement": "$<x>|$2$1|$3|$10|$$|$&|$<z>"}, "a|ba|$3|a0|$|ab|", 1),
        ({"text": "aXb", "pattern": "X", "replacement": "[$`$'$<x>]"}, "a[ab$<x>]b", 1),
        ({"text": "aab", "pattern": "a", "flags": "y", "replacement": "-"}, "--b", 2),
        ({"text": "abc", "pattern": "", "replacement": "-", "flags": "u"}, None, None),
        ({"text": "abc", "pattern": "(?:)", "replacement": "-"}, "-a-b-c-", 4),
        ({"text": "none", "pattern": "z", "replacement": "-"}, "none", 0),
    ],
)
async def test_replace(
    regex: Callable[..., Any], action_input: dict[str, Any], text: str | None, count: int | None
) -> None:
    if text is None:
        with pytest.raises(StepFailure, match="pattern"):
            await regex("replace", **action_input)
    else:
        assert await regex("replace", **action_input) == {"text": text, "replacementCount": count}


async def test_no_match_is_an_error_only_where_one_is_required(regex: Callable[..., Any]) -> None:
    for action in ("match", "extract"):
        with pytest.raises(StepFailure, match=f"transform.regex_{action}") as failed:
            await regex(action, text="a", pattern="b", requireMatch=True)
        assert (failed.value.category, failed.value.code) == ("ActionError", "REGEX_NO_MATCH")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"pattern": "("}, "REGEX_PATTERN_INVALID"),
        ({"pattern": "a**"}, "REGEX_PATTERN_INVALID"),
        ({"pattern": "a++"}, "REGEX_PATTERN_INVALID"),
        ({"pattern": "*a"}, "REGEX_PATTERN_INVALID"),
        ({"pattern": "[b-a]"}, "REGEX_PATTERN_INVALID"),
        ({"pattern": "a)"}, "REGEX_PATTERN_INVALID"),
        ({"pattern": "[a"}, "REGEX_PATTERN_INVALID"),
        ({"pattern": "\\"}, "REGEX_PATTERN_INVALID"),
        ({"pattern": "(?i)a"}, "REGEX_PATTERN_INVALID"),
        ({"pattern": r"\p{Nothing}", "flags": "u"}, "REGEX_PATTERN_INVALID"),
        ({"pattern": "a{2000}"}, "REGEX_PATTERN_INVALID"),
        ({"pattern": r"\u{110000}", "flags": "u"}, "REGEX_PATTERN_INVALID"),
        ({"pattern": r"[a-\u{FFFFFF}]", "flags": "v"}, "REGEX_PATTERN_INVALID"),
        ({"pattern": "(?=a)"}, "REGEX_PATTERN_UNSUPPORTED"),
        ({"pattern": "(?<!a)b"}, "REGEX_PATTERN_UNSUPPORTED"),
        ({"pattern": r"(a)\1"}, "REGEX_PATTERN_UNSUPPORTED"),
        ({"pattern": r"(?<n>a)\k<n>"}, "REGEX_PATTERN_UNSUPPORTED"),
        ({"pattern": r"a\B"}, "REGEX_PATTERN_UNSUPPORTED"),
        ({"pattern": "[a&&b]", "flags": "v"}, "REGEX_PATTERN_UNSUPPORTED"),
        ({"flags": "x"}, "REGEX_FLAGS_INVALID"),
        ({"flags": "ii"}, "REGEX_FLAGS_INVALID"),
        ({"flags": "uv"}, "REGEX_FLAGS_INVALID"),
        ({"text": "a" * 100_001}, "REGEX_LIMIT_EXCEEDED"),
        ({"pattern": "a" * 2_001}, "REGEX_LIMIT_EXCEEDED"),
        ({"pattern": "(?:a?){1000}(?:b?){1000}", "text": "a" * 100_000}, "REGEX_LIMIT_EXCEEDED"),
        ({"maxMatches": 1001}, "REGEX_LIMIT_EXCEEDED"),
        ({"maxMatches": 0}, "ACTION_INPUT_INVALID"),
        ({"text": {"a": 1}}, "ACTION_INPUT_INVALID"),
        ({"text": float("inf")}, "ACTION_INPUT_INVALID"),
    ],
)  # fmt: skip
async def test_what_is_refused(regex: Callable[..., Any], changes: dict[str, Any], code: str) -> None:
    with pytest.raises(StepFailure, match=r"transform\.regex_extract") as failed:
        await regex("extract", **({"text": "a", "pattern": "a"} | changes))
    assert failed.value.code == code
    assert failed.value.category == ("ActionError" if code == "ACTION_INPUT_INVALID" else "ValidationError")


@pytest.mark.parametrize(
    ("text", "replacement", "said"),
    [("a" * 1001, "", "more than 1000 matches"), ("a" * 1000, "b" * 1001, "more than 1000000 characters")],
)
async def test_replace_stays_within_its_limits(
    regex: Callable[..., Any], text: str, replacement: str, said: str
) -> None:
    with pytest.raises(StepFailure, match=said):
        await regex("replace", text=text, pattern="a", replacement=replacement)


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|aa)+$", r"(x+x+)+y", r"(.*)(.*)(.*)(.*)(.*)z"])
async def test_patterns_that_explode_elsewhere_end_at_once(regex: Callable[..., Any], pattern: str) -> None:
    # Elsewhere this would not end in a lifetime; here it ends within the five seconds that a quick action has.
    output = await regex("match", text="a" * 99_999 + "!", pattern=pattern)
    assert output["matched"] is False


def test_everything_special_is_escaped_for_the_other_engine() -> None:
    assert to_re2("a-]", "") == r"a\x{2D}\x{5D}"
    assert to_re2("^a$", "") == r"\Aa\z"
    assert to_re2("^a$", "im") == "(?im)^a$"
    assert to_re2("[]", "") == r"[^\x{0}-\x{10FFFF}]"
