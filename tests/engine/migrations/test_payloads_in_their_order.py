"""Revision 0009 on a database at work: open waits get their keys in the form in which they are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.engine.migrations.conftest import connect

RUN = "00000000-0000-7000-8000-000000000001"
SEED = f"""
    INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine)
        VALUES ('{RUN}', 'w', 1, 'WAITING', 'temporal');
    INSERT INTO workflow_run_waits (run_id, step_path, visit, wait_type, key, event_name, status) VALUES
        ('{RUN}', 'a', 1, 'event', ' A-1', 'PAID', 'WAITING'),
        ('{RUN}', 'b', 1, 'event', 'Cafe\u0301', 'PAID', 'WAITING'),
        ('{RUN}', 'c', 1, 'event', NULL, 'PAID', 'WAITING'),
        ('{RUN}', 'd', 1, 'event', ' old ', 'PAID', 'RESOLVED'),
        ('{RUN}', 'e', 1, 'human', ' task ', NULL, 'WAITING');
"""


def test_open_waits_get_normal_keys(empty_database_url: str, upgrade_to: Callable[..., None]) -> None:
    upgrade_to(empty_database_url, "0005")
    with connect(empty_database_url) as connection:
        connection.execute(SEED)
    for _ in range(2):
        upgrade_to(empty_database_url, "0009")
        with connect(empty_database_url) as connection:
            found: list[Any] = connection.execute("SELECT key FROM workflow_run_waits ORDER BY step_path").fetchall()
            connection.execute("UPDATE alembic_version SET version_num = '0005'")
        assert [key for (key,) in found] == ["A-1", "Caf\u00e9", None, " old ", " task "]
