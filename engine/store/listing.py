"""Lists of runs: pages by keyset in both directions, counters up to a cap, and re-reading of rows already shown.

A list is read along an index that has its order. Most of these indexes begin with the status (and the workflow), so a list
over several statuses is a merge of one short index range for each.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    TableValuedAlias,
    Text,
    UnaryExpression,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Invalid
from engine.store.keyset import Keyset, decode_cursor, fingerprint, page_of
from engine.store.reader import Reader, open_reader, uuid_text
from engine.store.run_filter import (
    RunFilter,
    Workflows,
    collected_ids,
    conditions,
    find_workflows,
    has_own_index,
    is_collected,
    is_stuck,
    runs,
    without_status,
)
from engine.store.run_rows import listed, run_view
from engine.store.tables import RUN_STATUSES
from engine.store.views import Count, Page, Reply, RunCounts, RunView

Position: TypeAlias = tuple[Any, ...]
Conditions: TypeAlias = list[ColumnElement[bool]]
Order: TypeAlias = list[UnaryExpression[Any]]
Branch: TypeAlias = tuple[Column[Any], Sequence[str]]
"""A column at the head of the list's index, and the values it is read for."""

COUNT_CAP: Final = 10_000
MAX_PAGE: Final = 500
_STATEMENTS: Final = 128
MAX_COLLECTED: Final = 50_000
"""Runs that are collected by an id before they are sorted; more are a question too broad to answer."""


async def runs_page(
    engine: AsyncEngine, wanted: RunFilter, *, cursor: str | None = None, backwards: bool = False, limit: int = 50
) -> Page[RunView]:
    """The rows of a filter in its order that follow ``cursor``, or with ``backwards`` the nearest ones before it.

    Without a cursor: the first page, or with ``backwards`` the last. ``limit`` is 1..500. Rows are always in the filter's order.
    Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID) and ``Unavailable``.
    """
    check_limit(limit, MAX_PAGE)
    query, keyset = fingerprint(wanted), wanted.order.keyset()
    position = None if cursor is None else decode_cursor(query, cursor, (datetime, UUID))
    async with open_reader(engine, wanted.tenant) as reader:
        workflows = await find_workflows(reader, wanted)
        if workflows.none_match:
            return Page((), None, None, reader.server_now)
        make = _page_statement if workflows.condition is None else _page_statement.__wrapped__
        statement = make(wanted, workflows, position is not None, backwards, limit + 1)
        beyond = keyset.parameters(position or ())
        found = [run_view(reader, row) for row in await reader.rows(statement, beyond)]

    def position_of(row: RunView) -> Position:
        return (row.started_at if wanted.order.by_start else row.updated_at, row.run_id)

    return page_of(found, limit, query, position_of, cursor, backwards=backwards, now=reader.server_now)


async def matching_runs(engine: AsyncEngine, wanted: RunFilter, run_ids: Sequence[str]) -> Reply[tuple[RunView, ...]]:
    """Those of ``run_ids`` (at most 500) that match the filter now. Raises ``Invalid`` (ID_INVALID, LIMIT_INVALID)."""
    ids = _ids(run_ids)
    async with open_reader(engine, wanted.tenant) as reader:
        workflows = await find_workflows(reader, wanted)
        where = [*conditions(wanted), *collected_ids(wanted), *_of_workflows(workflows)]
        return await _reply(reader, [*where, *_of_statuses(wanted.statuses), runs.run_id.in_(ids)])


async def runs_by_id(engine: AsyncEngine, tenant: str, run_ids: Sequence[str]) -> Reply[tuple[RunView, ...]]:
    """Those of ``run_ids`` (at most 500) that exist for the tenant, whatever their state. Raises as ``matching_runs``."""
    ids = _ids(run_ids)
    async with open_reader(engine, tenant) as reader:
        return await _reply(reader, [runs.tenant == tenant, runs.run_id.in_(ids)])


async def count_runs(engine: AsyncEngine, wanted: RunFilter) -> Reply[RunCounts]:
    """Runs of the filter by status, its own ``statuses`` and ``stuck`` left out, each counted up to ``COUNT_CAP``."""
    every = without_status(wanted)
    async with open_reader(engine, wanted.tenant) as reader:
        workflows = await find_workflows(reader, every)
        if workflows.none_match:
            return Reply(RunCounts({status: Count(0) for status in RUN_STATUSES}), reader.server_now)
        where = [*conditions(every), *collected_ids(every), *_of_workflows(workflows)]
        together = has_own_index(every, workflows) or is_collected(every) or bool(every.waiting_on)
        order = every.order.keyset().order()
        counted = await (_count_together if together else _count_apart)(reader, where, order)
        [row] = await reader.rows(select(_capped([*where, is_stuck()], every.order.keyset().order()).label("stuck")))
        return Reply(RunCounts(counted, _count(row.stuck)), reader.server_now)


