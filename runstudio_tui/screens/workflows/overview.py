"""Everything of one workflow, as lines: its state, what starts it, its schedule, its versions, its steps, its payload."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import Final

from engine.records import Caller, Document, Json, Version, Workflow
from runstudio_tui.domain.definition import DefinitionNode, definition_tree
from runstudio_tui.domain.present import full_moment
from runstudio_tui.domain.workflow_facts import active_text, why_paused, workflow_state
from runstudio_tui.screens.detail_rows import fact, heading, json_rows, told
from runstudio_tui.screens.workflows.schedule_lines import Times, View, schedule_rows, to_the_second
from runstudio_tui.store.run import Body
from runstudio_tui.store.workflow_detail import PublishedVersion, WorkflowDetail
from runstudio_tui.text import safe
from runstudio_tui.widgets.line import Span, cut_line, justify, line
from runstudio_tui.widgets.line_list import Row

_MOST_STEPS: Final = 300
_MOST_VERSIONS: Final = 20

Callers = Body[tuple[Caller, ...]] | None


def overview_rows(detail: WorkflowDetail, times: Times, callers: Callers, view: View) -> list[Row]:
    """All lines. ``times`` and ``callers`` may still be on their way, or have failed."""
    row, cells, zone = detail.row, view.cells, view.zone
    rows = told(row.name, cells, "strong", indent=1)
    if row.name != row.workflow_id:
        rows += fact("id", row.workflow_id, cells)
    if row.description:
        rows += told(row.description, cells)
    rows += _state_rows(row, zone, cells)
    if detail.published is not None:
        rows += _owner_rows(detail.published.definition, cells)
    rows += _starter_rows(row, callers, cells)
    if row.schedule is not None:
        rows += schedule_rows(row.schedule, times, detail.fires, view, paused=row.paused)
    rows += _version_rows(detail.versions, zone, cells)
    if detail.published is not None:
        rows += _step_rows(detail.published, cells)
        rows += _payload_rows(detail.published, cells)
    return rows


def _state_rows(row: Workflow, zone: tzinfo, cells: int) -> list[Row]:
    state = workflow_state(row)
    rows: list[Row] = []
    if state is not None and not row.paused:
        rows += fact("state", f"{state.glyph} {state.word}", cells, state.tone)
    if row.paused:
        glyph = state.glyph if state is not None else ""
        pause = row.pause
        who = f" since {to_the_second(pause.at, zone)} by {pause.by}" if pause is not None else ""
        rows += fact("state", f"{glyph} paused{who}; u lets it start runs again".strip(), cells, "attention")
        reason = why_paused(row) or "none was recorded"
        rows += fact("why", reason, cells)
    more = "; no other is started until one ends" if row.full else "" if row.limit else ", no limit"
    return [*rows, *fact("active", f"{active_text(row)}{more}", cells, "waiting" if row.full else "text")]


def _owner_rows(definition: Json, cells: int) -> list[Row]:
    found = definition if isinstance(definition, dict) else {}
    rows: list[Row] = []
    for name in ("owner", "runbook"):
        if isinstance(found.get(name), str):
            rows += fact(name, found[name], cells)
    return rows


# --- what starts it ---------------------------------------------------------------------------------------------------


def _starter_rows(row: Workflow, callers: Callers, cells: int) -> list[Row]:
    rows = [heading("started by")]
    trigger = row.trigger if isinstance(row.trigger, dict) else {}
    kind = trigger.get("type")
    if kind == "event":
        rows += fact("event", str(trigger.get("eventName") or ""), cells)
    elif kind == "recurring":
        rows += fact("time", f"{trigger.get('cron', '')} {trigger.get('timezone', '')}".strip(), cells)
    elif kind == "schedule":
        rows += fact("time", f"once, {trigger.get('runAt', '')}", cells)
    elif kind is not None:
        rows += fact("trigger", row.trigger_text or "", cells)
    rows += _caller_rows(callers, cells)
    return [*rows, *fact("hand", "n starts a run", cells, "dim", copy=f"runstudio start {row.workflow_id}")]


def _caller_rows(callers: Callers, cells: int) -> list[Row]:
    if callers is None or callers.loading:
        return fact("parents", "asking which workflows start it…", cells, "dim")
    if callers.value is None:
        why = callers.error.sentences if callers.error is not None else ""
        return fact("parents", f"not known: {why}", cells, "attention")
    rows: list[Row] = []
    for caller in callers.value:
        called = ", ".join(f"v{version}" for version in caller.calls)
        text = f"{caller.name} v{caller.version} (calls {called})"
        rows += fact("parent", text, cells, copy=caller.workflow_id, link=f"workflow:{caller.workflow_id}")
    return rows


# --- versions, steps, payload -----------------------------------------------------------------------------------------


def _version_rows(versions: tuple[Version, ...], zone: tzinfo, cells: int) -> list[Row]:
    rows = [heading("versions  (enter opens one)")]
    if not versions:
        return [*rows, *told("None is published yet; N publishes one from a file.", cells, "dim")]
    for version in versions[:_MOST_VERSIONS]:
        at = full_moment(version.published_at, zone)[:16] if version.published_at is not None else "before the cutover"
        who = f" by {version.published_by}" if version.published_by else ""
        warned = f", {len(version.warnings)} warning{'' if len(version.warnings) == 1 else 's'}" * bool(
            version.warnings
        )
        text = f"{at}{who}{warned}"
        rows += fact(f"v{version.version}", text, cells, copy=str(version.version), link=f"version:{version.version}")
    if len(versions) > _MOST_VERSIONS:
        rows += told(f"{len(versions) - _MOST_VERSIONS:,} older ones: d, then [ goes back to them.", cells, "dim")
    return rows


def _step_rows(published: PublishedVersion, cells: int) -> list[Row]:
    lines = list(_steps(definition_tree(published.definition), 0))
    rows = [heading(f"steps of v{published.version}")]
    for depth, node, label in lines[:_MOST_STEPS]:
        left = line("  " * (depth + 1), Span(label, "dim" if node is None else "text"))
        detail = node.detail if node is not None else ""
        room = max(cells - 1, 0)
        drawn = justify(left, line(Span(f" {detail}", "dim")), room) if len(detail) < room // 2 else left
        link = f"version:{published.version}#{node.path}" if node is not None else ""
        rows.append(Row(cut_line(drawn, room), copy=node.step_id if node is not None else label, link=link))
    if len(lines) > _MOST_STEPS:
        rows += told(f"{len(lines) - _MOST_STEPS:,} more: enter on the version shows all.", cells, "dim")
    return rows


def _steps(nodes: tuple[DefinitionNode, ...], depth: int) -> Iterator[tuple[int, DefinitionNode | None, str]]:
    """Depth, step and label of every line; without a step the heading of a block."""
    for node in nodes:
        yield depth, node, node.label
        for block in node.blocks:
            named = block.name in ("else", "catch") and bool(block.nodes)
            if named:
                yield depth + 1, None, block.name
            yield from _steps(block.nodes, depth + 1 + named)


def _payload_rows(published: PublishedVersion, cells: int) -> list[Row]:
    if published.schema is None:
        rows = [heading("payload"), *told("No schema: any JSON object will do.", cells, "dim")]
    else:
        rows = [heading("payload (JSON schema)"), *json_rows(Document(_without_examples(published.schema)))]
    for example in published.examples:
        rows += [heading(f"example: {safe(example.name)}"), *json_rows(Document(example.value))]
    return rows


def _without_examples(schema: Json) -> Json:
    """A schema without the examples in it, which stand below it with their names."""
    apart = {"examples", "x-example-titles"}
    return {name: value for name, value in schema.items() if name not in apart} if isinstance(schema, dict) else schema
