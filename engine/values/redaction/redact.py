"""The one redaction: what leaves the engine for a screen, a file, a log line or an audit entry passes here.

Raw values leave only through a replay, which happens inside the server, and through an audited reveal.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, Final

from engine.values.javascript import number_text
from engine.values.json_pointer import pointer_of, segment
from engine.values.redaction import manifests
from engine.values.redaction.card_numbers import is_card_in_pieces, is_card_number
from engine.values.redaction.command_lines import secret_arguments
from engine.values.redaction.ibans import MAX_PIECES, is_iban
from engine.values.redaction.json_in_text import MAX_INNER_CHARACTERS, json_in
from engine.values.redaction.name_value_pairs import are_headers, compared, is_header_pair, paired, paired_items
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import RedactionPolicy, is_hidden_name
from engine.values.redaction.schema_values import held_by, is_rule, is_schema, values_of
from engine.values.redaction.secret_shapes import hide_shapes, may_hold_secret
from engine.values.redaction.sensitive_places import SENSITIVE

Json = Any

_MAX_INNER: Final = 20
"""So many places of a text are looked at for JSON that begins there."""
_BEGINNING: Final = re.compile(r"[{\[](?=\s*[\"{\[])|\"(?=[{\[\\])")
_DECODER: Final = json.JSONDecoder()
_LITERAL: Final = re.compile(r"\"[^\"\\]*(?:\\.[^\"\\]*)*\"|'[^'\\]*(?:\\.[^'\\]*)*'", re.DOTALL)
"""A text in an expression."""
MAX_DEPTH: Final = 256
"""Deeper values are masked whole: nothing legitimate is nested so deep, and nothing may escape by being so."""


def redact(value: Json, policy: RedactionPolicy) -> tuple[Json, frozenset[str]]:
    """A copy of ``value`` in which everything the policy names is ``PLACEHOLDER``, and the JSON pointers of those places
    (RFC 6901, ``""`` is the document).

    Masked are: the value of a key with a secret name, whatever its type, also where name and value are a pair
    (``{"name": "Authorization", "value": ...}``); an object that refers to a secret (``{"$secret": ...}``), as a whole; what a
    tenant's pointer leads to, where it exists; and a text that has the shape of a secret, or repeats a value that is hidden
    elsewhere in the run. The same value gives the same result in every view.
    """
    if policy.everything or () in policy.pointers:
        return PLACEHOLDER, frozenset({""})
    masking = _Masking(policy)
    return masking.walk(value, policy.pointers, "", 0), frozenset(masking.masked)


def redact_named(name: str, value: Json, policy: RedactionPolicy) -> Json:
    """A value that stands under a ``name`` of ours in a record, as it may be shown: as ``redact`` of ``{name: value}``, but for
    the name itself, which is no copy of anything.
    """
    if policy.everything or () in policy.pointers or (name,) in policy.pointers or is_hidden_name(name, policy.keys):
        return PLACEHOLDER
    deeper = tuple(pointer[1:] for pointer in policy.pointers if pointer[0] == name)
    return _Masking(policy).walk(value, deeper, "", 0)


def redact_text(text: str, policy: RedactionPolicy) -> str:
    """A text of a run (a message, a title, a key, a log line): the secrets in it are hidden, by the same rules as in JSON.

    A text that is JSON is masked as the value it is; nothing of a text is shown where nothing may be.
    """
    if policy.everything:
        return PLACEHOLDER
    inner = json_in(text)
    if inner is not None:
        shown, masked = redact(inner, replace(policy, pointers=()))
        if masked:
            return json.dumps(shown, ensure_ascii=False)
    if may_hold_secret(text):
        text = hide_shapes(text if inner is not None else _with_json_hidden(text, policy))
    return text if policy.values is None else policy.values.hide(text)


class _Masking:
    """One pass over one document."""

    def __init__(self, policy: RedactionPolicy) -> None:
        self.keys = policy.keys
        self.values = policy.values
        self.references = policy.references
        self.texts = replace(policy, pointers=()) if policy.pointers else policy
        self.places = (*policy.pointers, *policy.compared)
        self.masked: set[str] = set()
        self.known_keys: dict[str, bool] = {}
        self.schema: str | None = None
        """Where the schema begins that was met last."""
        self.named: frozenset[str] = frozenset()
        """Places in it where keys are names of properties, not of values."""

    def walk(self, value: Json, pointers: tuple[tuple[str, ...], ...], where: str, depth: int) -> Json:
        """``pointers`` are what remains of the tenant's pointers that lead through here; none of them ends here."""
        if isinstance(value, str):
            return self._mask(where) if self._is_secret_text(value) else value
        if not isinstance(value, dict | list | tuple):
            return self._mask(where) if self._is_secret_number(value) else value
        if self.references and _is_reference(value):
            return value if self._refers(value) else {"$expr": self._mask(f"{where}/$expr")}
        if depth >= MAX_DEPTH or (isinstance(value, dict) and "$secret" in value):
            return self._mask(where)
        if isinstance(value, dict):
            pointers += self._held_by_schema(value, where)
            beside = (
                paired(value, self._is_secret_name) | compared(value, self._is_hidden_path) | manifests.data_of(value)
            )
            hidden = {key for key in value if self._is_secret_key(key)}
            deeper = _by_first(pointers)
            return ({PLACEHOLDER: self._mask(f"{where}/{PLACEHOLDER}")} if hidden else {}) | {
                key: self._mask(f"{where}/{segment(key)}")
                if (key in beside or is_hidden_name(key, self.keys))
                and not self._only_refers(item)
                and not (where in self.named and (isinstance(item, list) or is_rule(item)))
                else self._child(key, item, deeper.get(key, ()), where, depth)
                for key, item in value.items()
                if key not in hidden
            }
        if self._is_secret_list(value):
            return self._mask(where)
        pairs = {index for index in paired_items(value, self._is_secret_name) if not self._only_refers(value[index][1])}
        pairs |= secret_arguments(value)
        deeper = _by_first(pointers)
        return [
            self._mask(f"{where}/{index}")
            if index in pairs
            else self._child(str(index), item, deeper.get(str(index), ()), where, depth)
            for index, item in enumerate(value)
        ]

    def _child(self, name: str, item: Json, pointers: tuple[tuple[str, ...], ...], where: str, depth: int) -> Json:
        place = f"{where}/{segment(name)}"
        return self._mask(place) if () in pointers else self.walk(item, pointers, place, depth + 1)

    def _held_by_schema(self, value: dict[str, Json], where: str) -> tuple[tuple[str, ...], ...]:
        """Places below it at which a schema, in a definition, holds values of what is hidden; elsewhere an object with a mark."""
        if not self.references:
            return tuple(at for at, _ in values_of(value)) if value.get(SENSITIVE) not in (None, False) else ()
        if self.schema is not None and (where == self.schema or where.startswith(f"{self.schema}/")):
            return ()
        if not is_schema(value):
            return ()
        held = held_by(value, self._is_secret_name)
        self.schema = where
        self.named = frozenset(where + pointer_of(*place) for place in held.named)
        return held.hidden

    def _is_secret_text(self, text: str) -> bool:
        if self.values is None and not text.lstrip().startswith(("{", "[", '"')) and not may_hold_secret(text):
            return False
        return redact_text(text, self.texts) != text

    def _is_secret_key(self, key: str) -> bool:
        """Keys repeat, so each is looked at once."""
        found = self.known_keys.get(key)
        if found is None:
            found = self.known_keys[key] = self._is_secret_text(key)
        return found

    def _is_secret_number(self, value: Json) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        text = number_text(value)
        return is_card_number(text) or (self.values is not None and self.values.are_in(text))

    def _is_secret_list(self, value: list[Json] | tuple[Json, ...]) -> bool:
        """A pair of a name and its value, a header for one; or the pieces of a value that was split."""
        if is_card_in_pieces(value):
            return True
        if is_header_pair(value, self._is_secret_name):
            return not self._only_refers(value[1])
        if len(value) < 2 or not all(isinstance(item, str) for item in value):
            return False
        if are_headers(value, self._is_secret_name) or (len(value) <= MAX_PIECES and is_iban("".join(value))):
            return True
        return self.values is not None and self.values.are_in("".join(value))

    def _is_secret_name(self, name: str) -> bool:
        return is_hidden_name(name, self.keys)

    def _is_hidden_path(self, names: tuple[str, ...]) -> bool:
        return any(map(self._is_secret_name, names)) or any(_leads_into(names, place) for place in self.places)

    def _only_refers(self, value: Json) -> bool:
        """Whether the value of a secret name is a reference that may be shown: an expression that is a text alone is none."""
        if not (self.references and _is_reference(value)):
            return False
        return "$expr" not in value or _LITERAL.fullmatch(value["$expr"].strip()) is None

    def _refers(self, reference: Json) -> bool:
        """Whether no text in it is a secret that is written out."""
        written = _LITERAL.findall(reference["$expr"]) if "$expr" in reference else ()
        return not any(self._is_secret_text(text[1:-1]) for text in written)

    def _mask(self, where: str) -> str:
        self.masked.add(where)
        return PLACEHOLDER


