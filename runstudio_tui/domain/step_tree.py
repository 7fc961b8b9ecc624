"""Definition and executions, laid over each other: the lines of the step tree of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from engine.records import Step, StepStatus
from engine.wording import counted
from runstudio_tui.domain.definition import BLOCKS, BRANCH, LOOP, Block, DefinitionNode
from runstudio_tui.domain.effective import NOT_REACHED, STEP_STATES, State, Tone
from runstudio_tui.domain.executions import Executions
from runstudio_tui.domain.present import elapsed
from runstudio_tui.domain.step_places import iteration_key, keys_above, line_key
from runstudio_tui.domain.tree_lines import TreeLine, heading, unreached
from runstudio_tui.text import safe


class StepTree:
    """Builds the visible lines. Blocks are open unless closed by hand; loop iterations are closed unless opened."""

    def __init__(self, nodes: tuple[DefinitionNode, ...], executions: Executions) -> None:
        self._nodes = nodes
        self._executions = executions
        self._toggled: set[str] = set()
        self._by_path = {node.path: node for node in _all(nodes)}
        self._names: dict[tuple[str, str], tuple[str, ...]] = {}
        self._followed: set[str] = set()
        """Lines that ``follow`` opened."""
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
        self._followed.discard(key)
        return True

    def reveal(self, step: Step) -> str:
        """Open whatever hides the line of ``step``; returns the key of that line."""
        for key in keys_above(step.path, step.iteration):
            self.set_open(key, True)
        return line_key(step.path, step.iteration, step.visit)

    def follow(self, step: Step) -> str:
        """As ``reveal``, and close again what was opened for the step followed before."""
        needed = set(keys_above(step.path, step.iteration))
        for key in self._followed - needed:
            self.set_open(key, False)
        opened = {key for key in needed if not self.is_open(key)} | (self._followed & needed)
        key = self.reveal(step)
        self._followed = opened
        return key

    def reveal_key(self, key: str) -> None:
        """Open whatever hides a line, given by its key."""
        path, _, inner = key.partition("@")
        above = [*keys_above(path, outer := inner.rpartition(".")[0]), line_key(path, outer)] if inner else []
        if not inner:
            path, iteration, *_ = key.split("#")
            above = keys_above(path, iteration)
        for one in above:
            self.set_open(one, True)

    def node_of(self, step: Step) -> DefinitionNode | None:
        """The step of the definition that was executed; None where it does not have it."""
        return self._by_path.get(step.path)

    def text_of(self, step: Step) -> str:
        """What the line of an executed step says, and its type."""
        node = self.node_of(step)
        label = node.label if node is not None else safe(step.step_id or step.path)
        return f"{label} {self._detail(step, node)} {safe(step.step_type)}"

    def text_without_step(self, entry: TreeLine) -> str:
        """What a line says behind which there is no executed step, and the type where it is one that may come."""
        node = self._by_path.get(entry.path) if entry.key == line_key(entry.path, entry.iteration) else None
        return f"{entry.label} {entry.detail} {node.step_type if node is not None else ''}"

    def loops(self) -> list[Step]:
        """The loops whose iterations can be seen now."""
        rows = [step for step in self._executions.all() if step.step_type == LOOP]
        return [step for step in rows if all(self.is_open(key) for key in keys_above(step.path, step.iteration))]

    def name_iterations(self, loop_path: str, iteration: str, names: tuple[str, ...]) -> None:
        """What the items of a loop are about, by index; empty where that is not known. Safe to draw."""
        self._names[loop_path, iteration] = names

    def names_of(self, loop_path: str, iteration: str) -> tuple[str, ...] | None:
        """What was said by ``name_iterations``; None before."""
        return self._names.get((loop_path, iteration))

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
            self._stray_rows = [step for step in self._executions.all() if step.path not in self._by_path]
        return self._stray_rows

    def _walk(
        self, nodes: tuple[DefinitionNode, ...], iteration: str, depth: int, context: _Context
    ) -> Iterator[TreeLine]:
        for node in nodes:
            rows = self._executions.at(node.path, iteration)
            if not rows:
                yield unreached(node, iteration, depth)
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
                    status = self._together(rows) if rows else self._executions.status(row)
                    yield heading(node, block, iteration, depth, (STEP_STATES[status], "taken"))
                yield from self._walk(block.nodes, iteration, depth + named, context)
            elif block.nodes:
                over = self._executions.status(row) is not StepStatus.STARTED or (node.step_type == BRANCH and taken)
                yield heading(node, block, iteration, depth, (NOT_REACHED, "not taken" if over else ""))

    def _loop(
        self, node: DefinitionNode, body: Block, iteration: str, depth: int, context: _Context
    ) -> Iterator[TreeLine]:
        names = self._names.get((node.path, iteration), ())
        for index in self._executions.iterations(node.path, iteration):
            inner = f"{iteration}.{index}" if iteration else str(index)
            key = iteration_key(node.path, inner)
            opened = self.is_open(key)
            began, ended = self._executions.iteration_span(node.path, inner)
            yield TreeLine(
                key=key,
                depth=depth,
                state=STEP_STATES[self._executions.iteration_status(node.path, inner)],
                label=f"[{index}] {names[index]}".rstrip() if index < len(names) else f"[{index}]",
                detail="",
                tries="",
                took=elapsed(began, ended, context.now) if began else "",
                began=began,
                ended=ended,
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

    def _detail(self, row: Step, node: DefinitionNode | None) -> str:
        return _row_detail(row, node, self._done(row))

    def _done(self, row: Step) -> str:
        """``142 of 500`` while a loop goes on, ``500 items`` afterwards."""
        items = row.outcome.get("items") if row.step_type == LOOP and isinstance(row.outcome, dict) else None
        if not isinstance(items, int):
            return ""
        if self._executions.status(row) is not StepStatus.STARTED:
            return counted(items, "item")
        return f"{len(self._executions.iterations(row.path, row.iteration)):,} of {items:,}"

    def _alarm(self, row: Step) -> str:
        failed = self._executions.failed_iterations(row.path, row.iteration) if row.step_type == LOOP else 0
        return f"{failed:,} failed" if failed else ""

    def _together(self, rows: list[Step]) -> StepStatus:
        """How a branch stands, judged by the steps right inside it."""
        seen = {StepStatus.SUCCEEDED if row.handled_by else self._executions.status(row) for row in rows}
        for status in (StepStatus.STARTED, StepStatus.RETRY_SCHEDULED, StepStatus.FAILED, StepStatus.CANCELED):
            if status in seen:
                return status
        return StepStatus.SUCCEEDED

    def _row_line(self, row: Step, node: DefinitionNode | None, depth: int, context: _Context) -> TreeLine:
        key = line_key(row.path, row.iteration, row.visit)
        status = self._executions.status(row)
        state = STEP_STATES[status]
        if row.status is StepStatus.STARTED and context.waiting(row):
            state = State("◔", "waiting", Tone.WAITING)
        foldable = node is not None and node.step_type in BLOCKS and any(block.nodes for block in node.blocks)
        began, ended = self._executions.span(row)
        return TreeLine(
            key=key,
            depth=depth,
            state=state,
            label=node.label if node is not None else safe(row.step_id or row.path),
            detail=self._detail(row, node),
            alarm=self._alarm(row),
            tries=str(max(row.attempt, row.attempts)) if _acts(row) else "",
            took=elapsed(began, ended, context.now),
            began=began,
            ended=ended,
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


def _taken_branch(row: Step) -> str:
    outcome = row.outcome if isinstance(row.outcome, dict) else {}
    return str(outcome.get("branch") or "") if row.step_type == BRANCH else ""


def _acts(row: Step) -> bool:
    return not row.step_type.startswith("control.") or row.step_type == "control.callWorkflow"


def _row_detail(row: Step, node: DefinitionNode | None, done: str) -> str:
    """What stands behind the name of a step; ``done``: how far a loop has come."""
    parts: list[str] = []
    if row.error is not None:
        said = safe(row.error.code or row.error.category)
        parts.append(f"{said}, handled" if row.handled_by else said)
    if row.visit > 1:
        parts.append(f"visit {row.visit}")
    if branch := _taken_branch(row):
        parts.append(f"→ {safe(branch)}")
    elif done:
        parts.append(done)
    elif node is not None and node.detail:
        parts.append(node.detail)
    elif node is None:
        parts.append(safe(row.step_type))
    return " · ".join(parts)


def _all(nodes: tuple[DefinitionNode, ...]) -> Iterator[DefinitionNode]:
    for node in nodes:
        yield node
        for block in node.blocks:
            yield from _all(block.nodes)
