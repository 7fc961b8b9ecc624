"""The one redaction: what leaves the engine for a screen, a file, a log line or an audit entry passes here.

Raw values leave only through a replay, which happens inside the server, and through an audited reveal.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import re2

from engine.values.javascript import number_text
from engine.values.json_pointer import segment
from engine.values.redaction.card_numbers import is_card_in_pieces, is_card_number
from engine.values.redaction.json_in_text import MAX_INNER_CHARACTERS, json_in
from engine.values.redaction.name_value_pairs import are_headers, is_header_pair, paired, paired_items
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.secret_names import is_secret_name
from engine.values.redaction.secret_shapes import hide_shapes, may_hold_secret
from engine.values.redaction.secret_values import SecretValues
from engine.values.redaction.sensitive_places import sensitive_places
from engine.wording import clause

Json = Any

MAX_PATTERN_CHARACTERS: Final = 200
MATCHED_KEY_CHARACTERS: Final = 200
"""How much of a key name the patterns look at. Bounds what a hostile key can cost."""
_MAX_INNER: Final = 20
"""So many places of a text are looked at for JSON that begins there."""
_BEGINNING: Final = re.compile(r"[{\[](?=\s*[\"{\[])|\"(?=[{\[\\])")
_DECODER: Final = json.JSONDecoder()
_LITERAL: Final = re.compile(r"\"[^\"\\]*(?:\\.[^\"\\]*)*\"|'[^'\\]*(?:\\.[^'\\]*)*'", re.DOTALL)
"""A text in an expression."""
MAX_DEPTH: Final = 256
"""Deeper values are masked whole: nothing legitimate is nested so deep, and nothing may escape by being so."""


@dataclass(frozen=True, slots=True)
class RedactionPolicy:
    """What is masked. Make one with ``policy_of``, or take ``BUILT_IN`` or ``EVERYTHING``."""

    keys: tuple[str, ...] = ()
    """Regular expressions of a tenant for key names, beside the names that are secret for everybody (``secret_names``)."""
    pointers: tuple[tuple[str, ...], ...] = ()
    """Decoded JSON pointers, each relative to the root of every document; ``()`` is the document itself."""
    everything: bool = False
    """Nothing may be shown: the policy could not be read."""
    references: bool = False
    """References an author wrote (``{"$secret": NAME}``, ``{"$expr": ...}``) are shown: they are no secrets themselves. A text
    that stands in an expression is written out, and hidden as any other.
    """
    values: SecretValues | None = None
    """Hidden values of the run that is shown, to be hidden wherever they were copied to."""

    def beside(self, schema: Json, value: Json) -> RedactionPolicy:
        """This policy for a document of this schema: what the schema marks with ``x-sensitive`` is hidden too."""
        marked = sensitive_places(value, schema)
        return replace(self, pointers=(*self.pointers, *marked)) if marked else self

    def for_definitions(self) -> RedactionPolicy:
        """This policy for what an author wrote: what is written out is hidden, what is referred to is not."""
        return replace(self, references=True)

    def following(self, values: SecretValues | None) -> RedactionPolicy:
        """This policy for a run with these hidden values."""
        return replace(self, values=values)


BUILT_IN: Final = RedactionPolicy()
"""The policy of a tenant without settings."""
EVERYTHING: Final = RedactionPolicy(everything=True)
"""The policy when the tenant's own is unknown."""


def policy_of(pointers: Json, key_patterns: Json) -> RedactionPolicy:
    """The policy of a tenant from its two settings, lists of text. Anything wrong in them gives ``EVERYTHING``: a rule that
    cannot be understood was meant to hide something.
    """
    try:
        return RedactionPolicy(_key_patterns(key_patterns), _pointers(pointers))
    except (ValueError, TypeError, re2.error):
        return EVERYTHING


def redaction_issues(pointers: Json, key_patterns: Json) -> tuple[str, ...]:
    """What is wrong with a tenant's settings, one sentence each, so that they can be refused when they are written."""
    issues = []
    for check, value in ((_pointers, pointers), (_key_patterns, key_patterns)):
        try:
            check(value)
        except (ValueError, TypeError, re2.error) as error:
            issues.append(str(error))
    return tuple(issues)


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
    if policy.everything or () in policy.pointers or (name,) in policy.pointers or _is_secret(name, policy.keys):
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
        self.masked: set[str] = set()
        self.known_keys: dict[str, bool] = {}

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
            beside = paired(value, self._is_secret_name)
            hidden = {key for key in value if self._is_secret_key(key)}
            return ({PLACEHOLDER: self._mask(f"{where}/{PLACEHOLDER}")} if hidden else {}) | {
                key: self._mask(f"{where}/{segment(key)}")
                if (key in beside or _is_secret(key, self.keys)) and not self._only_refers(item)
                else self._child(key, item, pointers, where, depth)
                for key, item in value.items()
                if key not in hidden
            }
        if self._is_secret_list(value):
            return self._mask(where)
        pairs = {index for index in paired_items(value, self._is_secret_name) if not self._only_refers(value[index][1])}
        return [
            self._mask(f"{where}/{index}") if index in pairs else self._child(str(index), item, pointers, where, depth)
            for index, item in enumerate(value)
        ]

    def _child(self, name: str, item: Json, pointers: tuple[tuple[str, ...], ...], where: str, depth: int) -> Json:
        place = f"{where}/{segment(name)}"
        deeper = tuple(pointer[1:] for pointer in pointers if pointer[0] == name) if pointers else ()
        return self._mask(place) if () in deeper else self.walk(item, deeper, place, depth + 1)

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
        if are_headers(value, self._is_secret_name):
            return True
        return self.values is not None and self.values.are_in("".join(value))

    def _is_secret_name(self, name: str) -> bool:
        return _is_secret(name, self.keys)

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


@lru_cache(maxsize=4096)
def _is_secret(key: str, patterns: tuple[str, ...]) -> bool:
    matched = key[:MATCHED_KEY_CHARACTERS]
    try:
        return is_secret_name(key) or any(_compiled(pattern).search(matched) for pattern in patterns)
    except UnicodeEncodeError:
        # A key with half a character cannot be matched against anything; what cannot be judged is hidden.
        return True


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re2.Regexp:
    # RE2, whose time is linear in the text: a tenant's pattern must not be able to stop a reader.
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return re2.compile(pattern, options)


def _key_patterns(value: Json) -> tuple[str, ...]:
    patterns = []
    for pattern in _texts(value, "key patterns"):
        # The written form of a regular expression, /like this/, is accepted.
        body = pattern[1:-1] if len(pattern) > 2 and pattern[0] == pattern[-1] == "/" else pattern
        if not body.strip():
            continue
        if len(body) > MAX_PATTERN_CHARACTERS:
            raise ValueError(f"A key pattern has more than {MAX_PATTERN_CHARACTERS} characters.")
        try:
            _compiled(body)
        except re2.error as error:
            raise ValueError(f"The key pattern {pattern!r} is no regular expression: {clause(str(error))}.") from error
        patterns.append(body)
    return tuple(patterns)


def _pointers(value: Json) -> tuple[tuple[str, ...], ...]:
    decoded = []
    for pointer in _texts(value, "pointers"):
        body = pointer.removeprefix("#").removeprefix("/")
        segments = [segment for segment in body.split("/") if segment]
        decoded.append(tuple(segment.replace("~1", "/").replace("~0", "~") for segment in segments))
    return tuple(decoded)


def _texts(value: Json, what: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"The redaction {what} must be a list of texts.")
    return list(value)
