"""The one redaction: what leaves the engine for a screen, a file, a log line or an audit entry passes here.

Raw values leave only through a replay, which happens inside the server, and through an audited reveal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import re2

from engine.values.json_pointer import segment
from engine.values.placeholder import PLACEHOLDER

Json = Any

BUILT_IN_KEYS: Final = (
    "secret",
    "token",
    "passw(or)?d",
    "passphrase",
    "api[_-]?key",
    "authorization",
    "credential",
    "private[_-]?key",
    "^(set-)?cookie$",
)
"""Key names that are masked for every tenant: regular expressions, without case, found anywhere in the name."""

MAX_PATTERN_CHARACTERS: Final = 200
MATCHED_KEY_CHARACTERS: Final = 200
"""How much of a key name the patterns look at. Bounds what a hostile key can cost."""
MAX_DEPTH: Final = 256
"""Deeper values are masked whole: nothing legitimate is nested so deep, and nothing may escape by being so."""


@dataclass(frozen=True, slots=True)
class RedactionPolicy:
    """What is masked. Make one with ``policy_of``, or take ``BUILT_IN`` or ``EVERYTHING``."""

    keys: tuple[str, ...] = BUILT_IN_KEYS
    pointers: tuple[tuple[str, ...], ...] = ()
    """Decoded JSON pointers, each relative to the root of every document; ``()`` is the document itself."""
    everything: bool = False
    """Nothing may be shown: the policy could not be read."""


BUILT_IN: Final = RedactionPolicy()
"""The policy of a tenant without settings."""
EVERYTHING: Final = RedactionPolicy(everything=True)
"""The policy when the tenant's own is unknown."""


def policy_of(pointers: Json, key_patterns: Json) -> RedactionPolicy:
    """The policy of a tenant from its two settings, lists of text. Anything wrong in them gives ``EVERYTHING``: a rule that
    cannot be understood was meant to hide something.
    """
    try:
        return RedactionPolicy((*BUILT_IN_KEYS, *_key_patterns(key_patterns)), _pointers(pointers))
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

    Masked are: the value of a key that matches a pattern or is ``secretRef``, whatever its type; an object that refers to a
    secret (``{"$secret": ...}``), as a whole; and what a tenant's pointer leads to, where it exists. The same value gives the
    same result in every view.
    """
    if policy.everything or () in policy.pointers:
        return PLACEHOLDER, frozenset({""})
    masking = _Masking(policy.keys)
    return masking.walk(value, policy.pointers, "", 0), frozenset(masking.masked)


def redact_text(text: str, policy: RedactionPolicy) -> str:
    """A text of a run (a message, a title): hidden only when nothing may be shown. Values in it were masked at its writing."""
    return PLACEHOLDER if policy.everything else text


class _Masking:
    """One pass over one document."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.keys = keys
        self.masked: set[str] = set()

    def walk(self, value: Json, pointers: tuple[tuple[str, ...], ...], where: str, depth: int) -> Json:
        """``pointers`` are what remains of the tenant's pointers that lead through here; none of them ends here."""
        if not isinstance(value, dict | list | tuple):
            return value
        if depth >= MAX_DEPTH or (isinstance(value, dict) and "$secret" in value):
            return self._mask(where)
        if isinstance(value, dict):
            return {
                key: self._mask(f"{where}/{segment(key)}")
                if _is_secret(key, self.keys)
                else self._child(key, item, pointers, where, depth)
                for key, item in value.items()
            }
        return [self._child(str(index), item, pointers, where, depth) for index, item in enumerate(value)]

    def _child(self, name: str, item: Json, pointers: tuple[tuple[str, ...], ...], where: str, depth: int) -> Json:
        place = f"{where}/{segment(name)}"
        deeper = tuple(pointer[1:] for pointer in pointers if pointer[0] == name)
        return self._mask(place) if () in deeper else self.walk(item, deeper, place, depth + 1)

    def _mask(self, where: str) -> str:
        self.masked.add(where)
        return PLACEHOLDER


@lru_cache(maxsize=4096)
def _is_secret(key: str, patterns: tuple[str, ...]) -> bool:
    matched = key[:MATCHED_KEY_CHARACTERS]
    try:
        return key == "secretRef" or any(_compiled(pattern).search(matched) for pattern in patterns)
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
            raise ValueError(f"The key pattern {pattern!r} is no regular expression: {error}.") from error
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
