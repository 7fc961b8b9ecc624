"""``transform.regex_match``, ``regex_extract`` and ``regex_replace``: quick actions on a linear-time matcher.

They are not pure: even a linear match over a long text may take longer than workflow code may.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

import re2
from pydantic import Field, FiniteFloat

from engine.actions.builtin.javascript_regex import FLAGS, PatternError, UnsupportedPattern, to_re2
from engine.actions.context import ActionContext
from engine.actions.declaration import action
from engine.actions.schema import WHOLE, CamelModel
from engine.errors import ACTION, TIMEOUT, VALIDATION, StepFailure
from engine.values import javascript

MAX_TEXT_UNITS: Final = 100_000
MAX_PATTERN_UNITS: Final = 2_000
MAX_MATCHES: Final = 1_000
MAX_RESULT_CHARACTERS: Final = 1_000_000

MATCHING_SECONDS: Final = 2.0
"""After this long no further match is searched for."""
_WORK_LIMIT: Final = 300_000_000
"""Instructions of the compiled pattern times bytes of the text: the most one search can cost, about three seconds."""
_GROUPS: Final = 25
"""So many groups of a pattern cost as much again: the matcher notes for each where it began and ended."""

PATTERN_INVALID: Final = "REGEX_PATTERN_INVALID"
PATTERN_UNSUPPORTED: Final = "REGEX_PATTERN_UNSUPPORTED"
FLAGS_INVALID: Final = "REGEX_FLAGS_INVALID"
LIMIT_EXCEEDED: Final = "REGEX_LIMIT_EXCEEDED"
NO_MATCH: Final = "REGEX_NO_MATCH"
TOO_SLOW: Final = "REGEX_TIMEOUT"

_OPTIONS: Final = re2.Options()
_OPTIONS.max_mem = 8 * 1024 * 1024
_OPTIONS.log_errors = False

Scalar = str | bool | int | FiniteFloat | None


class RegexInput(CamelModel):
    text: Scalar
    pattern: Annotated[str, Field(min_length=1)]
    flags: str = ""


class MatchInput(RegexInput):
    require_match: bool = False


class MatchOutput(CamelModel):
    matched: bool
    match: str | None
    index: int | None
    groups: list[str | None]
    named_groups: dict[str, str | None]


class ExtractInput(MatchInput):
    max_matches: Annotated[int, Field(gt=0), WHOLE] = 100


class ExtractedMatch(CamelModel):
    text: str
    index: int
    groups: list[str | None]
    named_groups: dict[str, str | None]


class ExtractOutput(CamelModel):
    matched: bool
    count: int
    first: ExtractedMatch | None
    matches: list[ExtractedMatch]


class ReplaceInput(RegexInput):
    replacement: str
    replace_all: bool = True


class ReplaceOutput(CamelModel):
    text: str
    replacement_count: int


@action("transform.regex_match", input=MatchInput, output=MatchOutput, side_effects=False, quick=True)
def regex_match(call: MatchInput, _ctx: ActionContext) -> dict[str, Any]:
    """The first match of a regular expression."""
    search = _prepare("transform.regex_match", call)
    first = next(search.matches(), None)
    if first is None:
        _require(search, call)
        return {"matched": False, "match": None, "index": None, "groups": [], "namedGroups": {}}
    if search.characters(first) > MAX_RESULT_CHARACTERS:
        raise search.too_long()
    return {
        "matched": True,
        "match": first.group(),
        "index": search.index(first),
        "groups": list(first.groups()),
        "namedGroups": first.groupdict(),
    }


@action("transform.regex_extract", input=ExtractInput, output=ExtractOutput, side_effects=False, quick=True)
def regex_extract(call: ExtractInput, _ctx: ActionContext) -> dict[str, Any]:
    """All matches of a regular expression, up to a number."""
    search = _prepare("transform.regex_extract", call)
    if call.max_matches > MAX_MATCHES:
        raise search.refused(LIMIT_EXCEEDED, f"maxMatches may be at most {MAX_MATCHES}")
    found: list[dict[str, Any]] = []
    size = 0
    for match in search.matches():
        size += search.characters(match)
        if size > MAX_RESULT_CHARACTERS:
            raise search.too_long()
        found.append(
            {
                "text": match.group(),
                "index": search.index(match),
                "groups": list(match.groups()),
                "namedGroups": match.groupdict(),
            }
        )
        if len(found) == call.max_matches:
            break
    if not found:
        _require(search, call)
    return {"matched": bool(found), "count": len(found), "first": found[0] if found else None, "matches": found}


@action("transform.regex_replace", input=ReplaceInput, output=ReplaceOutput, side_effects=False, quick=True)
def regex_replace(call: ReplaceInput, _ctx: ActionContext) -> dict[str, Any]:
    """Replace the matches of a regular expression, with JavaScript's ``$`` tokens."""
    search = _prepare("transform.regex_replace", call)
    text, pieces, end, count, size = search.text, [], 0, 0, 0
    for match in search.matches():
        if count == MAX_MATCHES:
            raise search.refused(LIMIT_EXCEEDED, f"there are more than {MAX_MATCHES} matches")
        count += 1
        before, after = text[: match.start()], text[match.end() :]
        try:
            replacement = javascript.expand_replacement(
                call.replacement, before, match.group(), after, match.groups(), match.groupdict(),
                most=MAX_RESULT_CHARACTERS - size,
            )  # fmt: skip
        except javascript.TextTooLong:
            raise search.too_long() from None
        pieces += [text[end : match.start()], replacement]
        end = match.end()
        size += len(replacement)
        if not call.replace_all:
            break
    return {"text": "".join([*pieces, text[end:]]), "replacementCount": count}


