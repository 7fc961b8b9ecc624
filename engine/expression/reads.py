"""What an expression reads from its context, and the fast evaluation of paths of names and literal indexes.

Most paths are such. The loop gives up as soon as the value is not a plain object; the general path then starts over.
"""

from __future__ import annotations

from engine.expression import ast
from engine.expression.ast import Name, Node, Path, Variable
from engine.expression.filters import at
from engine.expression.values import MISSING, Code, Frame, Root, Sequence, Value


def literal_index(predicate: ast.Node) -> int | None:
    value = predicate.value if isinstance(predicate, ast.Literal) and not predicate.predicates else None
    return int(value // 1) if isinstance(value, int | float) and not isinstance(value, bool) else None


def plain_reads(node: ast.Path) -> tuple[tuple[str, int | None], ...] | None:
    """The names of a path that consists of nothing else but names and literal indexes."""
    if node.keep_singleton or node.keep_array or node.group is not None or node.tuples:
        return None
    reads: list[tuple[str, int | None]] = []
    for step in node.steps:
        if not isinstance(step, ast.Name) or step.predicates or step.tuples or step.group or len(step.stages) > 1:
            return None
        index = None
        for stage in step.stages:
            index = literal_index(stage.predicate) if isinstance(stage, ast.Filter) else None
            if index is None:
                return None
        reads.append((step.value, index))
    return tuple(reads)


def read(names: tuple[str, ...], general: Code) -> Code:
    def run(current: Value, frame: Frame) -> Value:
        value = current
        for name in names:
            if type(value) is dict:
                value = value.get(name, MISSING)
            elif isinstance(value, list | Root | dict):
                return general(current, frame)
            else:
                return MISSING
        return general(current, frame) if isinstance(value, Sequence) else value

    return run


def read_indexed(reads: tuple[tuple[str, int | None], ...], general: Code) -> Code:
    def run(current: Value, frame: Frame) -> Value:
        value = current
        for name, index in reads:
            if type(value) is dict:
                value = value.get(name, MISSING)
            elif isinstance(value, list | Root | dict):
                return general(current, frame)
            else:
                return MISSING
            if index is not None:
                if type(value) is list:
                    value = at(value, index)
                elif isinstance(value, list):
                    return general(current, frame)
                elif index not in (0, -1):
                    return MISSING
        return general(current, frame) if isinstance(value, Sequence) else value

    return run


def context_paths(tree: Node) -> tuple[tuple[str, ...], ...]:
    """The leading names of every path that starts at the context, in the order of the source, without repeats."""
    found: dict[tuple[str, ...], None] = {}
    _collect(tree, found)
    return tuple(found)


def simple_path(tree: Node) -> tuple[str, ...] | None:
    """The names of a tree that is a path of plain names and nothing else."""
    if not isinstance(tree, Path):
        return None
    names = _leading_names(tree.steps)
    whole = len(names) == len(tree.steps) and not any(step.stages for step in tree.steps) and tree.group is None
    return names if whole else None


def _collect(node: Node, found: dict[tuple[str, ...], None]) -> None:
    if isinstance(node, Path):
        first = node.steps[0]
        names = _leading_names(
            node.steps[1:] if isinstance(first, Variable) and first.name in ("", "$") else node.steps
        )
        if names:
            found[names] = None
        else:
            _collect(first, found)
        # What stands in the later steps and in filters is read from the values found, not from the context.
        return
    for child in node.operands():
        _collect(child, found)


def _leading_names(steps: list[Node]) -> tuple[str, ...]:
    names: list[str] = []
    for step in steps:
        if not isinstance(step, Name):
            break
        names.append(step.value)
        if step.stages:
            break
    return tuple(names)
