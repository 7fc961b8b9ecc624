"""Revision 0011 on a database at work: events that were set aside before stand among the deliveries that failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.engine.migrations.conftest import connect

SEED = """
    INSERT INTO workflow_runtime_events (event_id, event_name, correlation_key, state, error_message) VALUES
        ('aside', 'PAID', 'A-1', 'routed', 'ROUTING_FAILED: The event cannot be routed (DataError).'),
        ('nobody', 'PAID', 'A-1', 'routed', 'The event has no correlation key.'),
        ('taken', 'PAID', 'A-1', 'routed', NULL);
    INSERT INTO workflow_retention (workflow_id, succeeded_days, set_by) VALUES ('', 30, 'ada');
"""
FOUND = """
    SELECT d.event_id, d.event_name, d.correlation_key, d.target_kind, d.status, d.last_error = e.error_message,
        d.arrival = e.arrival
    FROM workflow_event_deliveries AS d JOIN workflow_runtime_events AS e USING (tenant, event_id)
"""


def test_they_are_listed_once(empty_database_url: str, upgrade_to: Callable[..., None]) -> None:
    upgrade_to(empty_database_url, "0010")
    with connect(empty_database_url) as connection:
        connection.execute(SEED)
    for _ in range(2):
        upgrade_to(empty_database_url, "0011")
        with connect(empty_database_url) as connection:
            found: list[Any] = connection.execute(FOUND).fetchall()
            days: list[Any] = connection.execute(
                "SELECT events_days, dead_events_days FROM workflow_retention"
            ).fetchall()
            connection.execute("UPDATE alembic_version SET version_num = '0010'")
        assert found == [("aside", "PAID", "A-1", "routing", "failed", True, True)]
        assert days == [(None, None)], "a rule that was there keeps events for ever, as before"
