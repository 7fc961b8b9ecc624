"""Following: what is hidden in the documents of runs and events is looked for in all that is shown of them.

What is hidden in a document is worked out once and remembered, for a document does not change any more; so a list that is asked
again and again costs one look at which documents there are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, TextClause
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.store.database import hidden_documents as sql
from engine.values.json_in_text import json_in
from engine.values.json_pointer import names_of
from engine.values.placeholder import PLACEHOLDER
from engine.values.redaction import RedactionPolicy, redact, redact_text
from engine.values.secret_values import SecretValues, TooMuchToFollow, secret_values

Json = Any
Ask = Callable[[TextClause, Mapping[str, Any]], Awaitable[Sequence[Any]]]
"""The rows of a statement with these parameters."""
Scope = tuple[str, str]
"""``("run", id)`` or ``("event", id)``."""
_Key = tuple[str, str, str]
"""Kind, id and stamp of a document."""

_READ_AT_ONCE: Final = 50
_REMEMBERED_DOCUMENTS: Final = 50_000
_REMEMBERED_CHARACTERS: Final = 2_000
"""A document in which more is hidden is looked through again each time."""
_KINDS: Final = {
    "payload": "payloads",
    "event": "events",
    "answer": "answers",
    "attempt": "attempts",
    "output": "outputs",
}


class _Remembered:
    """What is hidden in documents of one tenant under one policy."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Key, tuple[Json, ...]] = OrderedDict()

    def get(self, key: _Key) -> tuple[Json, ...] | None:
        """What is hidden in a document; None: it is not remembered."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def keep(self, key: _Key, hidden: tuple[Json, ...]) -> None:
        """Remember it, unless it is large; what was asked for least lately is forgotten."""
        if sum(len(str(value)) for value in hidden) > _REMEMBERED_CHARACTERS:
            return
        self._known[key] = hidden
        if len(self._known) > _REMEMBERED_DOCUMENTS:
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
    ask: Ask, memory: Memory, policy: RedactionPolicy, runs: Iterable[str], events: Iterable[str]
) -> Followed:
    """Look up what is hidden in all documents of these runs and events."""
    tenant = memory.tenant
    run_ids, event_ids = sorted(set(runs)), sorted(set(events))
    scopes = [*(("run", run_id) for run_id in run_ids), *(("event", event_id) for event_id in event_ids)]
    if policy.everything or not scopes:
        return Followed(dict.fromkeys(scopes))
    parameters = {
        "tenant": tenant,
        "runs": run_ids,
        "events": event_ids,
        "hops": sql.MAX_HOPS,
        "outputs": sql.MAX_OUTPUTS,
        "most": sql.MAX_DOCUMENTS + 1,
    }
    listed = await ask(sql.LISTED, parameters)
    if len(listed) > sql.MAX_DOCUMENTS:
        return await _by_halves(ask, memory, policy, run_ids, event_ids)
    keys = _documents_of(listed, scopes)
    hidden = await _hidden(ask, memory, policy, {key for mine in keys.values() for key in mine})
    values: dict[Scope, SecretValues | None] = {}
    closed: set[Scope] = {("run", row.of) for row in listed if row.gone}
    for scope, mine in keys.items():
        try:
            values[scope] = secret_values([value for key in mine for value in hidden[key]])
        except TooMuchToFollow:
            closed.add(scope)
    return Followed(values, frozenset(closed))


async def _by_halves(ask: Ask, memory: Memory, policy: RedactionPolicy, runs: list[str], events: list[str]) -> Followed:
    if len(runs) + len(events) == 1:
        return Followed({}, frozenset((*(("run", one) for one in runs), *(("event", one) for one in events))))
    left = await follow(ask, memory, policy, runs[: len(runs) // 2], events[: (len(events) + 1) // 2])
    right = await follow(ask, memory, policy, runs[len(runs) // 2 :], events[(len(events) + 1) // 2 :])
    return left.beside(right)


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
            found["event", row.id][row.kind, row.id, row.stamp] = None
        else:
            (of_own if row.kind == "output" else of_root).setdefault(row.of, []).append((row.kind, row.id, row.stamp))
    for run_id, line in lines.items():
        mine = found["run", run_id]
        for root, member, stamp in line:
            mine["payload", member, stamp] = None
            mine |= dict.fromkeys((*of_own.get(member, ()), *of_root.get(root, ())))
    return {scope: tuple(mine) for scope, mine in found.items()}


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
            found[key] = () if row is None else tuple(_hidden_in_row(row, plain))
            remembered.keep(key, found[key])
    return found


def _hidden_in_row(row: Any, policy: RedactionPolicy) -> Iterator[Json]:
    if row.kind != "attempt":
        yield from hidden_in(row.document, row.schema, policy)
        return
    for side in ("input", "output"):
        yield from hidden_in(row.document[side], (row.schema or {}).get(side), policy)


def hidden_in(document: Json, schema: Json, policy: RedactionPolicy) -> Iterator[Json]:
    """The values at the masked places of a document; of a text that only has a secret in it, that one alone."""
    if policy.everything:
        return
    places = redact(document, policy.beside(schema, document))[1]
    if not places:
        return
    by_place = redact(_blank(document), policy.beside(schema, document))[1]
    for pointer in places:
        value = document
        for name in names_of(pointer):
            # A key that was hidden itself is in the document under its own name.
            value = value[int(name)] if isinstance(value, list) else value.get(name)
        if isinstance(value, str) and pointer not in by_place:
            yield from _secrets_of(value, policy)
        else:
            yield value


def _blank(value: Json) -> Json:
    """A document with the same places and without texts: what is masked in it is so for where it stands."""
    if isinstance(value, dict):
        return {key: _blank(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_blank(item) for item in value]
    return "" if isinstance(value, str) else value


def _secrets_of(text: str, policy: RedactionPolicy) -> Iterator[Json]:
    """What is secret in a text that was masked for what it says."""
    inner, shown = json_in(text), redact_text(text, replace(policy, pointers=()))
    within = [] if inner is None else list(hidden_in(inner, None, replace(policy, pointers=())))
    if within:
        yield from within
    elif shown != text:
        yield from _secrets_in(text, shown)
    else:
        yield text


def _secrets_in(text: str, shown: str) -> Iterator[str]:
    """What stands in a text where its shown form has the placeholder."""
    first, *pieces = shown.split(PLACEHOLDER)
    at = len(first)
    for number, piece in enumerate(pieces):
        end = len(text) if number == len(pieces) - 1 and not piece else text.find(piece, at)
        if end < at:
            yield text[at:]
            return
        if end > at:
            yield text[at:end]
        at = end + len(piece)
