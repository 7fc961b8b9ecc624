"""Rules about how long ended runs, their bodies, and events are kept, and the pass of a worker that deletes what is older.

Nothing is deleted without a rule, but for what jobs have exported: those are copies. A batch is a transaction of its own, so no
lock is held long; what belongs to a live run, or to a tree with one, is never touched.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from engine.errors import Invalid, NotFound
from engine.operations.context import OperationContext
from engine.operations.runs.run_access import checked_reason
from engine.records import Keep, Level, RetentionRule
from engine.store.database.engine import is_away
from engine.store.database.transactions import Connection, writing
from engine.store.events.deleting import OldEvents, delete_old_events
from engine.store.jobs.files import delete_old_files
from engine.store.keeping import retention
from engine.store.runs.deleting import OldRuns, delete_old_bodies, delete_old_runs
from engine.store.tenant.audit import AuditedActor, AuditEntry, insert_audit
from engine.values.json_policy import storable_text

BATCH: Final = 100
"""Runs one transaction deletes."""
EVENTS_BATCH: Final = 500
"""Events one transaction looks at."""
BUDGET_SECONDS: Final = 60.0
"""How long one pass goes on; the rest is left to the next one."""
MAX_WORKFLOW_ID: Final = 200
_LOG: Final = structlog.get_logger("runstudio.retention")
_STATUSES: Final = {"succeeded": "SUCCEEDED", "failed": "FAILED", "canceled": "CANCELED"}


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a pass did."""

    runs: int = 0
    bodies: int = 0
    """Runs whose bodies were deleted."""
    events: int = 0
    broken: tuple[str, ...] = ()
    """Rules that could not be applied: the tenant, and the workflow of a rule that has one."""


async def retention_rules(context: OperationContext) -> tuple[RetentionRule, ...]:
    """The tenant's rule, if there is one, and those of its workflows. Needs the level read."""
    async with writing(await context.readable()) as connection:
        return await retention.load_rules(connection, context.tenant)


