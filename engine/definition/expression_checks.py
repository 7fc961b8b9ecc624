"""Static checks of expressions where they stand in a definition."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from engine.definition.issues import Issue, Place
from engine.definition.schema_paths import SchemaNode
from engine.definition.sites import Site, scan
from engine.definition.suggestions import nearest
from engine.expression import FUNCTION_NAMES, Expression, ExpressionFailure, Reads, compile_expression
from engine.expression.errors import SOURCE_BYTES
from engine.values.json_pointer import segment


def expression_issues(site: Site) -> Iterator[Issue]:
    """INVALID_EXPR and EXPRESSION_TOO_LONG for every expression of a step: its own fields, its mappings, its configuration."""
    for pointer, source in _expressions(site):
        failure = failure_of(source)
        if failure is None:
            continue
        if failure.kind == "too-large" and len(source.encode("utf-8", "surrogatepass")) > SOURCE_BYTES:
            yield site.place.error("EXPRESSION_TOO_LONG", f"{pointer}: {failure.message}", "Split it over two steps.")
        else:
            yield invalid_expression(site.place, "INVALID_EXPR", pointer, failure)


def loop_issues(site: Site, payload: SchemaNode | None) -> Iterator[Issue]:
    """ITEMS_MAY_COLLAPSE where the items of a loop are what an expression finds: one of them alone is no array."""
    items = site.step.get("items") if site.type == "control.forEach" else None
    source = items.get("$expr") if isinstance(items, dict) else None
    expression = compiled(source) if isinstance(source, str) else None
    if source is not None and isinstance(expression, Expression) and expression.selects(partial(_maps, payload)):
        message = "/items: One match alone is not an array, and no match is missing; the loop fails with both."
        yield site.place.warning("ITEMS_MAY_COLLAPSE", message, f"Write [{source.strip()}].")


def _maps(payload: SchemaNode | None, reads: Reads) -> bool:
    """Whether a path takes a field of each item of an array of the payload, as far as its schema tells."""
    (scope, _), *fields = reads
    node = payload if scope == "payload" else None
    for name, index in fields[:-1]:
        node = node.field(name) if node is not None else None
        if node is None:
            return False
        if "array" in (node.types() or ()):
            if index is None:
                return True
            node = node.items
    return False


def compiled(source: str) -> Expression | ExpressionFailure:
    """The expression, or why there is none."""
    try:
        return compile_expression(source)
    except ExpressionFailure as failure:
        return failure


def failure_of(source: str) -> ExpressionFailure | None:
    """Why ``source`` does not compile; None when it does."""
    outcome = compiled(source)
    return outcome if isinstance(outcome, ExpressionFailure) else None


def invalid_expression(place: Place, code: str, pointer: str, failure: ExpressionFailure) -> Issue:
    """A finding about an expression that does not compile; a function's name misspelled gets the right one suggested."""
    meant = nearest(failure.name, FUNCTION_NAMES) if failure.name else None
    message = f"{pointer}: {failure.message} (character {failure.position + 1})"
    return place.error(code, message, None if meant is None else f"Did you mean {meant}()?")


def _expressions(site: Site) -> Iterator[tuple[str, str]]:
    match site.type:
        case "control.if":
            found: Any = {"condition": site.step.get("condition")}
        case "control.forEach":
            found = {"items": site.step.get("items")}
        case "control.callWorkflow":
            found = {name: site.step.get(name) for name in ("inputMapping", "outputMapping")}
        case _:
            found = {"config": site.step.get("config")}
    for name, value in found.items():
        for pointer, expression in scan(value, f"/{segment(name)}"):
            source = expression["$expr"]
            if isinstance(source, str) or source is None:
                yield pointer, source or ""
