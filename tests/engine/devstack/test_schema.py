"""The stack brings its own database to the release's schema, and never touches one that DATABASE_URL names."""

from __future__ import annotations

import pytest

from engine.devstack.schema import prepare_schema
from engine.store.database.schema_version import SchemaOutdated, current_revision, head_revision
from tests.engine.devstack.processes_seen import silent


def test_its_own_database_is_brought_up_to_date_once(empty_database_url: str) -> None:
    heard: list[str] = []
    prepare_schema(empty_database_url, owned=True, progress=heard.append)
    assert current_revision(empty_database_url) == head_revision()
    assert heard == ["preparing the database"]
    prepare_schema(empty_database_url, owned=True, progress=heard.append)
    assert heard == ["preparing the database"]


def test_another_database_is_only_looked_at(empty_database_url: str, database_url: str) -> None:
    with pytest.raises(SchemaOutdated) as refusal:
        prepare_schema(empty_database_url, owned=False, progress=silent)
    assert refusal.value.code == "SCHEMA_OLD"
    assert "runstudio migrate" in refusal.value.hint
    assert current_revision(empty_database_url) is None
    prepare_schema(database_url, owned=False, progress=silent)
