"""A filter is no way to a hidden value: a run in which what is filtered by is hidden does not match."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import ColumnElement, false, select

from engine.records import Page, RunFilter, RunRow
from engine.store.database.reader import Reader, Reading
from engine.store.tables import workflow_runs

_LOOKED_AT: Final = 500
"""Runs that are looked at before others are counted. Where more match and one of these hides the value, none is counted."""

runs = workflow_runs.c


def guesses(wanted: RunFilter) -> tuple[str, ...]:
    """What a filter says of values that may be hidden in a run."""
    return tuple(value for value in (wanted.wait_key, wanted.error_code) if value is not None)


def is_told(known: Reading, run_id: str, said: Iterable[str]) -> bool:
    """Whether all of these would be shown in this run; ``known`` has followed it."""
    reading = known.of(run_id=run_id)
    return all(reading.hide_text(value) == value for value in said)


def without_hidden(page: Page[RunRow], known: Reading, said: Sequence[str]) -> Page[RunRow]:
    """The page without the runs in which something of ``said`` is hidden. A page of nothing else leads nowhere."""
    rows = tuple(row for row in page.rows if is_told(known, row.run_id, said))
    return replace(page, rows=rows) if rows else replace(page, rows=(), next=None)


async def of_told(
    reader: Reader, where: Sequence[ColumnElement[bool]], said: Sequence[str]
) -> list[ColumnElement[bool]]:
    """A condition that leaves out the runs of ``where`` in which something of ``said`` is hidden; none where nothing is."""
    if not said:
        return []
    few = select(runs.run_id).where(*where).limit(_LOOKED_AT + 1)
    found: list[Any] = [row.run_id for row in await reader.rows(few)]
    known = await reader.following(runs=found)
    hidden = [run_id for run_id in found if not is_told(known, run_id, said)]
    if hidden and len(found) > _LOOKED_AT:
        return [false()]
    return [runs.run_id.not_in(hidden)] if hidden else []
