"""Following: what is hidden in the documents of runs and events is looked for in all that is shown of them.

What is hidden in a document is worked out once and remembered, for a document does not change any more. So is what is hidden in
all documents of a run: a list learns with its rows, by a digest, whether they are still the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, TextClause
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.store.database import hidden_documents as sql
from engine.store.database.hidden_values import hidden_in_row
from engine.values.redaction.policy import RedactionPolicy
from engine.values.redaction.secret_values import SecretValues, TooMuchToFollow, secret_values

Json = Any
Ask = Callable[[TextClause, Mapping[str, Any]], Awaitable[Sequence[Any]]]
"""The rows of a statement with these parameters."""
Scope = tuple[str, str]
"""``("run", id)`` or ``("event", id)``."""
_Hidden = tuple[dict[Scope, tuple[Json, ...]], set[Scope]]
_Key = tuple[str, str, str]
"""Kind, id and stamp of a document, or of several by their digest."""

_READ_AT_ONCE: Final = 50
_REMEMBERED: Final = 50_000
_REMEMBERED_CHARACTERS: Final = 2_000
"""A document, or a run, in which more is hidden is looked through again each time."""
_KINDS: Final = {
    "payload": "payloads",
    "event": "events",
    "answer": "answers",
    "attempt": "attempts",
    "output": "outputs",
}


class _Remembered:
    """What is hidden in documents of one tenant under one policy, in each and in all of a run or an event."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Key | frozenset[_Key], tuple[Json, ...]] = OrderedDict()

    def get(self, key: _Key | frozenset[_Key]) -> tuple[Json, ...] | None:
        """What is hidden there; None: it is not remembered."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def keep(self, key: _Key | frozenset[_Key], hidden: tuple[Json, ...]) -> None:
        """Remember it, unless it is large; what was asked for least lately is forgotten."""
        if sum(len(str(value)) for value in hidden) > _REMEMBERED_CHARACTERS:
            return
        self._known[key] = hidden
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


class Memory:
    """What is known of the documents of one tenant of one database, under a few policies: when its rules change, what was known
    under the ones before is soon forgotten.
    """

    _MOST: Final = 4

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self._known: OrderedDict[RedactionPolicy, _Remembered] = OrderedDict()

    def of(self, policy: RedactionPolicy) -> _Remembered:
        """The memory under a policy."""
        found = self._known.setdefault(policy, _Remembered())
        self._known.move_to_end(policy)
        if len(self._known) > self._MOST:
            self._known.popitem(last=False)
        return found


_MEMORIES: Final[WeakKeyDictionary[Engine, dict[str, Memory]]] = WeakKeyDictionary()


def memory_of(engine: AsyncEngine, tenant: str) -> Memory:
    """The memory of a tenant of the database that ``engine`` connects to."""
    tenants = _MEMORIES.setdefault(engine.sync_engine, {})
    return tenants.setdefault(tenant, Memory(tenant))


@dataclass(frozen=True, slots=True)
class Followed:
    """What is looked for in what is shown of the runs and events that were asked for; nothing is known of any other."""

    values: Mapping[Scope, SecretValues | None] = field(default_factory=dict)
    """None: nothing is hidden there."""
    closed: frozenset[Scope] = frozenset()
    """More is hidden there than can be looked for, or it could not be read."""

    def beside(self, other: Followed) -> Followed:
        """What is known here and there."""
        return Followed({**self.values, **other.values}, self.closed | other.closed)

    def policy_of(self, policy: RedactionPolicy, scopes: Iterable[Scope]) -> RedactionPolicy | None:
        """The policy for something that belongs to all of these; None when nothing of it may be shown."""
        wanted = list(scopes)
        if any(scope in self.closed or scope not in self.values for scope in wanted):
            return None
        found = [values for scope in wanted if (values := self.values[scope]) is not None]
        return policy.following(reduce(SecretValues.beside, found)) if found else policy


NOTHING_FOLLOWED: Final = Followed()


async def follow(
    ask: Ask,
    memory: Memory,
    policy: RedactionPolicy,
    runs: Iterable[str],
    events: Iterable[str],
    *,
    digests: Sequence[Any] | None = None,
) -> Followed:
    """Look up what is hidden in all documents of these runs and events. ``digests``: the rows of ``DIGESTED`` for them, with
    which nothing is asked for what is known already.
    """
    run_ids, event_ids = sorted(set(runs)), sorted(set(events))
    scopes = _scopes(run_ids, event_ids)
    if policy.everything or not scopes:
        return Followed(dict.fromkeys(scopes))
    if digests is None or sum(row.documents for row in digests) > sql.MAX_DOCUMENTS:
        hidden, gone = await _looked_up(ask, memory, policy, run_ids, event_ids)
    else:
        hidden, gone = await _recalled(ask, memory, policy, scopes, digests)
    values: dict[Scope, SecretValues | None] = {}
    closed = {*gone, *(scope for scope in scopes if scope not in hidden)}
    for scope, found in hidden.items():
        try:
            values[scope] = secret_values(found)
        except TooMuchToFollow:
            closed.add(scope)
    return Followed(values, frozenset(closed))


def document_limits(tenant: str) -> dict[str, Any]:
    """The parameters of ``LISTED`` and ``DIGESTED``, but for the runs and events."""
    return {"tenant": tenant, "hops": sql.MAX_HOPS, "outputs": sql.MAX_OUTPUTS, "most": sql.MAX_DOCUMENTS + 1}


async def _recalled(
    ask: Ask, memory: Memory, policy: RedactionPolicy, scopes: Sequence[Scope], digests: Sequence[Any]
) -> _Hidden:
    """As ``_looked_up``, which is asked only for what is not remembered by its digests."""
    remembered = memory.of(policy.following(None))
    keys = {scope: frozenset(documents) for scope, documents in _documents_of(digests, scopes).items()}
    hidden = {scope: known for scope, key in keys.items() if (known := remembered.get(key)) is not None}
    missing = [scope for scope in scopes if scope not in hidden]
    runs, events = ([one for kind, one in missing if kind == wanted] for wanted in ("run", "event"))
    found, gone = await _looked_up(ask, memory, policy, runs, events) if missing else ({}, set())
    for scope, values in found.items():
        remembered.keep(keys[scope], values)
    return {**hidden, **found}, {*gone, *(("run", row.of) for row in digests if row.gone)}


async def _looked_up(ask: Ask, memory: Memory, policy: RedactionPolicy, runs: list[str], events: list[str]) -> _Hidden:
    """What is hidden in each of the runs and events, but for those with too many documents; and those with one that is gone."""
    listed = await ask(sql.LISTED, {"runs": runs, "events": events, **document_limits(memory.tenant)})
    if len(listed) > sql.MAX_DOCUMENTS:
        return await _by_halves(ask, memory, policy, runs, events)
    documents = _documents_of(listed, _scopes(runs, events))
    hidden = await _hidden(ask, memory, policy, {key for mine in documents.values() for key in mine})
    found = {scope: tuple(value for key in mine for value in hidden[key]) for scope, mine in documents.items()}
    return found, {("run", row.of) for row in listed if row.gone}


async def _by_halves(ask: Ask, memory: Memory, policy: RedactionPolicy, runs: list[str], events: list[str]) -> _Hidden:
    if len(runs) + len(events) == 1:
        return {}, set()
    left, left_gone = await _looked_up(ask, memory, policy, runs[: len(runs) // 2], events[: (len(events) + 1) // 2])
    right, right_gone = await _looked_up(ask, memory, policy, runs[len(runs) // 2 :], events[(len(events) + 1) // 2 :])
    return {**left, **right}, left_gone | right_gone


def _scopes(runs: Iterable[str], events: Iterable[str]) -> list[Scope]:
    return [*(("run", run_id) for run_id in runs), *(("event", event_id) for event_id in events)]


def _documents_of(listed: Sequence[Any], scopes: Sequence[Scope]) -> dict[Scope, tuple[_Key, ...]]:
    """The documents of each scope. A run that does not exist has none; nor has an event."""
    of_root: dict[str, list[_Key]] = {}
    of_own: dict[str, list[_Key]] = {}
    lines: dict[str, list[tuple[str, str, str]]] = {}
    found: dict[Scope, dict[_Key, None]] = {scope: {} for scope in scopes}
    for row in listed:
        if row.kind == "run":
            lines.setdefault(row.of, []).append((row.id, row.member, row.stamp))
        elif row.kind == "event" and not row.of:
            found.setdefault(("event", row.id), {})[row.kind, row.id, row.stamp] = None
        else:
            (of_own if row.kind == "output" else of_root).setdefault(row.of, []).append((row.kind, row.id, row.stamp))
    for run_id, line in lines.items():
        mine = found.setdefault(("run", run_id), {})
        for root, member, stamp in line:
            mine["payload", member, stamp] = None
            mine |= dict.fromkeys((*of_own.get(member, ()), *of_root.get(root, ())))
    return {scope: tuple(found[scope]) for scope in scopes}


async def _hidden(ask: Ask, memory: Memory, policy: RedactionPolicy, keys: set[_Key]) -> dict[_Key, tuple[Json, ...]]:
    """What is hidden in each document. One that is not there, or was deleted before it was looked at, hides nothing."""
    plain = policy.following(None)
    remembered = memory.of(plain)
    found = {key: known for key in keys if (known := remembered.get(key)) is not None}
    missing = sorted(keys - found.keys())
    for start in range(0, len(missing), _READ_AT_ONCE):
        asked = missing[start : start + _READ_AT_ONCE]
        ids: dict[str, list[str]] = {name: [] for name in _KINDS.values()}
        for kind, document_id, _ in asked:
            ids[_KINDS[kind]].append(document_id)
        read = {(row.kind, row.id): row for row in await ask(sql.CONTENTS, {"tenant": memory.tenant, **ids})}
        for key in asked:
            row = read.get(key[:2])
            found[key] = () if row is None else tuple(hidden_in_row(row, plain))
            remembered.keep(key, found[key])
    return found
