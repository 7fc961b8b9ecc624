"""The database of a test from end to end: through a pooler in transaction mode, as an installation may have one."""

from __future__ import annotations

import os

import pytest

from engine.store.database import connecting, engine
from tests.engine.workflow.harness import PATIENCE_SECONDS
from tests.pooler import Pooled

DIRECT = "RUNSTUDIO_DIRECT_DATABASE_URL"


@pytest.fixture
def database_url(database_url: str, pooled: Pooled, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a database of this test alone, through the pooler; what needs a session of its own is told the direct one."""
    monkeypatch.setenv(DIRECT, database_url)
    # It takes more turns of the loop to get a connection than directly, and a busy machine may take its time.
    for module in (connecting, engine):
        monkeypatch.setattr(module, "CONNECT_TIMEOUT_SECONDS", int(PATIENCE_SECONDS))
    return pooled(database_url)


@pytest.fixture
def direct_database_url(database_url: str) -> str:  # it names the direct one
    """The same database past the pooler, for a test that looks at sessions."""
    return os.environ[DIRECT]
