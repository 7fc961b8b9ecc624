"""Definition and executions, laid over each other: the lines of the step tree of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from runstudio_tui.domain.definition import BRANCH, LOOP, TRY, Block, DefinitionNode
from runstudio_tui.domain.effective import NOT_REACHED, STEP_STATES, State, Tone
from runstudio_tui.domain.executions import Executions, enclosing_loops
from runstudio_tui.domain.models import Step, StepStatus
from runstudio_tui.domain.present import NOTHING, elapsed
from runstudio_tui.text import safe

_FOLDABLE: Final = (LOOP, BRANCH, TRY)


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
    foldable: bool
    open: bool
    dim: bool
    """True for what was not taken or not reached."""
    path: str
    iteration: str
    row_id: str | None
    """The step row behind the line; None for branches, iterations and steps not reached."""


def line_key(path: str, iteration: str, visit: int = 1) -> str:
    """The key of the line of one execution."""
    return f"{path}#{iteration}#{visit}"


def iteration_key(loop_path: str, inner: str) -> str:
    """The key of the line of one loop iteration."""
    return f"{loop_path}@{inner}"


def keys_above(step: Step) -> list[str]:
    """Keys of the lines that must be open for the line of ``step`` to be seen, from the outside in."""
    keys: list[str] = []
    loops = dict(enclosing_loops(step.path, step.iteration))
    inner = ""
    parts = step.path.split(".")
    for end in range(2, len(parts), 2):
        path = ".".join(parts[:end])
        keys.append(line_key(path, inner))
        if path in loops:
            inner = loops[path]
            keys.append(iteration_key(path, inner))
    return keys


class StepTree:
    """Builds the visible lines. Blocks are open unless closed by hand; loop iterations are closed unless opened."""

    def __init__(self, nodes: tuple[DefinitionNode, ...], executions: Executions) -> None:
        self._nodes = nodes
        self._executions = executions
        self._toggled: set[str] = set()
        self._known_paths = set(_paths(nodes))
        self._strays_of = -1
        self._stray_rows: list[Step] = []

    def is_open(self, key: str) -> bool:
        """Whether the children of a line are shown."""
        return (key in self._toggled) != ("@" not in key)

    def set_open(self, key: str, opened: bool) -> bool:
        """Open or close a line; True when that changed anything."""
        if self.is_open(key) == opened:
            return False
        self._toggled ^= {key}
        return True

    def reveal(self, step: Step) -> str:
        """Open whatever hides the line of ``step``; returns the key of that line."""
        for key in keys_above(step):
            self.set_open(key, True)
        return line_key(step.path, step.iteration, step.visit)

    def lines(self, now: datetime, waiting: Callable[[Step], bool]) -> list[TreeLine]:
        """The visible lines at ``now``. ``waiting`` tells whether a started step is in a wait."""
        context = _Context(now, waiting)
        lines = list(self._walk(self._nodes, "", 0, context))
        lines.extend(self._row_line(step, None, 0, context) for step in self._strays())
        return lines

    def _strays(self) -> list[Step]:
        """Rows of steps the definition does not have (history, or a definition that cannot be read)."""
        if self._strays_of != self._executions.version:
            self._strays_of = self._executions.version
            self._stray_rows = [step for step in self._executions.all() if step.path not in self._known_paths]
        return self._stray_rows

    def _walk(
        self, nodes: tuple[DefinitionNode, ...], iteration: str, depth: int, context: _Context
    ) -> Iterator[TreeLine]:
        for node in nodes:
            rows = self._executions.at(node.path, iteration)
            if not rows:
                yield _unreached(node, iteration, depth)
                continue
            for row in rows:
                line = self._row_line(row, node, depth, context)
                yield line
                if line.open:
                    yield from self._inside(node, row, iteration, depth + 1, context)

    def _inside(
        self, node: DefinitionNode, row: Step, iteration: str, depth: int, context: _Context
    ) -> Iterator[TreeLine]:
        taken = _taken_branch(row) or next((block.name for block in node.blocks if self._rows_in(block, iteration)), "")
        for block in node.blocks:
            if node.step_type == LOOP:
                yield from self._loop(node, block, iteration, depth, context)
                continue
            rows = self._rows_in(block, iteration)
            if rows or block.name == taken:
                named = block.name in ("else", "catch")
                if named:
                    status = _together(rows) if rows else row.status
                    yield _heading(node, block, iteration, depth, (STEP_STATES[status], "taken"))
                yield from self._walk(block.nodes, iteration, depth + named, context)
            elif block.nodes:
                over = row.status is not StepStatus.STARTED or (node.step_type == BRANCH and taken)
                yield _heading(node, block, iteration, depth, (NOT_REACHED, "not taken" if over else ""))

    def _loop(
        self, node: DefinitionNode, body: Block, iteration: str, depth: int, context: _Context
    ) -> Iterator[TreeLine]:
        for index in self._executions.iterations(node.path, iteration):
            inner = f"{iteration}.{index}" if iteration else str(index)
            key = iteration_key(node.path, inner)
            opened = self.is_open(key)
            yield TreeLine(
                key=key,
                depth=depth,
                state=STEP_STATES[self._executions.iteration_status(node.path, inner)],
                label=f"[{index}]",
                detail="",
                tries="",
                took="",
                foldable=True,
                open=opened,
                dim=False,
                path=node.path,
                iteration=inner,
                row_id=None,
            )
            if opened:
                yield from self._walk(body.nodes, inner, depth + 1, context)

    def _rows_in(self, block: Block, iteration: str) -> list[Step]:
        return [row for node in block.nodes for row in self._executions.at(node.path, iteration)]

    def _row_line(self, row: Step, node: DefinitionNode | None, depth: int, context: _Context) -> TreeLine:
        key = line_key(row.path, row.iteration, row.visit)
        state = STEP_STATES[row.status]
        if row.status is StepStatus.STARTED and context.waiting(row):
            state = State("◔", "waiting", Tone.WAITING)
        foldable = node is not None and node.step_type in _FOLDABLE and any(block.nodes for block in node.blocks)
        return TreeLine(
            key=key,
            depth=depth,
            state=state,
            label=node.label if node is not None else safe(row.step_id or row.path),
            detail=_row_detail(row, node),
            tries=str(max(row.attempt, row.tries)) if _acts(row) else "",
            took=elapsed(row.started_at, row.completed_at, context.now) if row.started_at else NOTHING,
            foldable=foldable,
            open=foldable and self.is_open(key),
            dim=False,
            path=row.path,
            iteration=row.iteration,
            row_id=row.row_id,
        )


@dataclass(frozen=True, slots=True)
class _Context:
    now: datetime
    waiting: Callable[[Step], bool]


def _unreached(node: DefinitionNode, iteration: str, depth: int) -> TreeLine:
    key = line_key(node.path, iteration)
    return TreeLine(
        key, depth, NOT_REACHED, node.label, node.detail, "", "", False, False, True, node.path, iteration, None
    )


def _heading(node: DefinitionNode, block: Block, iteration: str, depth: int, shown: tuple[State, str]) -> TreeLine:
    state, detail = shown
    key = f"{node.path}.{block.name}#{iteration}"
    dim = state is NOT_REACHED
    return TreeLine(key, depth, state, block.name, detail, "", "", False, False, dim, node.path, iteration, None)


def _taken_branch(row: Step) -> str:
    outcome = row.outcome if isinstance(row.outcome, dict) else {}
    return str(outcome.get("branch") or "") if row.step_type == BRANCH else ""


def _together(rows: list[Step]) -> StepStatus:
    """How a branch stands, judged by the steps right inside it."""
    seen = {StepStatus.SUCCEEDED if row.handled_by else row.status for row in rows}
    for status in (StepStatus.STARTED, StepStatus.RETRY_SCHEDULED, StepStatus.FAILED, StepStatus.CANCELED):
        if status in seen:
            return status
    return StepStatus.SUCCEEDED


def _acts(row: Step) -> bool:
    return not row.step_type.startswith("control.") or row.step_type == "control.callWorkflow"


def _row_detail(row: Step, node: DefinitionNode | None) -> str:
    outcome = row.outcome if isinstance(row.outcome, dict) else {}
    parts: list[str] = []
    if row.error is not None:
        said = safe(row.error.code or row.error.category)
        parts.append(f"{said}, handled" if row.handled_by else said)
    if row.visit > 1:
        parts.append(f"visit {row.visit}")
    if branch := _taken_branch(row):
        parts.append(f"→ {safe(branch)}")
    elif row.step_type == LOOP and outcome.get("items") is not None:
        parts.append(f"{safe(str(outcome['items']))} items")
    elif node is not None and node.detail:
        parts.append(node.detail)
    elif node is None:
        parts.append(safe(row.step_type))
    return " · ".join(parts)


def _paths(nodes: tuple[DefinitionNode, ...]) -> Iterator[str]:
    for node in nodes:
        yield node.path
        for block in node.blocks:
            yield from _paths(block.nodes)
