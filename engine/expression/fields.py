"""Field lookup in a value: by name, all fields, all descendants. Nothing recurses, however deep the value."""

from __future__ import annotations

from collections.abc import Mapping

from engine.expression.values import MISSING, Root, Run, Sequence, Value, settled


def lookup(value: Value, name: str, run: Run, position: int) -> Value:
    """A field of an object, or of every object in an array and in the arrays inside it."""
    if isinstance(value, dict):
        return value.get(name, MISSING)
    if isinstance(value, list):
        return settled(_lookup_each(value, name, run, position))
    if isinstance(value, Root):
        return value.mapping.get(name, MISSING)
    return MISSING


def _lookup_each(items: list[Value], name: str, run: Run, position: int) -> Sequence:
    found = Sequence()
    pending = [iter(items)]
    run.spend(len(items), position)
    while pending:
        for item in pending[-1]:
            if isinstance(item, list):
                run.spend(len(item), position)
                pending.append(iter(item))
                break
            member = item.get(name, MISSING) if isinstance(item, dict) else lookup(item, name, run, position)
            if isinstance(member, list):
                run.spend(len(member), position)
                found.extend(member)
            elif member is not MISSING:
                found.append(member)
        else:
            pending.pop()
    return found


def wildcard(value: Value, run: Run, position: int) -> Value:
    """``*``: the values of all fields, or all items; arrays among them are flattened to the bottom."""
    if isinstance(value, list):
        members = value
    else:
        mapping = value.mapping if isinstance(value, Root) else value
        members = list(mapping.values()) if isinstance(mapping, Mapping) else []
    found: list[Value] = Sequence()
    run.spend(len(members), position)
    for member in members:
        if isinstance(member, list):
            # As in JSONata, an array among the values makes the whole an array, even of one value.
            found = list(found) if isinstance(found, Sequence) else found
            found += _flattened(member, run, position)
        else:
            found.append(member)
    return settled(found)


def _flattened(items: list[Value], run: Run, position: int) -> list[Value]:
    flat: list[Value] = []
    pending = [iter(items)]
    run.spend(len(items), position)
    while pending:
        for item in pending[-1]:
            if isinstance(item, list):
                run.spend(len(item), position)
                pending.append(iter(item))
                break
            flat.append(item)
        else:
            pending.pop()
    return flat


def descendants(value: Value, run: Run, position: int) -> Value:
    """``**``: the value and everything below it, except that arrays are only passed through."""
    if value is MISSING:
        return MISSING
    found = Sequence()
    pending = [value]
    while pending:
        item = pending.pop()
        run.spend(1, position)
        if isinstance(item, list):
            pending.extend(reversed(item))
            continue
        found.append(item)
        if isinstance(item, Root):
            pending.extend(reversed(list(item.mapping.values())))
        elif isinstance(item, dict):
            pending.extend(reversed(item.values()))
    return settled(found)
