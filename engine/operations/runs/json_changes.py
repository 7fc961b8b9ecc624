"""Changes to a JSON document by pointer, and what they mean for values that were masked. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.errors import Invalid
from engine.records import JsonChange
from engine.values.json_pointer import names_of, segment
from engine.values.redaction.placeholder import PLACEHOLDER

Json = Any

_PATHS_LISTED = 100


def apply_changes(document: Json, changes: Sequence[JsonChange]) -> Json:
    """``document`` with the changes made one after the other; ``document`` itself stays as it is.

    Raises ``Invalid`` (PATCH_PATH_INVALID) for a path that does not exist when its turn comes, or leads through a scalar.
    """
    result = _copied(document)
    for change in changes:
        parts = _parts(change.path)
        if not parts:
            if change.op == "remove":
                raise _wrong(change, "the whole document cannot be removed")
            result = _copied(change.value)
            continue
        container = result
        for part in parts[:-1]:
            container = _child(container, part, change)
        _change(container, parts[-1], change)
    return result


def changed_paths(before: Json, after: Json) -> list[str]:
    """The JSON pointers of the values that differ, the innermost that say it, at most 100.

    ``1``, ``1.0`` and ``true`` are three values.
    """
    found: list[str] = []
    for path in _differences(before, after, ""):
        found.append(path)
        if len(found) == _PATHS_LISTED:
            break
    return found


def placeholder_path(value: Json, at: str = "") -> str | None:
    """Where in ``value`` a text or a key holds the redaction placeholder; None when nowhere."""
    if isinstance(value, str):
        return at if PLACEHOLDER in value else None
    if isinstance(value, dict):
        for key, item in value.items():
            below = f"{at}/{segment(key)}"
            if PLACEHOLDER in key:
                return below
            found = placeholder_path(item, below)
            if found is not None:
                return found
    if isinstance(value, list):
        for index, item in enumerate(value):
            found = placeholder_path(item, f"{at}/{index}")
            if found is not None:
                return found
    return None


def _change(container: Json, part: str, change: JsonChange) -> None:
    value = _copied(change.value)
    if isinstance(container, dict):
        if change.op == "add":
            container[part] = value
        elif part not in container:
            raise _wrong(change, "there is nothing at this path")
        elif change.op == "replace":
            container[part] = value
        else:
            del container[part]
        return
    if not isinstance(container, list):
        raise _wrong(change, "it leads through a value that has no parts")
    if change.op == "add":
        container.insert(len(container) if part == "-" else _index(part, len(container) + 1, change), value)
    elif change.op == "replace":
        container[_index(part, len(container), change)] = value
    else:
        del container[_index(part, len(container), change)]


def _child(container: Json, part: str, change: JsonChange) -> Json:
    if isinstance(container, dict) and part in container:
        return container[part]
    if isinstance(container, list):
        return container[_index(part, len(container), change)]
    raise _wrong(change, "there is nothing at this path")


def _index(part: str, below: int, change: JsonChange) -> int:
    plain = part.isascii() and part.isdigit() and (part == "0" or not part.startswith("0"))
    if not plain or len(part) > len(str(below)) or int(part) >= below:
        raise _wrong(change, "there is no such place in the list")
    return int(part)


def _parts(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise Invalid("PATCH_PATH_INVALID", f"{path[:100]!r} is not a JSON pointer.", "A pointer begins with a slash.")
    return names_of(path)


def _wrong(change: JsonChange, why: str) -> Invalid:
    return Invalid(
        "PATCH_PATH_INVALID",
        f"The change {change.op} {change.path[:100]} cannot be made: {why}.",
        "Read the run's input again and repeat the edit.",
        {"path": change.path[:1000]},
    )


def _differences(before: Json, after: Json, at: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            below = f"{at}/{segment(key)}"
            if key not in before or key not in after:
                yield below
            else:
                yield from _differences(before[key], after[key], below)
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            if index >= len(before) or index >= len(after):
                yield f"{at}/{index}"
            else:
                yield from _differences(before[index], after[index], f"{at}/{index}")
    elif type(before) is not type(after) or before != after:
        yield at


def _copied(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
