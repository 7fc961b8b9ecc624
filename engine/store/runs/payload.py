"""The payload of a run as it was given: its keys in their order."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import ColumnElement, case, cast, select
from sqlalchemy.dialects.postgresql import JSONB

from engine.store.database.transactions import Connection
from engine.store.tables import workflow_runs as runs

Json = Any


async def load_payload(connection: Connection, tenant: str, run_id: str) -> Json:
    """The payload a run was started with, not redacted; None when it was never stored."""
    question = select(*input_columns()).where(runs.c.run_id == run_id, runs.c.tenant == tenant)
    row = (await connection.execute(question)).one_or_none()
    return None if row is None else as_given(row)


def input_columns() -> tuple[ColumnElement[Any], ...]:
    """What ``as_given`` needs of a run."""
    # A text that does not say the same as the JSON was changed by hand, or the JSON was: the JSON counts.
    same = cast(runs.c.input_text, JSONB) == runs.c.input_json
    return runs.c.input_json, case((same, runs.c.input_text)).label("input_text")


def as_given(row: Any) -> Json:
    """The payload with its keys in the order it came in."""
    return row.input_json if row.input_text is None else json.loads(row.input_text)
