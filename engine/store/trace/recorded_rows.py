"""Rows of a run as records name them: by path, iteration and visit, with times as ISO-8601 UTC."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Row, and_

from engine.interpreter.ledger import StepKey
from engine.store.database.reader import Reader


def of_run(table: Any, reader: Reader, run_id: str) -> ColumnElement[bool]:
    """Rows of the run that this engine wrote: those from before the cutover have no visit."""
    return and_(table.run_id == run_id, table.tenant == reader.tenant, table.visit > 0)


def position(table: Any) -> tuple[ColumnElement[Any], ...]:
    """Where in its run a row is."""
    return (table.step_path, table.iteration, table.visit)


def step_key(row: Row[Any]) -> StepKey:
    """The execution of a step that a row is about."""
    return (row.step_path, row.iteration, row.visit)
