"""Values beside their names: ``{"name": "Authorization", "value": ...}``, ``["X-Api-Key", ...]``, and lists of these."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from engine.values.redaction.placeholder import PLACEHOLDER

Json = Any
IsSecret = Callable[[str], bool]

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAMING: Final = frozenset({
    "attr", "attribute", "field", "header", "id", "k", "key", "label", "n", "name", "option", "param", "parameter", "prop",
    "property", "selector", "setting", "var", "variable",
})  # fmt: skip
"""A key whose last word is one of these may hold the name of what stands beside it, when its other words are of this kind too."""
_KINDS: Final = _NAMING | {
    "arg",
    "argument",
    "column",
    "cookie",
    "data",
    "env",
    "environment",
    "form",
    "http",
    "input",
    "item",
}
_ASKING: Final = frozenset({"question", "title"})
"""So may these, where the other is called a value or an answer."""
_ANSWERED: Final = frozenset({"answer", "val", "value"})
_VALUED: Final = frozenset({
    "answer", "content", "contents", "default", "plain", "raw", "text", "v", "val", "value", "values",
})  # fmt: skip
_STEP: Final = re.compile(r"[^./\[\]'\"$]+")
_PATH: Final = 1_000
"""Characters of a path that are looked at."""
_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)+|[Aa]uthorization|[Cc]ookie", re.ASCII)
_ANY_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*", re.ASCII)


def paired(value: Mapping[str, Json], is_secret: IsSecret) -> frozenset[str]:
    """The keys whose value belongs to a secret name beside them: ``value`` of ``{"name": "Authorization", "value": ...}``."""
    words = {key: _last_word(key) for key in value}
    valued = frozenset(key for key, word in words.items() if word in _VALUED)
    if not valued:
        return valued
    named = {
        words[key]
        for key, name in value.items()
        if key not in valued and isinstance(name, str) and _is_naming(key) and is_secret(name)
    }
    if named & _NAMING or value.get("type") == "password":
        return valued
    if named & _ASKING or any(_is_kind(value.get(key), is_secret) for key in ("type", "kind")):
        return frozenset(key for key in valued if words[key] in _ANSWERED)
    return frozenset()


def _is_kind(name: Json, is_secret: IsSecret) -> bool:
    """Whether a kind of values is secret; a token may be a part of a program's text too."""
    return isinstance(name, str) and name.lower() != "token" and is_secret(name)


def paired_items(value: Sequence[Json], is_secret: IsSecret) -> frozenset[int]:
    """The items of a list of pairs that are a secret name and its value."""
    if not value or not all(
        isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], str) for item in value
    ):
        return frozenset()
    return frozenset(index for index, item in enumerate(value) if is_secret(item[0]) and item[1] != PLACEHOLDER)


def is_header_pair(value: Sequence[Json], is_secret: IsSecret) -> bool:
    """Whether a list is the name of a secret header and its value or values."""
    if len(value) != 2 or not isinstance(value[0], str) or not _HEADER_NAME.fullmatch(value[0]):
        return False
    return is_secret(value[0]) and bool(value[1] != PLACEHOLDER)


def are_headers(value: Sequence[str], is_secret: IsSecret) -> bool:
    """Whether a list has names and values of headers in turn, a secret one among them."""
    names = value[::2]
    if len(value) < 4 or len(value) % 2 or not all(_ANY_HEADER_NAME.fullmatch(name) for name in names):
        return False
    return any(
        _HEADER_NAME.fullmatch(name) and is_secret(name) and value[2 * index + 1] != PLACEHOLDER
        for index, name in enumerate(names)
    )


def compared(value: Mapping[str, Json], is_hidden: Callable[[tuple[str, ...]], bool]) -> frozenset[str]:
    """``value`` of a condition or a change whose path leads to or below what is hidden.

    It is ``{"path": ..., "op": ..., "value": ...}``, with ``operator`` for ``op``.
    """
    path = value.get("path")
    if not isinstance(path, str) or "value" not in value or not ("op" in value or "operator" in value):
        return frozenset()
    return frozenset({"value"}) if is_hidden(tuple(_STEP.findall(path[:_PATH]))) else frozenset()


@lru_cache(maxsize=8192)
def _is_naming(key: str) -> bool:
    """``name`` and ``fieldName``, and not ``customer_id`` or ``api_key``."""
    words = [word.lower() for word in _WORD.findall(key[:60])]
    return bool(words) and (words[-1] in _ASKING or all(word in _KINDS for word in words))


@lru_cache(maxsize=8192)
def _last_word(key: str) -> str:
    words = _WORD.findall(key[:60])
    return words[-1].lower() if words else ""
