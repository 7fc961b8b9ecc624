"""Lists of runs: pages by keyset, counters up to a cap, and re-reading of rows already shown.

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
    UnaryExpression,
    any_,
    func,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Invalid
from engine.ids import uuid_text
from engine.records import Count, Page, RunCounts, RunFilter, RunRow, RunStatus
from engine.store.database.keyset import Stretch, decode_cursor, fingerprint, page_of, value_table
from engine.store.database.question import QUESTIONS, Telling, ask_telling, question
from engine.store.database.reader import Reader, open_reader
from engine.store.runs.guesses import guesses, of_told, without_hidden
from engine.store.runs.run_filter import (
    MAX_WORKFLOWS,
    Workflows,
    collected_ids,
    conditions,
    find_workflows,
    has_own_index,
    is_collected,
    is_stuck,
    keyset_of,
    named_workflows,
    runs,
    timeless,
    times_of,
    without_status,
)
from engine.store.runs.run_rows import listed, run_view, telling, telling_of
from engine.store.tables import RUN_STATUSES
from engine.wording import counted

Position: TypeAlias = tuple[Any, ...]
Conditions: TypeAlias = list[ColumnElement[bool]]
Order: TypeAlias = list[UnaryExpression[Any]]
Branch: TypeAlias = tuple[Column[Any], Sequence[str] | FromClause]
"""A column at the head of the list's index, and the values it is read for, or what has them in its column ``value``."""

COUNT_CAP: Final = 10_000
MAX_PAGE: Final = 500
MAX_COLLECTED: Final = 50_000
"""Runs that are collected by an id before they are sorted; more are a question too broad to answer."""


