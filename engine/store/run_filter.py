"""Which runs a list shows: the conditions an operator can set, and their SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, func, literal_column, or_, select, union

from engine.errors import Invalid
from engine.settings import DEFAULT_TENANT
from engine.store.keyset import Keyset
from engine.store.reader import Reader, uuid_text
from engine.store.tables import (
    RUN_STATUSES,
    WAITING_ON,
    workflow_definitions,
    workflow_event_deliveries,
    workflow_run_steps,
    workflow_run_waits,
    workflow_runs,
    workflow_runtime_events,
)

STUCK_AFTER: Final = timedelta(seconds=60)
"""How long a run may be RUNNING without a step before it counts as stuck."""
TRIGGERS: Final = ("event", "schedule", "recurring", "child", "manual")
MAX_WORKFLOWS: Final = 40
"""More workflows than this are a condition on each run, fewer are looked up one by one."""
SHORT_PREFIX: Final = 6
"""Run ids begin with a time: six digits are a window of five hours, small enough to be collected and sorted."""

runs = workflow_runs.c


class RunOrder(StrEnum):
    """Order of a run list; ties are broken by run id in the same direction."""

    STARTED_DESC = "started:desc"
    STARTED_ASC = "started:asc"
    UPDATED_DESC = "updated:desc"
    UPDATED_ASC = "updated:asc"

    @property
    def by_start(self) -> bool:
        """True for the order of the start, False for that of the last change."""
        return self in (RunOrder.STARTED_DESC, RunOrder.STARTED_ASC)

    def keyset(self) -> Keyset:
        """The columns of this order."""
        first = runs.started_at if self.by_start else runs.updated_at
        return Keyset((first, runs.run_id), descending=self.value.endswith("desc"))


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Conditions are joined with AND; an empty one does not restrict."""

    tenant: str = DEFAULT_TENANT
    statuses: frozenset[str] = frozenset()
    stuck: bool = False
    """RUNNING, no step, started more than ``STUCK_AFTER`` ago by the server's clock."""
    workflow: str = ""
    """Exact workflow id; where there is none of that id, the beginning of its id or name, without case."""
    text: str = ""
    """Part of the workflow's name, without case."""
    version: int | None = None
    """Served by an index together with one workflow; alone it is a condition on each run."""
    trigger: str | None = None
    """One of ``TRIGGERS``."""
    started_from: datetime | None = None
    """Inclusive; aware."""
    started_before: datetime | None = None
    """Exclusive; aware."""
    waiting_on: frozenset[str] = frozenset()
    min_attempt: int | None = None
    error_code: str | None = None
    run_id_prefix: str = ""
    wait_key: str | None = None
    """Exact key of any wait of the run."""
    event_id: str | None = None
    """Event that started the run or resolved one of its waits."""
    replay_of: str | None = None
    parent: str | None = None
    root: str | None = None
    launch: str | None = None
    """``pending`` or ``failed``: runs Temporal does not know yet, or never took."""
    order: RunOrder = RunOrder.STARTED_DESC

    def __post_init__(self) -> None:
        """Raises ``Invalid`` (FILTER_INVALID, ID_INVALID), naming the condition."""
        _known("status", self.statuses, RUN_STATUSES)
        _known("waiting_on", self.waiting_on, WAITING_ON)
        _known("trigger", () if self.trigger is None else (self.trigger,), TRIGGERS)
        _known("launch", () if self.launch is None else (self.launch,), ("pending", "failed"))
        for name in ("started_from", "started_before"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise _invalid(name, "a time needs its zone")
        for name in ("version", "min_attempt"):
            number = getattr(self, name)
            if number is not None and not 0 <= number < 2**31:
                raise _invalid(name, "not a number of that kind")
        for name in ("workflow", "text", "error_code", "run_id_prefix", "wait_key", "event_id"):
            if re.search("[\0\ud800-\udfff]", getattr(self, name) or ""):
                raise _invalid(name, "it has characters no stored text can have")
        if not re.fullmatch("[0-9a-fA-F-]{0,36}", self.run_id_prefix):
            raise _invalid("run_id_prefix", "a run id has digits 0-9, letters a-f and dashes")
        for name in ("tenant", "replay_of", "parent", "root"):
            value = getattr(self, name)
            if value is not None:
                # Frozen: the one way to normalise a field of a frozen dataclass at its making.
                object.__setattr__(self, name, uuid_text(value, "tenant" if name == "tenant" else "run"))


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
    if not wanted.workflow and not wanted.text:
        return Workflows(None)
    exact, matching, first = _naming(wanted.tenant, wanted.workflow, wanted.text)
    if wanted.workflow and await reader.row(exact) is not None:
        return Workflows((wanted.workflow,))
    ids = [row.workflow_id for row in await reader.rows(first)]
    if len(ids) > MAX_WORKFLOWS:
        return Workflows(None, runs.workflow_id.in_(matching))
    if wanted.workflow and not wanted.text and wanted.workflow not in ids:
        # Runs outlive the definition they were made from; it is then known by its id alone.
        ids.append(wanted.workflow)
    return Workflows(tuple(ids))


@lru_cache(maxsize=128)
def _naming(tenant: str, workflow: str, text: str) -> tuple[Select[Any], Select[Any], Select[Any]]:
    """The workflow of exactly this id; all that the names fit; the first of these, one more than a filter names."""
    table = workflow_definitions.c
    mine = [table.tenant == tenant]
    if text:
        mine.append(table.name.icontains(text, autoescape=True))
    exact = select(table.workflow_id).where(*mine, table.workflow_id == workflow)
    if workflow:
        beginning = [column.istartswith(workflow, autoescape=True) for column in (table.workflow_id, table.name)]
        mine.append(or_(*beginning))
    matching = select(table.workflow_id).where(*mine)
    return exact, matching, matching.order_by(table.workflow_id).limit(MAX_WORKFLOWS + 1)


def conditions(wanted: RunFilter) -> list[ColumnElement[bool]]:
    """Everything but statuses, workflows and the collected ids, for the WHERE of a list."""
    found: list[ColumnElement[bool]] = [runs.tenant == wanted.tenant]
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


def collected_ids(wanted: RunFilter) -> list[ColumnElement[bool]]:
    """Conditions that name runs through another table. Few runs match, so they are collected before they are sorted."""
    found: list[ColumnElement[bool]] = []
    if wanted.wait_key is not None:
        waits = workflow_run_waits.c
        found.append(
            runs.run_id.in_(select(waits.run_id).where(waits.tenant == wanted.tenant, waits.key == wanted.wait_key))
        )
    if wanted.event_id is not None:
        found.append(runs.run_id.in_(_runs_of_event(wanted.tenant, wanted.event_id)))
    return found


def is_collected(wanted: RunFilter) -> bool:
    """Whether the matching runs are collected first, and then sorted."""
    long_prefix = len(wanted.run_id_prefix.replace("-", "")) >= SHORT_PREFIX
    return wanted.wait_key is not None or wanted.event_id is not None or long_prefix


def has_own_index(wanted: RunFilter, workflows: Workflows) -> bool:
    """Whether one value of the filter has an index in the order of the start that does not begin with the status."""
    if not wanted.order.by_start:
        return False
    single = (wanted.trigger, wanted.error_code, wanted.replay_of, wanted.parent, wanted.root, wanted.launch)
    of_version = wanted.version is not None and len(workflows.ids or ()) == 1
    return any(value is not None for value in single) or (wanted.min_attempt or 0) > 1 or of_version


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
        runs.started_at < func.now() - STUCK_AFTER,
        ~exists(select(steps.step_id).where(steps.run_id == runs.run_id)),
    )


def _in_time(wanted: RunFilter) -> Iterable[ColumnElement[bool]]:
    if wanted.started_from is not None:
        yield runs.started_at >= wanted.started_from
        if not wanted.order.by_start:
            # Implied, and it bounds the walk along the other index.
            yield runs.updated_at >= wanted.started_from
    if wanted.started_before is not None:
        yield runs.started_at < wanted.started_before


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


def _known(name: str, values: Iterable[str], words: tuple[str, ...]) -> None:
    unknown = sorted(set(values) - set(words))
    if unknown:
        raise _invalid(name, f"{unknown[0][:40]!r} is none of {', '.join(words)}")


def _invalid(name: str, why: str) -> Invalid:
    return Invalid(
        "FILTER_INVALID", f"The filter {name} cannot be used: {why}.", "Correct the filter.", {"field": name}
    )
