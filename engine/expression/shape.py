"""What the postfix operators of a path do to the tree: joining steps, filters, grouping, ordering, binding."""

from __future__ import annotations

from engine.expression.ancestry import inherit, resolve, resolve_in_filter
from engine.expression.ast import (
    Array,
    Block,
    Filter,
    Group,
    IndexStage,
    Literal,
    Name,
    Node,
    Parent,
    Path,
    Sort,
    SortTerm,
)
from engine.expression.errors import SYNTAX, Fault


def join(left: Node, right: Node) -> Path:
    """``left.right``."""
    if isinstance(left, Path):
        path = left
    else:
        path = Path(position=left.position, steps=[left])
        if isinstance(left, Parent):
            path.seeking = (left.slot,)
    if isinstance(right, Path):
        path.steps += right.steps
    else:
        right.stages, right.predicates = right.stages + right.predicates, ()
        path.steps.append(right)
    path.steps = [_as_step(step) if isinstance(step, Literal) else step for step in path.steps]
    if any(step.keep_array for step in path.steps):
        path.keep_singleton = True
    for end in (path.steps[0], path.steps[-1]):
        if isinstance(end, Array):
            end.constructed = True
    resolve(path)
    return path


def _as_step(node: Literal) -> Name:
    """A text between dots is the name of a field."""
    if not isinstance(node.value, str):
        raise Fault(SYNTAX, "A number, true, false or null cannot be a step of a path.", node.position)
    return Name(
        position=node.position,
        value=node.value,
        plain=False,
        keep_array=node.keep_array,
        predicates=node.predicates,
        stages=node.stages,
        group=node.group,
        tuples=node.tuples,
        focus=node.focus,
        index=node.index,
    )


def add_filter(left: Node, predicate: Node, position: int) -> Node:
    """``left[predicate]``."""
    step = left.steps[-1] if isinstance(left, Path) else left
    if step.group is not None:
        raise Fault(SYNTAX, "A filter cannot follow a grouping; put the grouping in brackets.", position)
    resolve_in_filter(step, predicate)
    stage = Filter(predicate, position)
    if isinstance(left, Path):
        step.stages += (stage,)
    else:
        step.predicates += (stage,)
    return left


def keep_array(left: Node) -> Node:
    """``left[]``: one value stays an array."""
    left.keep_array = True
    if isinstance(left, Path):
        if left.origin == "name":
            left.keep_singleton = True
            left.steps[0].keep_array = True
        elif left.origin == "focus":
            left.steps[-1].keep_array = True
    return left


def add_group(left: Node, pairs: list[tuple[Node, Node]], position: int) -> Node:
    """``left{key: value}``."""
    if left.group is not None:
        raise Fault(SYNTAX, "A step can only be grouped once.", position)
    left.group = Group(pairs, position)
    if isinstance(left, Path):
        left.origin = "group"
    return left


def add_sort(left: Node, terms: list[SortTerm], position: int) -> Path:
    """``left^(terms)``."""
    path = left if isinstance(left, Path) else Path(position=left.position, steps=[left])
    sort = Sort(position=position, terms=terms)
    for term in terms:
        inherit(sort, term.expression)
    path.steps.append(sort)
    path.origin = "sort"
    resolve(path)
    return path


def bind_focus(left: Node, name: str, position: int) -> Node:
    """``left@$name``."""
    step = left.steps[-1] if isinstance(left, Path) else left
    if step.stages or step.predicates:
        raise Fault(SYNTAX, "@ must come before the filters of a step.", position)
    if isinstance(step, Sort):
        raise Fault(SYNTAX, "@ must come before the order-by of a step.", position)
    step.focus = name
    step.tuples = True
    if isinstance(left, Path):
        left.origin = "focus"
    return left


def bind_index(left: Node, name: str) -> Path:
    """``left#$name``."""
    if isinstance(left, Path):
        path, step = left, left.steps[-1]
    else:
        path, step = Path(position=left.position, steps=[left]), left
        step.stages, step.predicates = step.stages + step.predicates, ()
    if step.stages:
        step.stages += (IndexStage(name),)
    else:
        step.index = name
    step.tuples = True
    path.origin = "index"
    return path


def constructs(block: Block) -> bool:
    """Whether the block gives an array constructor as the first step of a path would."""
    return any(
        (isinstance(item, Array | Block) and item.constructed)
        or (isinstance(item, Path) and isinstance(item.steps[0], Array | Block) and item.steps[0].constructed)
        for item in block.items
    )
