"""The filter line of the runs list: text to conditions and back.

``status:failed,running wf:billing since:2h waiting:event err:TIMEOUT id:0198c2 "free text"``: words are joined with AND, values
after one key with OR where the backend can serve it. What has no key is a run id, or the
beginning of one, or searched in the workflow name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Final

from engine.errors import Invalid
from engine.records import LISTED_LAUNCH_STATES, TRIGGERS, RunFilter, RunOrder, RunStatus, WaitKind
from runstudio_tui.domain.filter_times import check_time, time_at
from runstudio_tui.domain.filter_words import FilterKey, Problem, misread, one_of, repeated, tokens, unknown_key

STUCK_WORD: Final = "stuck"
_STATUSES: Final = (*(status.value.lower() for status in RunStatus), STUCK_WORD)
_WAITS: Final = tuple(kind.value for kind in WaitKind if kind is not WaitKind.TIMEOUT)
_ORDERS: Final = tuple(order.value for order in RunOrder)


@dataclass(frozen=True, slots=True)
class FilterLine:
    """A parsed filter line. Relative times stay relative until the backend is asked."""

    text: str = ""
    """As it was typed, blanks trimmed."""
    query: RunFilter = field(default_factory=RunFilter)
    """Everything but the times."""
    since: str = ""
    until: str = ""
    problems: tuple[Problem, ...] = ()

    def resolve(self, now: datetime, zone: tzinfo) -> RunFilter:
        """The query as of ``now`` (server's clock); calendar words count in ``zone``."""
        return replace(
            self.query,
            started_from=time_at(self.since, now, zone) if self.since else None,
            started_before=time_at(self.until, now, zone) if self.until else None,
        )

    @property
    def restricts(self) -> bool:
        """True when some run may be left out."""
        return replace(self.query, order=RunOrder.STARTED_DESC) != RunFilter() or bool(self.since or self.until)


Reader = Callable[[FilterLine, str], FilterLine]
"""Takes a value into a filter line. Raises ValueError, or Invalid as ``RunFilter`` does, when it is none of that key."""


@dataclass(frozen=True, slots=True)
class RunKey(FilterKey):
    """One key of the grammar of runs."""

    read: Reader = field(kw_only=True)


def _read_status(filter_: FilterLine, value: str) -> FilterLine:
    statuses: set[RunStatus] = set()
    stuck = False
    for part in value.split(","):
        word = one_of(part, _STATUSES)
        if word == STUCK_WORD:
            stuck = True
        else:
            statuses.add(RunStatus(word.upper()))
    if stuck and statuses:
        raise ValueError("stuck stands alone (a stuck run is a running one)")
    return replace(filter_, query=replace(filter_.query, statuses=frozenset(statuses), stuck=stuck))


def _read_waiting(filter_: FilterLine, value: str) -> FilterLine:
    kinds = frozenset(WaitKind(one_of(part, _WAITS)) for part in value.split(","))
    return replace(filter_, query=replace(filter_.query, waiting_on=kinds))


def _number(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 1 <= int(value[:9]) <= 999_999:
        raise ValueError(f"{value!r} is not a whole number from 1")
    return int(value)


def _read_since(filter_: FilterLine, value: str) -> FilterLine:
    check_time(value)
    return replace(filter_, since=value)


def _read_until(filter_: FilterLine, value: str) -> FilterLine:
    check_time(value)
    return replace(filter_, until=value)


def _field(name: str, convert: Callable[[str], object]) -> Reader:
    def read(filter_: FilterLine, value: str) -> FilterLine:
        changed: dict[str, object] = {name: convert(value)}
        return replace(filter_, query=replace(filter_.query, **changed))  # type: ignore[arg-type]  # name and convert are paired below

    return read


def _word(name: str, allowed: tuple[str, ...]) -> Reader:
    return _field(name, lambda value: one_of(value, allowed))


KEYS: Final = (
    RunKey("status", "state, several with commas", _STATUSES, read=_read_status),
    RunKey("wf", "workflow id, or the beginning of its name", read=_field("workflow", str)),
    RunKey("v", "workflow version", read=_field("version", _number)),
    RunKey(
        "since",
        "started in the last 15m, 2h, 7d; or since a date",
        ("15m", "1h", "24h", "7d", "today"),
        read=_read_since,
    ),
    RunKey("until", "started before", ("1h", "24h", "today"), read=_read_until),
    RunKey("waiting", "what it waits for", _WAITS, read=_read_waiting),
    RunKey("err", "error code, exact", read=_field("error_code", str)),
    RunKey("try", "at least so many tries of the current step", read=_field("min_attempt", _number)),
    RunKey("id", "beginning of the run id", read=_field("run_id_prefix", str.lower)),
    RunKey("key", "correlation key of one of its waits, exact", read=_field("wait_key", str)),
    RunKey("event", "id of an event that started or resumed it", read=_field("event_id", str)),
    RunKey("trigger", "how it was started", TRIGGERS, read=_word("trigger", TRIGGERS)),
    RunKey("replay", "replays of this run id", read=_field("replay_of", str)),
    RunKey("parent", "children of this run id", read=_field("parent", str)),
    RunKey("root", "all descendants of this run id", read=_field("root", str)),
    RunKey(
        "launch",
        "not yet handed to Temporal, or refused by it",
        LISTED_LAUNCH_STATES,
        read=_word("launch", LISTED_LAUNCH_STATES),
    ),
    RunKey("sort", "order", _ORDERS, read=_field("order", lambda value: RunOrder(one_of(value, _ORDERS)))),
)
"""The grammar: parsing, completion, the help and docs/keys.md are made from it."""
_BY_NAME: Final = {entry.key: entry for entry in KEYS}


_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{0,4}){1,3}(-[0-9a-f]{0,12})?|[0-9a-f]{12,32}")
_SHORTENED: Final = re.compile(r"([0-9a-f]{6})…[0-9a-f]{4}")
"""An id as lists show it; see ``text.short_id``."""


def id_begun_by(word: str) -> str:
    """The beginning of a run id that a word without a key is; empty when it is none."""
    found = word.lower()
    shortened = _SHORTENED.fullmatch(found)
    if shortened is not None:
        return shortened[1]
    return found if _ID.fullmatch(found) else ""


def parse_filter(text: str) -> FilterLine:
    """Read a filter line. Never raises: what is not understood becomes a Problem, the rest still counts."""
    result = FilterLine(text=" ".join(text.split()))
    words: list[str] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for token in tokens(text):
        problem = misread(token, tuple(_BY_NAME))
        if problem is not None:
            problems.append(problem)
            continue
        if token.key is None:
            begun = id_begun_by(token.value)
            if begun and "id" in seen:
                problems.append(repeated(token, "id"))
            elif begun:
                seen.add("id")
                result = replace(result, query=replace(result.query, run_id_prefix=begun))
            else:
                words.append(token.value)
            continue
        entry = _BY_NAME.get(token.key)
        if entry is None:
            problems.append(unknown_key(token, tuple(_BY_NAME)))
            continue
        if not token.value:
            problems.append(Problem(token.whole, f"{token.key}: needs a value"))
            continue
        try:
            read = entry.read(result, token.value)
        except (ValueError, Invalid) as error:
            problems.append(Problem(token.whole, f"{token.key}: {_reason(error)}"))
            continue
        if token.key in seen:
            problems.append(repeated(token, token.key))
            continue
        seen.add(token.key)
        result = read
    sought = " ".join(words)
    try:
        result = replace(result, query=replace(result.query, text=sought))
    except Invalid as error:
        problems.append(Problem(sought, _reason(error)))
    return replace(result, problems=tuple(problems))


def _reason(error: ValueError | Invalid) -> str:
    if isinstance(error, ValueError):
        return str(error)
    return str(error.details.get("reason", error.message.rstrip(".")))