@dataclass(frozen=True, slots=True)
class _Search:
    label: str
    text: str
    compiled: Any
    sticky: bool

    def matches(self) -> Iterator[Any]:
        """Matches from left to right; with the flag ``y`` only those that follow on one another from the start."""
        deadline = time.monotonic() + MATCHING_SECONDS
        expected = 0
        empty_at = -1
        for match in self.compiled.finditer(self.text):
            if match.end() == empty_at:
                # RE2's iterator looks once more at the place of an empty match that it had to search for.
                continue
            empty_at = match.end() if match.start() == match.end() else -1
            if self.sticky and match.start() != expected:
                return
            # After an empty match the search goes on one character further.
            expected = match.end() + (match.end() == match.start())
            yield match
            if time.monotonic() > deadline:
                raise StepFailure(
                    TIMEOUT, f"{self.label}: matching took longer than {MATCHING_SECONDS:g} s.", code=TOO_SLOW
                )

    def characters(self, match: Any) -> int:
        """How many characters the match has with its groups; they are not made for that."""
        return sum(end - start for start, end in map(match.span, range(self.compiled.groups + 1)))

    def index(self, match: Any) -> int:
        """Where a match begins, in UTF-16 units."""
        start: int = match.start()
        return start if self.text.isascii() else javascript.length(self.text[:start])

    def too_long(self) -> StepFailure:
        return self.refused(LIMIT_EXCEEDED, f"the result has more than {MAX_RESULT_CHARACTERS} characters")

    def refused(self, code: str, reason: str) -> StepFailure:
        return StepFailure(VALIDATION, f"{self.label}: {reason}.", code=code)


def _prepare(label: str, call: RegexInput) -> _Search:
    # Halves of surrogate pairs that belong together are joined, others replaced: RE2 reads UTF-8.
    text = javascript.text(call.text).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if javascript.length(text) > MAX_TEXT_UNITS:
        raise _refused(label, LIMIT_EXCEEDED, f"the text has more than {MAX_TEXT_UNITS} characters")
    if javascript.length(call.pattern) > MAX_PATTERN_UNITS:
        raise _refused(label, LIMIT_EXCEEDED, f"the pattern has more than {MAX_PATTERN_UNITS} characters")
    flags = set(call.flags)
    if flags - FLAGS or len(flags) != len(call.flags) or {"u", "v"} <= flags:
        raise _refused(
            label, FLAGS_INVALID, f"the flags {call.flags[:20]!r} are not valid: each of dgimsuvy once, u or v"
        )
    try:
        compiled = re2.compile(to_re2(call.pattern, call.flags), _OPTIONS)
    except UnsupportedPattern as error:
        raise _refused(label, PATTERN_UNSUPPORTED, str(error)) from None
    except PatternError as error:
        raise _refused(label, PATTERN_INVALID, f"the pattern is not valid: {error}") from None
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args else "unknown"
        raise _refused(label, PATTERN_INVALID, f"the pattern is not valid: {reason}") from None
    if compiled.programsize * len(text.encode()) * (1 + compiled.groups / _GROUPS) > _WORK_LIMIT:
        raise _refused(label, LIMIT_EXCEEDED, "the pattern is too complex for a text of this length")
    return _Search(label, text, compiled, "y" in flags)


def _require(search: _Search, call: MatchInput) -> None:
    if call.require_match:
        raise StepFailure(ACTION, f"{search.label}: the pattern does not match the text.", code=NO_MATCH)


def _refused(label: str, code: str, reason: str) -> StepFailure:
    return StepFailure(VALIDATION, f"{label}: {reason}.", code=code)


REGEX_ACTIONS: Final = (regex_match, regex_extract, regex_replace)