async def runs_page(
    engine: AsyncEngine,
    tenant: str,
    wanted: RunFilter,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[RunRow]:
    """The rows of a filter in its order that follow ``cursor``; without one, the first. ``limit`` is 1..500.

    A run in which a value of the filter is hidden does not match, so a page may have fewer rows than there is room for.
    Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID) and ``Unavailable``.
    """
    check_limit(limit, MAX_PAGE)
    query, keyset = fingerprint(tenant, wanted), keyset_of(wanted.order)
    position = decode_cursor(query, cursor, (datetime, UUID))
    asked = _page_question(tenant, timeless(wanted), limit + 1, continued=cursor is not None)
    given = {**times_of(wanted), **keyset.parameters(position)}
    reading, [rows] = await ask_telling(engine, tenant, asked, parameters=given)
    found = [run_view(reading, row) for row in rows]

    def position_of(row: RunRow) -> Position:
        return (row.started_at if wanted.order.by_start else row.updated_at, row.run_id)

    page = page_of(found, limit, query, position_of, reading.server_now)
    # A run that such a value was found in tells a text.
    said = guesses(wanted)
    return without_hidden(page, reading, said) if said else page


async def matching_runs(
    engine: AsyncEngine, tenant: str, wanted: RunFilter, run_ids: Sequence[str]
) -> tuple[RunRow, ...]:
    """Those of ``run_ids`` (at most 500) that match the filter now. Raises ``Invalid`` (ID_INVALID, LIMIT_INVALID)."""
    ids = _ids(run_ids)
    async with open_reader(engine, tenant) as reader:
        workflows = await find_workflows(reader, wanted)
        where = [*conditions(tenant, wanted), *collected_ids(tenant, wanted), *_of_workflows(workflows)]
        where += [*_of_statuses(wanted.statuses), runs.run_id.in_(ids)]
        return await _reply(reader, [*where, *await of_told(reader, where, guesses(wanted))])


async def runs_by_id(engine: AsyncEngine, tenant: str, run_ids: Sequence[str]) -> tuple[RunRow, ...]:
    """Those of ``run_ids`` (at most 500) that exist for the tenant, whatever their state. Raises as ``matching_runs``."""
    ids = _ids(run_ids)
    async with open_reader(engine, tenant) as reader:
        return await _reply(reader, [runs.tenant == tenant, runs.run_id.in_(ids)])


async def count_runs(engine: AsyncEngine, tenant: str, wanted: RunFilter) -> RunCounts:
    """Runs of the filter by status, its own ``statuses`` and ``stuck`` left out, each counted up to ``COUNT_CAP``."""
    every = without_status(wanted)
    async with open_reader(engine, tenant) as reader:
        workflows = await find_workflows(reader, every)
        if workflows.none_match:
            return RunCounts(reader.server_now, {status: Count(0) for status in RunStatus})
        where = [*conditions(tenant, every), *collected_ids(tenant, every), *_of_workflows(workflows)]
        where += await of_told(reader, where, guesses(every))
        of_version = every.version is not None and every.order.by_start and len(workflows.ids or ()) == 1
        together = has_own_index(every) or of_version or is_collected(every) or bool(every.waiting_on)
        order = keyset_of(every.order).order()
        counted = await (_count_together if together else _count_apart)(reader, where, order)
        [row] = await reader.rows(select(_capped([*where, is_stuck()], keyset_of(every.order).order()).label("stuck")))
        return RunCounts(reader.server_now, counted, _count(row.stuck))


@lru_cache(maxsize=QUESTIONS)
def _page_question(tenant: str, wanted: RunFilter, limit: int, *, continued: bool) -> Telling:
    """The statement of one page: a range of one index, or a merge of several ranges.

    ``continued``: it begins beyond a position, given by ``Keyset.parameters``.
    """
    keyset = keyset_of(wanted.order)
    where = conditions(tenant, wanted)
    if continued:
        where.append(keyset.beyond_parameters())
    page, stretch = select(*keyset.columns).where(*where), Stretch(keyset, limit)
    if is_collected(wanted):
        picked = _collected(page.where(*_narrowed(tenant, wanted), *collected_ids(tenant, wanted)), stretch)
    elif has_own_index(wanted):
        picked = stretch.of(page.where(*_narrowed(tenant, wanted)))
    elif wanted.waiting_on and wanted.order.by_start:
        waiting: list[Branch] = [(runs.waiting_on, sorted(wanted.waiting_on))]
        picked = _merged(page.where(*_narrowed(tenant, wanted)), waiting, stretch)
    else:
        picked = _by_status_and_workflow(page, tenant, wanted, stretch)
    rows = picked.subquery("page")
    return telling_of(question(listed(rows).order_by(*keyset.on(rows).order())))


def _by_status_and_workflow(page: Select[Any], tenant: str, wanted: RunFilter, stretch: Stretch) -> Select[Any]:
    """The indexes of these begin with the workflow, if there is one, and with the version or else the status.

    How many workflows there are Postgres finds out: for a few, each has its ranges; many are a condition on each run.
    """
    possible = {"RUNNING"} if wanted.stuck else set(RUN_STATUSES)
    by_status: list[Branch] = [(runs.status, sorted(possible & (wanted.statuses or possible)))]
    named = named_workflows(tenant, wanted)
    if named is None:
        return _merged(page, by_status, stretch)
    names = named.cte("named")
    few = select(func.count()).select_from(names).scalar_subquery() <= MAX_WORKFLOWS
    by_workflow: list[Branch] = [
        (runs.workflow_id, select(names.c.workflow_id.label("value")).where(few).subquery("each_workflow"))
    ]
    if wanted.version is not None and wanted.order.by_start:
        of_few = _merged(page.where(*_of_statuses(wanted.statuses)), by_workflow, stretch)
    else:
        of_few = _merged(page, [*by_status, *by_workflow], stretch)
    one_of_many = runs.workflow_id == any_(func.array(select(names.c.workflow_id).scalar_subquery()))
    of_many = _merged(page.where(one_of_many, ~few), by_status, stretch)
    either = union_all(of_few, of_many).subquery("either")
    return stretch.of(select(either), either)


def _narrowed(tenant: str, wanted: RunFilter) -> Conditions:
    """Statuses and workflows as conditions on each run, where the list is not read along an index of theirs."""
    named = named_workflows(tenant, wanted)
    of_statuses = _of_statuses(wanted.statuses)
    if named is None:
        return of_statuses
    return [*of_statuses, runs.workflow_id == any_(func.array(named.scalar_subquery()))]


def _merged(page: Select[Any], branches: Sequence[Branch], stretch: Stretch) -> Select[Any]:
    """The rows of a stretch over all combinations of the branches' values, each of which gives at most as many."""
    several: list[FromClause] = []
    for column, values in branches:
        if not isinstance(values, FromClause) and len(values) == 1:
            page = page.where(column == values[0])
        else:
            value = values if isinstance(values, FromClause) else value_table(str(column.key), values)
            page = page.where(column == value.c.value)
            several.append(value)
    page = stretch.of(page)
    if not several:
        return page
    one = page.lateral("one")
    source: FromClause = several[0]
    for value in several[1:]:
        source = source.join(value, true())
    return stretch.of(select(one).select_from(source.join(one, true())), one)


def _collected(page: Select[Any], stretch: Stretch) -> Select[Any]:
    """The rows of a stretch of runs that are few: found by their ids before anything is sorted.

    The fence keeps Postgres from walking the list's own index instead, in the hope to meet one of them soon.
    """
    few = page.limit(MAX_COLLECTED).cte("few").prefix_with("MATERIALIZED")
    return stretch.of(select(few), few)


def check_limit(limit: int, most: int) -> None:
    """Raises ``Invalid`` (LIMIT_INVALID) unless it is a whole number and 1 <= limit <= most."""
    if type(limit) is not int or not 1 <= limit <= most:
        raise Invalid(
            "LIMIT_INVALID",
            f"A page has at most {counted(most, 'row')}, at least one; {str(limit)[:40]} were asked for.",
            "Ask for fewer.",
        )


async def _reply(reader: Reader, where: Conditions) -> tuple[RunRow, ...]:
    found = await reader.rows(listed().where(*where))
    reader = await reader.following(runs=telling(found))
    return tuple(run_view(reader, row) for row in found)


def _of_statuses(statuses: Collection[str]) -> list[ColumnElement[bool]]:
    return [runs.status.in_(sorted(statuses))] if statuses else []


def _of_workflows(workflows: Workflows) -> list[ColumnElement[bool]]:
    if workflows.ids is not None:
        return [runs.workflow_id.in_(workflows.ids)]
    return [] if workflows.condition is None else [workflows.condition]


async def _count_apart(reader: Reader, where: Conditions, order: Order) -> dict[RunStatus, Count]:
    """One index range per status."""
    numbers = [_capped([*where, runs.status == status], order).label(status) for status in RunStatus]
    [row] = await reader.rows(select(*numbers))
    return {status: _count(row._mapping[status]) for status in RunStatus}


async def _count_together(reader: Reader, where: Conditions, order: Order) -> dict[RunStatus, Count]:
    """The runs of one value, divided by status. Where there are more than the cap, no status is known exactly."""
    some = select(runs.status).where(*where).order_by(*order).limit(COUNT_CAP + 1).subquery()
    found = await reader.rows(select(some.c.status, func.count().label("number")).group_by(some.c.status))
    numbers = {row.status: row.number for row in found}
    capped = sum(numbers.values()) > COUNT_CAP
    return {status: Count(min(numbers.get(status, 0), COUNT_CAP), capped) for status in RunStatus}


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
