"""The same store, context and rows as the operations' tests."""

from __future__ import annotations

from tests.engine.operations.conftest import context, execute, query, store

__all__ = ["context", "execute", "query", "store"]
