"""The lines of a step tree: what each shows, and those behind which there is no step row."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from runstudio_tui.domain.definition import Block, DefinitionNode
from runstudio_tui.domain.effective import NOT_REACHED, State
from runstudio_tui.domain.step_places import line_key


@dataclass(frozen=True, slots=True)
class TreeLine:
    """One line of the tree."""

    key: str
    """Stable over refreshes: place, iteration and visit."""
    depth: int
    state: State
    label: str
    detail: str
    tries: str
    took: str
    began: datetime | None
    ended: datetime | None
    """None: it goes on, or was not reached."""
    foldable: bool
    open: bool
    dim: bool
    """True for what was not taken or not reached."""
    alarm: str = field(default="", kw_only=True)
    """Stands behind the detail: how many iterations failed."""
    path: str
    iteration: str
    row_id: str | None
    """The step row behind the line; None for branches, iterations and steps not reached."""


def unreached(node: DefinitionNode, iteration: str, depth: int) -> TreeLine:
    key = line_key(node.path, iteration)
    return _without_row(key, node, iteration, depth, shown=(NOT_REACHED, node.label, node.detail))


def heading(node: DefinitionNode, block: Block, iteration: str, depth: int, shown: tuple[State, str]) -> TreeLine:
    state, detail = shown
    key = f"{node.path}.{block.name}#{iteration}"
    return _without_row(key, node, iteration, depth, shown=(state, block.name, detail))


def _without_row(
    key: str, node: DefinitionNode, iteration: str, depth: int, *, shown: tuple[State, str, str]
) -> TreeLine:
    """A line behind which there is no step row: state, label and detail as they are ``shown``."""
    state, label, detail = shown
    return TreeLine(
        key=key,
        depth=depth,
        state=state,
        label=label,
        detail=detail,
        tries="",
        took="",
        began=None,
        ended=None,
        foldable=False,
        open=False,
        dim=state is NOT_REACHED,
        path=node.path,
        iteration=iteration,
        row_id=None,
    )
