"""Whether an expression selects: what it finds may be none, one or many, and one of them alone is no array (JSONata's rule)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.expression.ast import (
    Bind,
    Block,
    Call,
    Condition,
    Default,
    Descendants,
    Filter,
    Node,
    Path,
    Sort,
    Variable,
    Wildcard,
)
from engine.expression.reads import literal_index, plain_reads

Reads = tuple[tuple[str, int | None], ...]
"""The names of a path from the top of the context, each with the index written behind it."""


def selects(tree: Node, maps: Callable[[Reads], bool]) -> bool:
    """Whether the number of values that are found decides what comes out, and no bracket keeps the array: behind a filter, a
    wildcard or an order-by, and of a path that ``maps`` says takes a field of each item of an array.
    """

    def below_too(node: Node) -> bool:
        return selects(node, maps)

    match tree:
        case Block():
            below = _filtered(tree) or any(map(below_too, _last(tree.items)))
        case Bind():
            below = below_too(tree.value)
        case Condition():
            below = below_too(tree.then) or (tree.otherwise is not None and below_too(tree.otherwise))
        case Default():
            below = below_too(tree.value) or below_too(tree.otherwise)
        case Call():
            below = _is_coalesce(tree.callee) and any(map(below_too, tree.arguments))
        case Path():
            kept = tree.keep_singleton or any(step.keep_array for step in tree.steps) or tree.group is not None
            reads = plain_reads(tree)
            below = not kept and (any(map(_finds, tree.steps)) or (reads is not None and maps(reads)))
        case _:
            below = _filtered(tree)
    return below and not tree.keep_array


def _last(items: Sequence[Node]) -> Sequence[Node]:
    """What a block gives: its last item, and what a variable that it is was last bound to."""
    last = items[-1:]
    if not last or not isinstance(last[0], Variable):
        return last
    bound = [item.value for item in items[:-1] if isinstance(item, Bind) and item.name == last[0].name]
    return [*last, *bound[-1:]]


def _is_coalesce(callee: Node) -> bool:
    name = callee.bare_name.value if isinstance(callee, Path) and callee.bare_name else None
    return "coalesce" in (name, callee.name if isinstance(callee, Variable) else None)


def _finds(step: Node) -> bool:
    return isinstance(step, Wildcard | Descendants | Sort) or _filtered(step)


def _filtered(node: Node) -> bool:
    return any(
        isinstance(stage, Filter) and literal_index(stage.predicate) is None
        for stage in (*node.predicates, *node.stages)
    )
