"""Whether the type of what a simple path reads can be the type its receiver takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.definition.expression_checks import compiled
from engine.definition.issues import Issue, Place
from engine.definition.mappings import is_expression, is_secret
from engine.definition.schema_paths import SchemaNode, fits
from engine.expression import ExpressionFailure
from engine.values.json_pointer import segment


def type_issues(
    mapping: Mapping[str, Any],
    target: SchemaNode,
    sources: Mapping[tuple[str, ...], SchemaNode],
    pointer: str,
    place: Place,
) -> Iterator[Issue]:
    """MAPPING_TYPE_INCOMPATIBLE and MAPPING_TYPE_UNKNOWN.

    ``sources`` has the schema of what can be read, by the names it begins with, such as ``("event", "payload")``. Only paths of
    plain names are looked at; about anything computed there is nothing to say.
    """
    for name, value in mapping.items():
        receiver, at = target.field(name), f"{pointer}/{segment(name)}"
        if receiver is None:
            continue
        if is_expression(value):
            yield from _expression_issues(value["$expr"], receiver, sources, at, place)
        elif isinstance(value, dict) and not is_secret(value):
            yield from type_issues(value, receiver, sources, at, place)


def _expression_issues(
    source: Any, receiver: SchemaNode, sources: Mapping[tuple[str, ...], SchemaNode], at: str, place: Place
) -> Iterator[Issue]:
    wanted = receiver.types()
    expression = compiled(source) if isinstance(source, str) and wanted else None
    if wanted is None or expression is None or isinstance(expression, ExpressionFailure):
        return
    path = expression.simple_path or ()
    for root, schema in sources.items():
        if path[: len(root)] != root:
            continue
        found = schema.at(path[len(root) :])
        given = None if found is None else found.types()
        if given is None:
            if len(wanted - {"null"}) == 1:
                message = f"{at}: The type of {source.strip()} is not declared; {_listed(wanted)} is expected."
                yield place.warning("MAPPING_TYPE_UNKNOWN", message)
        elif not fits(given, wanted):
            message = f"{at}: {source.strip()} is {_listed(given)}; {_listed(wanted)} is expected."
            yield place.error("MAPPING_TYPE_INCOMPATIBLE", message)


def _listed(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))
