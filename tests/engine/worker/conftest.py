"""The same store, context and rows as the operations' tests, through a pooler."""

from __future__ import annotations

from tests.engine.operations.conftest import context, execute, query, store
from tests.engine.pooled import database_url, direct_database_url

__all__ = ["context", "database_url", "direct_database_url", "execute", "query", "store"]
