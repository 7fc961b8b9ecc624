"""Statements that are a transaction of their own: one round trip to Postgres instead of three."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Row, TextClause

from engine.store.transactions import Store

_ENGINES_OF_A_PROCESS: Final = 8
"""A process has one engine; tests have a few."""


async def execute_alone(store: Store, statement: TextClause, parameters: Mapping[str, Any]) -> Row[Any] | None:
    """Run one statement in autocommit and return its first row; None when it gives none."""
    async with _autocommitting(store).connect() as connection:
        result = await connection.execute(statement, parameters)
        return result.first() if result.returns_rows else None


@lru_cache(maxsize=_ENGINES_OF_A_PROCESS)
def _autocommitting(store: Store) -> Store:
    # Shares the pool; made once, because the options are looked up on every connection otherwise.
    return store.execution_options(isolation_level="AUTOCOMMIT")
