"""The filter line of the runs list: text to conditions and back.

``status:failed,running wf:billing since:2h waiting:event err:TIMEOUT id:0198c2 "free text"``: words are joined with AND, values
after one key with OR where the backend can serve it. What has no key is searched in the workflow name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from difflib import get_close_matches
from typing import Final

from runstudio_tui.domain.models import RunId, RunStatus, WaitKind
from runstudio_tui.domain.query import RunQuery, Sort

_TOKEN: Final = re.compile(r'(?P<key>[A-Za-z]+):(?P<value>"[^"]*"?|\S*)|"(?P<quoted>[^"]*)"?|(?P<word>\S+)')
_SPAN: Final = re.compile(r"(?P<number>\d{1,6})(?P<unit>[smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TRIGGERS: Final = ("event", "schedule", "recurring", "child", "manual")
STUCK_WORD: Final = "stuck"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing the filter line says that cannot be understood."""

    token: str
    message: str


@dataclass(frozen=True, slots=True)
class RunFilter:
    """A parsed filter line. Relative times stay relative until the backend is asked."""

    text: str = ""
    """As it was typed, blanks trimmed."""
    query: RunQuery = field(default_factory=RunQuery)
    """Everything but the times."""
    since: str = ""
    until: str = ""
    problems: tuple[Problem, ...] = ()

    def resolve(self, now: datetime, zone: tzinfo) -> RunQuery:
        """The query as of ``now`` (server's clock); calendar words count in ``zone``."""
        return replace(
            self.query,
            started_from=_instant(self.since, now, zone) if self.since else None,
            started_before=_instant(self.until, now, zone) if self.until else None,
        )

    @property
    def restricts(self) -> bool:
        """True when some run may be left out."""
        return replace(self.query, sort=Sort.STARTED_DESC) != RunQuery() or bool(self.since or self.until)


@dataclass(frozen=True, slots=True)
class FilterKey:
    """One key of the grammar, for help and completion."""

    key: str
    meaning: str
    values: tuple[str, ...] = ()


KEYS: Final = (
    FilterKey("status", "state, several with commas", (*(s.value.lower() for s in RunStatus), STUCK_WORD)),
    FilterKey("wf", "workflow id, or the beginning of its name"),
    FilterKey("v", "workflow version"),
    FilterKey("since", "started in the last 15m, 2h, 7d; or since a date", ("15m", "1h", "24h", "7d", "today")),
    FilterKey("until", "started before", ("1h", "24h", "today")),
    FilterKey("waiting", "what it waits for", tuple(k.value for k in WaitKind if k is not WaitKind.TIMEOUT)),
    FilterKey("err", "error code, exact"),
    FilterKey("try", "at least so many tries of the current step"),
    FilterKey("id", "beginning of the run id"),
    FilterKey("key", "correlation key of one of its waits, exact"),
    FilterKey("event", "id of an event that started or resumed it"),
    FilterKey("trigger", "how it was started", _TRIGGERS),
    FilterKey("replay", "replays of this run id"),
    FilterKey("parent", "children of this run id"),
    FilterKey("root", "all descendants of this run id"),
    FilterKey("sort", "order", tuple(sort.value for sort in Sort)),
)
_KEY_NAMES: Final = tuple(entry.key for entry in KEYS)


def parse_filter(text: str) -> RunFilter:
    """Read a filter line. Never raises: what is not understood becomes a Problem, the rest still counts."""
    result = RunFilter(text=" ".join(text.split()))
    words: list[str] = []
    problems: list[Problem] = []
    for match in _TOKEN.finditer(text):
        if match["key"] is None:
            words.append(match["quoted"] if match["quoted"] is not None else match["word"])
            continue
        key, value = match["key"].lower(), match["value"].strip('"')
        reader = _READERS.get(key)
        if reader is None:
            close = get_close_matches(key, _KEY_NAMES, n=1)
            hint = f"; did you mean {close[0]}:?" if close else f"; keys are {', '.join(_KEY_NAMES)}"
            problems.append(Problem(match[0], f"there is no key {key}:{hint}"))
            continue
        if not value:
            problems.append(Problem(match[0], f"{key}: needs a value"))
            continue
        try:
            result = reader(result, value)
        except ValueError as error:
            problems.append(Problem(match[0], f"{key}: {error}"))
    query = replace(result.query, text=" ".join(word for word in words if word))
    return replace(result, query=query, problems=tuple(problems))