async def set_retention(
    context: OperationContext, keep: Keep, reason: str, *, workflow_id: str = ""
) -> tuple[RetentionRule, ...]:
    """Set what is kept, of all workflows or of one, in place of the rule there was; all rules then. Needs the level admin.

    Raises ``Invalid`` (REASON_TOO_SHORT, REASON_TOO_LONG, RETENTION_INVALID), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN, tells_temporal=False)
    said, named = checked_reason(reason), _checked_workflow(workflow_id)
    if named and (keep.events is not None or keep.dead_events is not None):
        told = "An event is not of one workflow: any may wait for it."
        raise Invalid("RETENTION_INVALID", told, "Set how long events are kept in the rule of all workflows.")
    async with writing(context.store) as connection:
        await retention.save_rule(connection, context.tenant, named, keep, context.actor.name)
        days = {name: getattr(keep, name) for name in Keep.__dataclass_fields__}
        await context.audit(connection, _entry("retention_set", named, said, days))
        return await retention.load_rules(connection, context.tenant)


async def remove_retention(context: OperationContext, reason: str, *, workflow_id: str = "") -> None:
    """Delete nothing more because of a rule. Needs the level admin. Raises ``NotFound`` (RETENTION_NOT_FOUND), and as
    ``set_retention``.
    """
    await context.require(Level.ADMIN, tells_temporal=False)
    said, named = checked_reason(reason), _checked_workflow(workflow_id)
    async with writing(context.store) as connection:
        if not await retention.delete_rule(connection, context.tenant, named):
            told = f"There is no rule of {named or 'the tenant'}."
            raise NotFound("RETENTION_NOT_FOUND", told, "`runstudio retention show` has them.")
        await context.audit(connection, _entry("retention_remove", named, said, {}))


async def apply_retention(
    context: OperationContext, *, seconds: float = BUDGET_SECONDS, keep_on: Callable[[], bool] = lambda: True
) -> Deleted:
    """Delete what is older than the rules of all tenants say, until nothing is left or ``seconds`` have passed.

    ``context``: a worker's. ``keep_on`` is asked between two batches. What was deleted is audited, by rule. A rule that breaks
    leaves the others alone, and tenants have their turns by chance, so that none of them uses up the time of the same others.
    Raises ``Unavailable``.
    """
    deadline = time.monotonic() + seconds
    done = Deleted()

    def going_on() -> bool:
        return keep_on() and time.monotonic() < deadline

    await _batches(context, partial(delete_old_files, limit=BATCH), going_on)
    async with writing(context.store) as connection:
        by_tenant = await retention.load_all_rules(connection)
    for tenant, rules in random.sample(list(by_tenant.items()), len(by_tenant)):
        others = [workflow_id for workflow_id in rules if workflow_id]
        for workflow_id, rule in rules.items():
            done = _sum(done, await _tried(context, tenant, workflow_id, rule, others, going_on))
    return done


def _sum(one: Deleted, other: Deleted) -> Deleted:
    return Deleted(
        one.runs + other.runs, one.bodies + other.bodies, one.events + other.events, one.broken + other.broken
    )


async def _tried(  # noqa: PLR0917 - a rule, and what it is applied with
    context: OperationContext,
    tenant: str,
    workflow_id: str,
    rule: RetentionRule | None,
    others: Sequence[str],
    going_on: Callable[[], bool],
) -> Deleted:
    broken = Deleted(broken=(f"{tenant} {workflow_id}".rstrip(),))
    if rule is None:
        _LOG.error("this release does not understand the retention rule", tenant=tenant, workflow=workflow_id)
        return broken
    try:
        return await _apply(context, tenant, rule, others, going_on)
    except Exception as error:
        if is_away(error):
            raise
        _LOG.exception("retention rule cannot be applied", tenant=tenant, workflow=workflow_id)
        return broken


async def _apply(
    context: OperationContext, tenant: str, rule: RetentionRule, others: Sequence[str], going_on: Callable[[], bool]
) -> Deleted:
    counts = {}
    for name, status in _STATUSES.items():
        days = getattr(rule.keep, name)
        if days is not None:
            too_old = OldRuns(tenant, rule.workflow_id, others, days)
            counts[name] = await _batches(
                context, partial(delete_old_runs, old=too_old, status=status, limit=BATCH), going_on
            )
    bodies = 0
    if rule.keep.bodies is not None:
        old = OldRuns(tenant, rule.workflow_id, others, rule.keep.bodies)
        bodies = await _batches(context, partial(delete_old_bodies, old=old, limit=BATCH), going_on)
    if not rule.workflow_id and (rule.keep.events is not None or rule.keep.dead_events is not None):
        counts["events"] = await _events(context, OldEvents(tenant, rule.keep.events, rule.keep.dead_events), going_on)
    events = counts.get("events", 0)
    done = Deleted(sum(counts.values()) - events, bodies, events)
    if done.runs or done.bodies or done.events:
        actor = AuditedActor(context.actor.name, context.actor.known_by, Level.ADMIN.word, context.actor.source, None)
        entry = _entry("retention_delete", rule.workflow_id, None, {**counts, "bodies": bodies})
        async with writing(context.store) as connection:
            await insert_audit(connection, entry, tenant=tenant, actor=actor)
    return done


async def _events(context: OperationContext, old: OldEvents, going_on: Callable[[], bool]) -> int:
    """Goes through them once, as those that something keeps stay."""
    done, place = 0, None
    while going_on():
        async with writing(context.store) as connection:
            deleted, place = await delete_old_events(connection, old, place, EVENTS_BATCH)
        done += deleted
        if place is None:
            break
    return done


async def _batches(
    context: OperationContext, batch: Callable[[Connection], Awaitable[int]], going_on: Callable[[], bool]
) -> int:
    done = 0
    while going_on():
        async with writing(context.store) as connection:
            deleted = await batch(connection)
        done += deleted
        if deleted < BATCH:
            break
    return done


def _checked_workflow(workflow_id: str) -> str:
    named = storable_text(workflow_id)
    if named != workflow_id or len(named) > MAX_WORKFLOW_ID:
        raise Invalid("RETENTION_INVALID", "This is no id of a workflow.", "`runstudio workflows list` has them.")
    return named


def _entry(operation: str, workflow_id: str, reason: str | None, details: dict[str, int | None]) -> AuditEntry:
    return AuditEntry(
        operation,
        "settings",
        workflow_id or "retention",
        workflow_id=workflow_id or None,
        reason=reason,
        details=dict(details),
    )
