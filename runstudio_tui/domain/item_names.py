"""What the items of a loop are called: an item's own name, id or key, else its first text. Masked values name nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Final

from engine.records import Document, Json
from runstudio_tui.domain.jsonview import pointer_step
from runstudio_tui.text import safe

_PATH: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SCOPES: Final = ("payload", "vars", "local", "meta", "error")
_BEST: Final = ("name", "id", "key")
_LONGEST: Final = 40


def names_of_items(loop: Json, scopes: Document | None) -> tuple[str, ...]:
    """The names of the items of a loop, by index, each empty where nothing names it; nothing where the items are not known.

    ``loop``: the step as it was published. ``scopes``: ``{payload, vars, local, meta, error}`` before it, redacted. Safe to draw.
    """
    source = loop.get("items") if isinstance(loop, dict) else None
    if isinstance(source, list):
        return tuple(_name(item, "", frozenset()) for item in source)
    path = source.get("$expr") if isinstance(source, dict) else None
    if scopes is None or not isinstance(path, str) or not _PATH.fullmatch(path.strip()):
        return ()
    found = _at(scopes.value, path.strip().split("."))
    if found is None:
        return ()
    pointer, items = found
    return tuple(_name(item, f"{pointer}/{index}", scopes.masked) for index, item in enumerate(items))


def _at(scopes: Json, path: list[str]) -> tuple[str, list[Json]] | None:
    """The list a path means, and its pointer: a name that is no scope is a variable."""
    if path[0] not in _SCOPES:
        path = ["vars", *path]
    value: Json = scopes
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return ("".join(f"/{pointer_step(step)}" for step in path), value) if isinstance(value, list) else None


def _name(item: Json, pointer: str, masked: Collection[str]) -> str:
    if pointer in masked:
        return ""
    if not isinstance(item, dict):
        return _text(item)
    shown = {name: value for name, value in item.items() if f"{pointer}/{pointer_step(name)}" not in masked}
    known = {name.lower(): value for name, value in shown.items()}
    best = [text for text in (_text(known.get(name)) for name in _BEST) if text]
    texts = [_text(value) for value in shown.values() if isinstance(value, str) and value]
    return next(iter([*best, *texts]), "")


def _text(value: Json) -> str:
    if isinstance(value, dict | list) or value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    shown = safe(" ".join(text.split()))
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
