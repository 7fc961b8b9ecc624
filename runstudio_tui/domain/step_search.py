"""Finding steps by what their lines say, whether they are in sight or folded away."""

from __future__ import annotations

from collections.abc import Iterable

from runstudio_tui.domain.executions import Executions
from runstudio_tui.domain.step_places import Place, iteration_key, line_key, place_of
from runstudio_tui.domain.step_tree import StepTree
from runstudio_tui.domain.tree_lines import TreeLine


def find_steps(tree: StepTree, executions: Executions, visible: Iterable[TreeLine], wanted: str) -> list[str]:
    """Keys of the lines that say ``wanted``, or are of that type, without case, in the order of the run: of all executed steps
    and named iterations, and of what else is ``visible``. ``StepTree.reveal_key`` brings one to sight."""
    needle = wanted.casefold()
    found: dict[str, Place] = {}
    if not needle:
        return []
    for step in executions.all():
        place = place_of(step.path, step.iteration)
        if needle in tree.text_of(step).casefold():
            found[line_key(step.path, step.iteration, step.visit)] = place
        for index, name in enumerate(tree.names_of(step.path, step.iteration) or ()):
            if needle in name.casefold():
                inner = f"{step.iteration}.{index}" if step.iteration else str(index)
                found[iteration_key(step.path, inner)] = (*place, index)
    for entry in visible:
        if entry.row_id is None and entry.key not in found and needle in tree.text_without_step(entry).casefold():
            found[entry.key] = place_of(entry.path, entry.iteration)
    return sorted(found, key=lambda key: found[key])