def with_value(text: str, key: str, value: str) -> str:
    """The filter line with ``key`` set to ``value``, in its place or at the end; an empty value takes the key out."""
    if re.search(r"\s", value):
        value = '"' + " ".join(value.replace('"', "").split()) + '"'
    tokens: list[str] = []
    placed = not value
    for match in _TOKEN.finditer(text):
        if match["key"] is None or match["key"].lower() != key:
            tokens.append(match[0])
        elif not placed:
            tokens.append(f"{key}:{value}")
            placed = True
    if not placed:
        tokens.append(f"{key}:{value}")
    return " ".join(tokens)


def complete(text: str) -> str | None:
    """What the end of the line could go on to: the whole line with the first fitting key or value, or None."""
    head, blank, last = text.rpartition(" ")
    key, colon, value = last.partition(":")
    if not last:
        return None
    if not colon:
        candidates = [f"{name}:" for name in _KEY_NAMES if name.startswith(key.lower())]
    else:
        entry = next((entry for entry in KEYS if entry.key == key.lower()), None)
        done, comma, begun = value.rpartition(",")
        fitting = [v for v in (entry.values if entry else ()) if v.startswith(begun.lower()) and v != begun]
        candidates = [f"{key}:{done}{comma}{v}" for v in fitting]
    return f"{head}{blank}{candidates[0]}" if candidates else None


def _one_of(value: str, allowed: tuple[str, ...]) -> str:
    if value.lower() in allowed:
        return value.lower()
    close = get_close_matches(value.lower(), allowed, n=1)
    raise ValueError(
        f"{value!r} is not known; " + (f"did you mean {close[0]}?" if close else f"one of {', '.join(allowed)}")
    )


def _read_status(filter_: RunFilter, value: str) -> RunFilter:
    statuses: set[RunStatus] = set()
    stuck = False
    for part in value.split(","):
        word = _one_of(part, KEYS[0].values)
        if word == STUCK_WORD:
            stuck = True
        else:
            statuses.add(RunStatus(word.upper()))
    if stuck and statuses:
        raise ValueError("stuck stands alone (a stuck run is a running one)")
    return replace(filter_, query=replace(filter_.query, statuses=frozenset(statuses), stuck=stuck))


def _read_waiting(filter_: RunFilter, value: str) -> RunFilter:
    kinds = frozenset(WaitKind(_one_of(part, tuple(kind.value for kind in WaitKind))) for part in value.split(","))
    return replace(filter_, query=replace(filter_.query, waiting_on=kinds))


def _number(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 1 <= int(value[:9]) <= 999_999:
        raise ValueError(f"{value!r} is not a whole number from 1")
    return int(value)


def _read_since(filter_: RunFilter, value: str) -> RunFilter:
    _check_instant(value)
    return replace(filter_, since=value)


def _read_until(filter_: RunFilter, value: str) -> RunFilter:
    _check_instant(value)
    return replace(filter_, until=value)


def _check_instant(value: str) -> None:
    if value.lower() == "today" or _SPAN.fullmatch(value.lower()):
        return
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is no time; write 2h, 7d, today, 2026-01-15 or 2026-01-15T10:30") from None


def _instant(value: str, now: datetime, zone: tzinfo) -> datetime:
    span = _SPAN.fullmatch(value.lower())
    if span is not None:
        try:
            return now - timedelta(seconds=int(span["number"]) * _UNITS[span["unit"]])
        except OverflowError:
            return datetime.min.replace(tzinfo=now.tzinfo)
    if value.lower() == "today":
        return now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    at = datetime.fromisoformat(value)
    return at if at.tzinfo is not None else at.replace(tzinfo=zone)


_Reader = Callable[[RunFilter, str], RunFilter]


def _field(name: str, convert: Callable[[str], object]) -> _Reader:
    def read(filter_: RunFilter, value: str) -> RunFilter:
        changed: dict[str, object] = {name: convert(value)}
        return replace(filter_, query=replace(filter_.query, **changed))  # type: ignore[arg-type]  # name and convert are paired below

    return read


_READERS: Final[dict[str, _Reader]] = {
    "status": _read_status,
    "wf": _field("workflow", str),
    "v": _field("version", _number),
    "since": _read_since,
    "until": _read_until,
    "waiting": _read_waiting,
    "err": _field("error_code", str),
    "try": _field("min_attempt", _number),
    "id": _field("run_id_prefix", str.lower),
    "key": _field("wait_key", str),
    "event": _field("event_id", str),
    "trigger": _field("trigger", lambda value: _one_of(value, _TRIGGERS)),
    "replay": _field("replay_of", RunId),
    "parent": _field("parent", RunId),
    "root": _field("root", RunId),
    "sort": _field("sort", lambda value: Sort(_one_of(value, tuple(sort.value for sort in Sort)))),
}
