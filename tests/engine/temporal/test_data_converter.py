"""What converting the values of a run costs beside converting them."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.converter import WorkflowSerializationContext

from engine.contract import workflow_id_for
from engine.ids import new_id
from engine.settings import Settings
from engine.store.database.engine import create_store_engine
from engine.temporal.data_converter import data_converter


def test_the_settings_are_read_once_for_all_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    load, loaded = Settings.load, 0

    def counted(**given: Any) -> Settings:
        nonlocal loaded
        loaded += 1
        return load(**given)

    monkeypatch.setattr(Settings, "load", counted)
    converter = data_converter(create_store_engine("postgresql://nobody@nowhere/none"))
    runs = [WorkflowSerializationContext("default", workflow_id_for(new_id())) for _ in range(5)]
    of_runs = [converter.with_context(run) for run in runs]
    assert loaded == 1
    assert len({id(of_run.payload_codec) for of_run in of_runs}) == 5
