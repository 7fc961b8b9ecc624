"""What is masked: the names and places of a tenant, what a schema marks, and the hidden values of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import re2

from engine.values.redaction.secret_names import is_secret_name
from engine.values.redaction.secret_values import SecretValues
from engine.values.redaction.sensitive_places import sensitive_places
from engine.wording import clause

Json = Any

MAX_PATTERN_CHARACTERS: Final = 200
MATCHED_KEY_CHARACTERS: Final = 200
"""How much of a key name the patterns look at. Bounds what a hostile key can cost."""


@dataclass(frozen=True, slots=True)
class RedactionPolicy:
    """What is masked. Make one with ``policy_of``, or take ``BUILT_IN`` or ``EVERYTHING``."""

    keys: tuple[str, ...] = ()
    """Regular expressions of a tenant for key names, beside the names that are secret for everybody (``secret_names``)."""
    pointers: tuple[tuple[str, ...], ...] = ()
    """Decoded JSON pointers, each relative to the root of every document; ``()`` is the document itself."""
    compared: tuple[tuple[str, ...], ...] = ()
    """Places in events, ``*`` for any name: what a condition compares one of them with is masked."""
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


@lru_cache(maxsize=4096)
def is_hidden_name(key: str, patterns: tuple[str, ...]) -> bool:
    """Whether the value of this key is masked, with the key patterns of a tenant beside what holds for everybody."""
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
            said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
            raise ValueError(f"The key pattern {pattern!r} is no regular expression: {clause(said)}.") from error
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
