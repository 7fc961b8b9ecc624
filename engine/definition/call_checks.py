"""``control.callWorkflow``: the called version exists, and no chain of calls comes back to where it began."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine import advice
from engine.definition.issues import Issue
from engine.definition.publish_context import Call, PublishContext
from engine.definition.sites import Site, sites
from engine.definition.suggestions import nearest


def calls_of(definition: Any) -> tuple[Call, ...]:
    """The workflow versions a definition calls, in order, once each: what ``PublishContext.workflows`` keeps of a version."""
    found = (_call(site) for site in sites(definition))
    return tuple(dict.fromkeys(call for call in found if call is not None))


def call_issues(site: Site, caller: Call | None, context: PublishContext) -> Iterator[Issue]:
    """UNKNOWN_CALLED_WORKFLOW, UNKNOWN_CALLED_VERSION and CALL_CYCLE. ``caller`` is the version being published."""
    call = _call(site)
    if call is None or context.workflows is None:
        return
    workflow_id, version = call
    if call != caller:
        versions = context.workflows.get(workflow_id)
        if versions is None:
            meant = nearest(workflow_id, context.workflows)
            suggestion = f"Did you mean {meant}?" if meant else advice.PUBLISH.to("Publish it first")
            message = f"/workflowId: There is no published workflow {workflow_id}."
            yield site.place.error("UNKNOWN_CALLED_WORKFLOW", message, suggestion)
            return
        if version not in versions:
            known = ", ".join(str(number) for number in sorted(versions)) or "none"
            message = f"/workflowVersion: {workflow_id} has no published version {version}."
            yield site.place.error("UNKNOWN_CALLED_VERSION", message, f"Published: {known}.")
            return
    way = _way_back(call, caller, context.workflows)
    if way is not None:
        steps = " calls ".join(f"{name} version {number}" for name, number in way)
        yield site.place.error(
            "CALL_CYCLE", f"/workflowId: The calls never end: {steps}.", "Take one call out of the circle."
        )


def _call(site: Site) -> Call | None:
    workflow_id, version = site.step.get("workflowId"), site.step.get("workflowVersion")
    valid = isinstance(workflow_id, str) and workflow_id and isinstance(version, int) and not isinstance(version, bool)
    return (str(workflow_id), int(str(version))) if site.type == "control.callWorkflow" and valid else None


def _way_back(
    start: Call, caller: Call | None, workflows: Mapping[str, Mapping[int, Sequence[Call]]]
) -> tuple[Call, ...] | None:
    """The shortest way from the caller over ``start`` back to a version already on it; None when every way ends."""
    first = () if caller is None else (caller,)
    pending: list[tuple[Call, ...]] = [(*first, start)]
    seen: set[Call] = set()
    for way in pending:
        here = way[-1]
        if here in way[:-1]:
            return way
        if here in seen:
            continue
        seen.add(here)
        pending.extend((*way, called) for called in workflows.get(here[0], {}).get(here[1], ()))
    return None
