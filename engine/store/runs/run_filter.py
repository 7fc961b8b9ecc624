"""Which runs a list shows: the conditions an operator can set, and their SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    union,
)

from engine.records import STUCK_AFTER, RunFilter, RunOrder
from engine.store.database.keyset import Keyset
from engine.store.database.question import ANY_TIME
from engine.store.database.reader import Reader
from engine.store.tables import (
    workflow_definitions,
    workflow_event_deliveries,
    workflow_run_steps,
    workflow_run_waits,
    workflow_runs,
    workflow_runtime_events,
)
from engine.values.event_key import normal_key

MAX_WORKFLOWS: Final = 40
"""More workflows than this are a condition on each run, fewer are looked up one by one."""
SHORT_PREFIX: Final = 6
"""Run ids begin with a time: six digits are a window of five hours, small enough to be collected and sorted."""

runs = workflow_runs.c


@dataclass(frozen=True, slots=True)
class Workflows:
    """The workflows a filter names, looked up."""

    ids: tuple[str, ...] | None
    """None: not restricted, or too many to name."""
    condition: ColumnElement[bool] | None = None
    """In place of too many ids."""

    @property
    def none_match(self) -> bool:
        """True when no run can match."""
        return self.ids == ()


async def find_workflows(reader: Reader, wanted: RunFilter) -> Workflows:
    """The workflows that ``workflow`` and ``text`` name."""
    named = named_workflows(reader.tenant, wanted)
    if named is None:
        return Workflows(None)
    ids = [row.workflow_id for row in await reader.rows(named.limit(MAX_WORKFLOWS + 1))]
    if len(ids) > MAX_WORKFLOWS:
        return Workflows(None, runs.workflow_id.in_(named))
    return Workflows(tuple(ids))


def named_workflows(tenant: str, wanted: RunFilter) -> Select[tuple[str]] | None:
    """The ids of the workflows that ``workflow`` and ``text`` name; None when the filter has neither."""
    workflow, text = wanted.workflow, wanted.text
    if not workflow and not text:
        return None
    table = workflow_definitions.c
    mine = [table.tenant == tenant]
    if text:
        mine.append(table.name.icontains(text, autoescape=True))
    if not workflow:
        return select(table.workflow_id).where(*mine)
    exact = table.workflow_id == workflow
    beginning = or_(*(column.istartswith(workflow, autoescape=True) for column in (table.workflow_id, table.name)))
    there_is = exists(select(table.workflow_id).where(*mine, exact).correlate(None))
    found = select(table.workflow_id).where(*mine, or_(exact, and_(beginning, ~there_is)))
    if text:
        return found
    # Runs outlive the definition they were made from; it is then known by its id alone.
    every = union(found, select(literal(workflow, Text))).subquery("named")
    return select(every.c.workflow_id)


def keyset_of(order: RunOrder) -> Keyset:
    """The columns of an order."""
    return Keyset((runs.started_at if order.by_start else runs.updated_at, runs.run_id), descending=order.descending)


def conditions(tenant: str, wanted: RunFilter) -> list[ColumnElement[bool]]:
    """Everything but statuses, workflows and the collected ids, for the WHERE of a list."""
    found: list[ColumnElement[bool]] = [runs.tenant == tenant]
    if wanted.stuck:
        found.append(is_stuck())
    if wanted.version is not None:
        found.append(runs.workflow_version == wanted.version)
    if wanted.trigger is not None:
        found.append(_triggered_by(wanted.trigger))
    found += _in_time(wanted)
    if wanted.waiting_on:
        found.append(runs.waiting_on.in_(sorted(wanted.waiting_on)))
    if wanted.min_attempt is not None and wanted.min_attempt > 1:
        # A literal, because a plan for any parameter could not know that the partial index applies.
        found.append(runs.attempt >= bindparam(None, wanted.min_attempt, literal_execute=True))
    equal = {
        "last_error_code": "error_code",
        "replay_of_run_id": "replay_of",
        "parent_run_id": "parent",
        "root_run_id": "root",
    }
    for column, name in equal.items():
        value = getattr(wanted, name)
        if value is not None:
            found.append(runs[column] == value)
    if wanted.launch is not None:
        found.append(runs.launch_state == bindparam(None, wanted.launch, literal_execute=True))
    if wanted.run_id_prefix:
        first, last = _prefix_range(wanted.run_id_prefix)
        found += [runs.run_id >= first, runs.run_id <= last]
    return found


def collected_ids(tenant: str, wanted: RunFilter) -> list[ColumnElement[bool]]:
    """Conditions that name runs through another table. Few runs match, so they are collected before they are sorted."""
    found: list[ColumnElement[bool]] = []
    if wanted.wait_key is not None:
        waits = workflow_run_waits.c
        # As it was written, too: waits of earlier semantics have their keys as they were computed.
        keys = sorted({normal_key(wanted.wait_key), wanted.wait_key})
        found.append(runs.run_id.in_(select(waits.run_id).where(waits.tenant == tenant, waits.key.in_(keys))))
    if wanted.event_id is not None:
        found.append(runs.run_id.in_(_runs_of_event(tenant, wanted.event_id)))
    return found


def is_collected(wanted: RunFilter) -> bool:
    """Whether the matching runs are collected first, and then sorted."""
    long_prefix = len(wanted.run_id_prefix.replace("-", "")) >= SHORT_PREFIX
    return wanted.wait_key is not None or wanted.event_id is not None or long_prefix


def has_own_index(wanted: RunFilter) -> bool:
    """Whether one value of the filter has an index in the order of the start that begins with neither status nor workflow."""
    if not wanted.order.by_start:
        return False
    single = (wanted.trigger, wanted.error_code, wanted.replay_of, wanted.parent, wanted.root, wanted.launch)
    return any(value is not None for value in single) or (wanted.min_attempt or 0) > 1


def without_status(wanted: RunFilter) -> RunFilter:
    """The filter the counters by status are made for."""
    return replace(wanted, statuses=frozenset(), stuck=False)


def is_stuck() -> ColumnElement[bool]:
    """The stuck rule, by the server's clock at the beginning of the transaction.

    Steps are looked for as well as counted: runs from before the cutover have no count.
    """
    steps = workflow_run_steps.c
    return and_(
        runs.status == literal_column("'RUNNING'"),
        runs.step_count == literal_column("0"),
        runs.engine == literal_column("'temporal'"),
        runs.launch_state != literal_column("'queued'"),
        runs.started_at < func.now() - STUCK_AFTER,
        ~exists(select(steps.step_id).where(steps.run_id == runs.run_id)),
    )


def _in_time(wanted: RunFilter) -> Iterable[ColumnElement[bool]]:
    if wanted.started_from is not None:
        earliest = bindparam("started_from", wanted.started_from, runs.started_at.type)
        yield runs.started_at >= earliest
        if not wanted.order.by_start:
            # Implied, and it bounds the walk along the other index.
            yield runs.updated_at >= earliest
    if wanted.started_before is not None:
        yield runs.started_at < bindparam("started_before", wanted.started_before, runs.started_at.type)


def timeless(wanted: RunFilter) -> RunFilter:
    """The filter with any times in place of its own, which are parameters: a list of the last hour is always one question."""
    return replace(
        wanted,
        started_from=wanted.started_from and ANY_TIME,
        started_before=wanted.started_before and ANY_TIME,
    )


def times_of(wanted: RunFilter) -> dict[str, datetime | None]:
    """The times of a filter as parameters."""
    return {"started_from": wanted.started_from, "started_before": wanted.started_before}


def _triggered_by(trigger: str) -> ColumnElement[bool]:
    if trigger == "child":
        return runs.parent_run_id.is_not(None)
    if trigger == "manual":
        return and_(runs.trigger_type.is_(None), runs.parent_run_id.is_(None))
    return runs.trigger_type == trigger


def _runs_of_event(tenant: str, event_id: str) -> Select[tuple[str]]:
    deliveries, waits, events = workflow_event_deliveries.c, workflow_run_waits.c, workflow_runtime_events.c
    found = union(
        select(deliveries.run_id).where(
            deliveries.tenant == tenant, deliveries.event_id == event_id, deliveries.run_id.is_not(None)
        ),
        select(waits.run_id).where(waits.tenant == tenant, waits.matched_event_id == event_id),
        select(events.matched_run_id).where(
            events.tenant == tenant, events.event_id == event_id, events.matched_run_id.is_not(None)
        ),
    ).subquery()
    return select(found.c.run_id)


def _prefix_range(prefix: str) -> tuple[str, str]:
    digits = prefix.replace("-", "").lower()
    return str(UUID(digits.ljust(32, "0"))), str(UUID(digits.ljust(32, "f")))
