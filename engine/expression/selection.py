"""Whether an expression selects: what it finds may be none, one or many, and one of them alone is no array (JSONata's rule)."""

from __future__ import annotations

from engine.expression.ast import (
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
from engine.expression.reads import literal_index


def selects(tree: Node) -> bool:
    """Whether a filter, a wildcard or an order-by decides how many values there are, and no bracket keeps the array."""
    match tree:
        case Block():
            below = _filtered(tree) or any(map(selects, tree.items[-1:]))
        case Condition():
            below = selects(tree.then) or (tree.otherwise is not None and selects(tree.otherwise))
        case Default():
            below = selects(tree.value) or selects(tree.otherwise)
        case Call():
            below = _is_coalesce(tree.callee) and any(map(selects, tree.arguments))
        case Path():
            kept = tree.keep_singleton or any(step.keep_array for step in tree.steps) or tree.group is not None
            below = not kept and any(map(_finds, tree.steps))
        case _:
            below = _filtered(tree)
    return below and not tree.keep_array


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