def _is_reference(value: Json) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("$secret", value.get("$expr")), str)


def _leads_into(names: tuple[str, ...], place: tuple[str, ...]) -> bool:
    return len(place) <= len(names) and all(name in (own, "*") for own, name in zip(names, place, strict=False))


def _by_first(pointers: tuple[tuple[str, ...], ...]) -> dict[str, tuple[tuple[str, ...], ...]]:
    """What remains of pointers behind their first name, by that name."""
    if not pointers:
        return {}
    found: dict[str, list[tuple[str, ...]]] = {}
    for name, *rest in pointers:
        found.setdefault(name, []).append(tuple(rest))
    return {name: tuple(deeper) for name, deeper in found.items()}


def _with_json_hidden(text: str, policy: RedactionPolicy) -> str:
    """A text in which JSON stands among other words: what is secret in that is hidden."""
    if len(text) > MAX_INNER_CHARACTERS:
        return text
    pieces, done, at = [], 0, 0
    for _ in range(_MAX_INNER):
        begun = _BEGINNING.search(text, at)
        if begun is None:
            break
        at = begun.start() + 1
        try:
            inner, end = _DECODER.raw_decode(text, begun.start())
        except (ValueError, RecursionError):
            continue
        shown, masked = redact(inner, replace(policy, pointers=()))
        if masked:
            pieces += [text[done : begun.start()], json.dumps(shown, ensure_ascii=False)]
            done = end
        at = end
    return "".join([*pieces, text[done:]]) if pieces else text
