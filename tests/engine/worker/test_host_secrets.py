"""A worker takes secrets from its environment, its directory and the providers of its action modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from engine.values.redaction.placeholder import PLACEHOLDER
from tests.engine.operations.conftest import Query, add_version, until
from tests.engine.worker.hosts import running, settings
from tests.engine.worker.vault_actions import digest, vault_value

ACTIONS = ["tests.engine.worker.vault_actions"]


async def run_to_its_end(context: OperationContext, store: Store, query: Query, **secrets: str) -> dict[str, Any]:
    """A run of one step that is given these secrets by name; its status, error, and its attempt's output."""
    mapping = {source: {"$secret": name} for source, name in secrets.items()}
    config = {"actionId": "test.see_secrets", "version": 1, "inputMapping": {"secrets": mapping}}
    await add_version(store, steps=[{"id": "see", "type": "action.call", "config": config}])
    launched = await launch_published_run(context, LaunchRequest("orders"))

    async def ended() -> bool:
        rows = await query("SELECT status FROM workflow_runs WHERE run_id = :run", run=launched.run_id)
        return rows[0]["status"] in {"SUCCEEDED", "FAILED"}

    await until(ended, seconds=90)
    [row] = await query(
        "SELECT run.status, run.error_json, try.output_json FROM workflow_runs run"
        " JOIN workflow_action_invocations try USING (run_id) WHERE run.run_id = :run",
        run=launched.run_id,
    )
    return row


async def test_a_worker_asks_the_secret_provider_of_its_action_module(
    context: OperationContext,
    store: Store,
    database_url: str,
    temporal_address: str,
    query: Query,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RUNSTUDIO_SECRET_IN_ENVIRONMENT", "from the environment")
    (tmp_path / "IN_DIRECTORY").write_text("from the directory\n")
    async with running(settings(database_url, temporal_address, secrets_dir=tmp_path), ACTIONS):
        row = await run_to_its_end(
            context, store, query, environment="IN_ENVIRONMENT", directory="IN_DIRECTORY", provider="VAULT_KEY"
        )
    assert row["status"] == "SUCCEEDED", row["error_json"]
    assert row["output_json"]["digests"] == {
        "environment": digest("from the environment"),
        "directory": digest("from the directory"),
        "provider": digest(vault_value("VAULT_KEY", DEFAULT_TENANT)),
    }
    assert set(row["output_json"]["values"].values()) == {PLACEHOLDER}


async def test_a_secret_that_cannot_be_read_fails_the_step_once(
    context: OperationContext, store: Store, database_url: str, temporal_address: str, query: Query
) -> None:
    async with running(settings(database_url, temporal_address), ACTIONS):
        row = await run_to_its_end(context, store, query, provider="VAULT_SEALED")
    assert row["status"] == "FAILED"
    assert row["error_json"]["code"] == "SECRET_UNREADABLE"
    assert row["error_json"]["details"]["secret"] == "VAULT_SEALED"
    assert "canary-4711" not in str(row)
