"""Whether an expression selects: what it finds may be none, one or many, and one of them alone is no array (JSONata's rule)."""

from __future__ import annotations

from collections.abc import Sequence

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
from engine.expression.reads import literal_index


def selects(tree: Node) -> bool:
    """Whether a filter, a wildcard or an order-by decides how many values there are, and no bracket keeps the array."""
    match tree:
        case Block():
            below = _filtered(tree) or any(map(selects, _last(tree.items)))
        case Bind():
            below = selects(tree.value)
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
