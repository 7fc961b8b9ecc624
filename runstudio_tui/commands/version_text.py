"""A workflow, the steps of a version, and the difference between two versions: as lines and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from runstudio_tui.domain.definition_diff import (
    DEFINITION,
    SCHEMA,
    Change,
    ComparedPart,
    Part,
    compare_definitions,
    counted,
    hidden_values,
)
from runstudio_tui.domain.json_diff import Edited
from runstudio_tui.domain.present import full_moment
from runstudio_tui.domain.workflow_facts import active_text, why_paused

if TYPE_CHECKING:
    from engine.records import Caller, Workflow


def workflow_lines(row: Workflow, callers: Sequence[Caller], zone: tzinfo) -> list[str]:
    """What a workflow is now."""
    lines = [f"workflow   {row.workflow_id}"]
    if row.name != row.workflow_id:
        lines.append(f"name       {row.name}")
    if row.description:
        about, *more = row.description.split("\n")
        lines += [f"about      {about}", *(f"{'':<11}{line}" for line in more)]
    lines.append(f"state      {state_text(row, zone)}")
    lines.append(f"active     {active_text(row)}")
    lines.append(f"started by {row.trigger_text or 'hand'}")
    for caller in callers:
        called = ", ".join(str(version) for version in caller.calls)
        lines.append(f"parent     {caller.workflow_id} version {caller.version}, which calls version {called}")
    if row.schedule is not None and row.schedule.next_fire_at is not None:
        overdue = ", overdue" if row.schedule.overdue else ""
        lines.append(f"next       {full_moment(row.schedule.next_fire_at, zone)}{overdue}")
    return lines


def state_text(row: Workflow, zone: tzinfo) -> str:
    """``active``, or ``paused`` with who, when and why."""
    if not row.paused:
        return "active"
    who = f" since {full_moment(row.pause.at, zone)} by {row.pause.by}" if row.pause is not None else ""
    return f"paused{who}" + (f": {why_paused(row)}" if why_paused(row) else "")


def steps_of(definition: Any) -> list[dict[str, Any]]:
    """The steps of a definition, in order, each with its depth."""
    lines = compare_definitions(definition, definition)[1:]
    return [
        {"path": part.path, "stepId": part.step_id, "label": part.label, "detail": part.detail, "depth": line.depth}
        for line in lines
        if (part := line.part) is not None
    ]


def step_lines(definition: Any) -> list[str]:
    """The steps of a definition as a tree."""
    lines = []
    for line in compare_definitions(definition, definition)[1:]:
        text = f"{line.part.label}  {line.part.detail}".rstrip() if line.part is not None else line.heading
        lines.append(f"{'  ' * line.depth}{text}")
    return lines


def changes_of(lines: Sequence[ComparedPart]) -> dict[str, Any]:
    """What is different between two versions, as JSON."""
    changes = [_change(line, line.part) for line in lines if line.change is not Change.SAME and line.part is not None]
    return {"changes": changes, "hiddenValues": hidden_values(lines)}


def change_lines(lines: Sequence[ComparedPart]) -> Iterator[str]:
    """What is different between two versions, a part a line, its fields below."""
    yield counted(lines) or "nothing differs"
    for line in lines:
        part = line.part
        if part is None or line.change is Change.SAME:
            continue
        was = f", was {line.old.path}" if line.moved and line.old is not None else ""
        place = f"  {part.path}{was}" if part.step_id else ""
        yield f"{line.change} {line.change.word} {part.step_id or part.label}{place}"
        for edit in line.edits:
            sign = {"add": "+", "remove": "-", "replace": "~"}[edit.change.op]
            value = "" if edit.change.op == "remove" else f" {_text(edit.change.value)}"
            before = "" if edit.change.op == "add" else f"  was {_text(edit.was)}"
            yield f"    {sign} {edit.change.path}{value}{before}"
    hidden = hidden_values(lines)
    if hidden:
        yield f"{hidden} hidden {'value is' if hidden == 1 else 'values are'} not compared"


def _change(line: ComparedPart, part: Part) -> dict[str, Any]:
    kinds = {DEFINITION: "definition", SCHEMA: "payloadSchema"}
    old = line.old
    kind = kinds.get(part.path, "step")
    found: dict[str, Any] = {"change": line.change.word, "part": kind}
    if kind == "step":
        found |= {"stepId": part.step_id, "path": part.path}
        if line.moved and old is not None:
            found["wasPath"] = old.path
    if line.edits:
        found["fields"] = [_edit(edit) for edit in line.edits]
    return found


def _edit(edit: Edited) -> dict[str, Any]:
    found = {"op": edit.change.op, "path": edit.change.path}
    if edit.change.op != "remove":
        found["value"] = edit.change.value
    if edit.change.op != "add":
        found["was"] = edit.was
    return found


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
