"""Which fields of the context an expression reads, as far as that can be told without running it."""

from __future__ import annotations

from engine.expression.ast import Name, Node, Path, Variable


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
