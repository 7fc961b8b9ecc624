"""The correlation keys of an event, by which waits are matched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.values.event_key import key_of, normal_key
from engine.values.jsonb_order import as_stored

EVERY_EVENT: Final = "*"


def correlation_paths_for(paths: Mapping[str, str | Sequence[str]], event_name: str) -> tuple[str, ...]:
    """The payload paths that give this event its keys: its own, then those of every event (``*``)."""
    found: list[str] = []
    for wanted in (normal_key(event_name), EVERY_EVENT):
        for name, configured in paths.items():
            if normal_key(name) == wanted:
                found += [configured] if isinstance(configured, str) else configured
    return tuple(dict.fromkeys(path for path in found if path.strip()))


def resolve_correlation(
    paths: Mapping[str, str | Sequence[str]], event_name: str, payload: Any, explicit_key: str | None = None
) -> tuple[str, ...]:
    """The keys of an event, the primary one first; empty when it has none.

    An explicit key that is not blank wins alone. Otherwise every configured dotted path is read from the payload, through
    objects only; what is found is made text, normalised (``normal_key``), and kept once. Objects, arrays, null and blank texts
    are no keys.
    """
    explicit = normal_key(explicit_key or "")
    if explicit:
        return (explicit,)
    values = (_read(payload, path) for path in correlation_paths_for(paths, event_name))
    return tuple(dict.fromkeys(key for value in values for key in _keys(value)))


def _keys(value: Any) -> tuple[str, ...]:
    try:
        # As the run sees it that an event with this value has started or resumed: 1e21 is stored as an integer.
        return (key_of(as_stored(value)),)
    except ValueError:
        return ()


def _read(payload: Any, path: str) -> Any:
    current = payload
    for name in path.split("."):
        if not isinstance(current, dict):
            return None
        current = current.get(name)
    return current