@lru_cache(maxsize=_STATEMENTS)
def _page_statement(
    wanted: RunFilter, workflows: Workflows, continued: bool, backwards: bool, limit: int
) -> Select[Any]:
    """The statement of one page: a range of one index, or a merge of several ranges.

    Kept, because the studio asks it again and again: putting it together costs as much as Postgres needs to answer it.
    ``continued``: it begins beyond a position, given by ``Keyset.parameters``.
    """
    keyset = wanted.order.keyset()
    where = conditions(wanted)
    if continued:
        where.append(keyset.beyond_parameters(reverse=backwards))
    branches: list[Branch] = []
    if is_collected(wanted) or has_own_index(wanted, workflows):
        where += [*_of_statuses(wanted.statuses), *_of_workflows(workflows)]
    elif wanted.waiting_on and wanted.order.by_start:
        where += [*_of_statuses(wanted.statuses), *_of_workflows(workflows)]
        branches.append((runs.waiting_on, sorted(wanted.waiting_on)))
    else:
        possible = {"RUNNING"} if wanted.stuck else set(RUN_STATUSES)
        branches.append((runs.status, sorted(possible & (wanted.statuses or possible))))
        if workflows.ids is None:
            where += _of_workflows(workflows)
        else:
            branches.append((runs.workflow_id, workflows.ids))
    page = select(*keyset.columns).where(*where)
    if is_collected(wanted):
        picked = _collected(page.where(*collected_ids(wanted)), keyset, backwards, limit)
    else:
        picked = _merged(page, branches, keyset, backwards, limit)
    rows = picked.subquery("page")
    return listed(rows).order_by(*keyset.on(rows).order(reverse=backwards))


def _merged(page: Select[Any], branches: Sequence[Branch], keyset: Keyset, backwards: bool, limit: int) -> Select[Any]:
    """The first ``limit`` rows over all combinations of the branches' values, of which each gives at most ``limit``."""
    several: list[TableValuedAlias] = []
    for column, values in branches:
        if len(values) == 1:
            page = page.where(column == values[0])
        else:
            value = (
                func.unnest(literal(list(values), ARRAY(Text)))
                .table_valued("value", name=f"each_{column.key}")
                .render_derived()
            )
            page = page.where(column == value.c.value)
            several.append(value)
    page = page.order_by(*keyset.order(reverse=backwards)).limit(limit)
    if not several:
        return page
    one = page.lateral("one")
    source: FromClause = several[0]
    for value in several[1:]:
        source = source.join(value, true())
    merged = select(one).select_from(source.join(one, true()))
    return merged.order_by(*keyset.on(one).order(reverse=backwards)).limit(limit)


def _collected(page: Select[Any], keyset: Keyset, backwards: bool, limit: int) -> Select[Any]:
    """The first ``limit`` rows of runs that are few: found by their ids before anything is sorted.

    The fence keeps Postgres from walking the list's own index instead, in the hope to meet one of them soon.
    """
    few = page.limit(MAX_COLLECTED).cte("few").prefix_with("MATERIALIZED")
    return select(few).order_by(*keyset.on(few).order(reverse=backwards)).limit(limit)


def check_limit(limit: int, most: int) -> None:
    """Raises ``Invalid`` (LIMIT_INVALID) unless 1 <= limit <= most."""
    if not 1 <= limit <= most:
        raise Invalid("LIMIT_INVALID", f"A page has 1 to {most} rows; {limit} were asked for.", "Ask for fewer.")


async def _reply(reader: Reader, where: Conditions) -> Reply[tuple[RunView, ...]]:
    found = await reader.rows(listed().where(*where))
    return Reply(tuple(run_view(reader, row) for row in found), reader.server_now)


def _of_statuses(statuses: Collection[str]) -> list[ColumnElement[bool]]:
    return [runs.status.in_(sorted(statuses))] if statuses else []


def _of_workflows(workflows: Workflows) -> list[ColumnElement[bool]]:
    if workflows.ids is not None:
        return [runs.workflow_id.in_(workflows.ids)]
    return [] if workflows.condition is None else [workflows.condition]


async def _count_apart(reader: Reader, where: Conditions, order: Order) -> dict[str, Count]:
    """One index range per status."""
    numbers = [_capped([*where, runs.status == status], order).label(status) for status in RUN_STATUSES]
    [row] = await reader.rows(select(*numbers))
    return {status: _count(row._mapping[status]) for status in RUN_STATUSES}


async def _count_together(reader: Reader, where: Conditions, order: Order) -> dict[str, Count]:
    """The runs of one value, divided by status. Where there are more than the cap, no status is known exactly."""
    some = select(runs.status).where(*where).order_by(*order).limit(COUNT_CAP + 1).subquery()
    found = await reader.rows(select(some.c.status, func.count().label("number")).group_by(some.c.status))
    numbers = {row.status: row.number for row in found}
    capped = sum(numbers.values()) > COUNT_CAP
    return {status: Count(min(numbers.get(status, 0), COUNT_CAP), capped) for status in RUN_STATUSES}


def _capped(where: Conditions, order: Order) -> ScalarSelect[int]:
    """How many runs, up to one more than the cap. In the list's own order: then the list's own index is walked."""
    some = select(runs.run_id).where(*where).order_by(*order).limit(COUNT_CAP + 1).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


def _count(number: int) -> Count:
    return Count(min(number, COUNT_CAP), number > COUNT_CAP)


def _ids(run_ids: Sequence[str]) -> list[str]:
    if run_ids:
        check_limit(len(run_ids), MAX_PAGE)
    return [uuid_text(run_id, "run") for run_id in run_ids]
