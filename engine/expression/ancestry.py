"""The parent operator: finding, while a path is put together, the step whose input each ``%`` stands for."""

from __future__ import annotations

from engine.expression.ast import Block, Name, Node, Parent, Path, Slot, Wildcard
from engine.expression.errors import SYNTAX, Fault


def underivable(position: int) -> Fault:
    """The failure of a ``%`` that has no step to stand for."""
    return Fault(SYNTAX, "The parent operator % has no step before it that it could stand for.", position)


def inherit(node: Node, child: Node) -> None:
    """Let ``node`` seek the parents its ``child`` still seeks."""
    if isinstance(child, Parent):
        node.seeking += (*child.seeking, child.slot)
    elif child.seeking:
        node.seeking += child.seeking


def resolve(path: Path) -> None:
    """Give the parents sought by the last step of ``path`` to its earlier steps; the path itself seeks the rest."""
    last = path.steps[-1]
    slots = (*last.seeking, last.slot) if isinstance(last, Parent) else last.seeking
    for slot in slots:
        index = len(path.steps) - 2
        while slot.level > 0:
            if index < 0:
                path.seeking += (slot,)
                break
            step = path.steps[index]
            index -= 1
            # Steps that bind their focus leave the context where it was: together they count as one.
            while index >= 0 and step.focus and path.steps[index].focus:
                step = path.steps[index]
                index -= 1
            _seek(step, slot)


def resolve_in_filter(step: Node, predicate: Node) -> None:
    """Give the parents sought by ``predicate``, a filter of ``step``, to the step where they mean its own input."""
    slots = (*predicate.seeking, predicate.slot) if isinstance(predicate, Parent) else predicate.seeking
    for slot in slots:
        if slot.level == 1:
            _seek(step, slot)
        else:
            slot.level -= 1
    inherit(step, predicate)


def _seek(node: Node, slot: Slot) -> None:
    match node:
        case Name() | Wildcard():
            slot.level -= 1
            if slot.level == 0:
                if node.ancestor is not None:
                    slot.label = node.ancestor.label
                node.ancestor = slot
                node.tuples = True
        case Parent():
            slot.level += 1
        case Block():
            if node.items:
                node.tuples = True
                _seek(node.items[-1], slot)
        case Path():
            node.tuples = True
            for step in reversed(node.steps):
                _seek(step, slot)
                if slot.level == 0:
                    break
        case _:
            raise underivable(node.position)
