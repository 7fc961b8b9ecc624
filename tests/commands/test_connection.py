"""Which servers a command talks to, and what finding them takes."""

from __future__ import annotations

import sys

import pytest

from runstudio_tui.commands.connection import settings_in_use


def test_who_names_both_servers_does_not_wait_for_the_development_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@db.example/orders")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
    monkeypatch.setitem(sys.modules, "engine.devstack.stack", None)  # importing it would fail
    settings = settings_in_use()
    assert (settings.database_url, settings.temporal_address) == (
        "postgresql+psycopg://nobody@db.example/orders",
        "temporal.example:7233",
    )
