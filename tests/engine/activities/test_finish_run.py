"""The end of a run whose row is gone is nothing that has happened: it is tried until somebody has seen to the row."""

from __future__ import annotations

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from engine.activities.errors import ROW_LOST
from engine.activities.finish_run import FinishRun
from engine.ids import new_id
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from tests.engine.activities.test_run_step import World


@pytest.mark.parametrize("known", [None, 3])
@pytest.mark.parametrize("status", ["SUCCEEDED", "CANCELED"])
async def test_a_run_without_a_row_does_not_end_unseen(store: Store, status: str, known: int | None) -> None:
    activity = FinishRun(World(store).activity()._dependencies).finish_run
    end = {
        "run": new_id(), "tenant": DEFAULT_TENANT, "seq": 3, "steps": 1, "trace": [], "status": status, "error": None,
        "scopes": {"vars": {}}, "keep_scopes": False, "known": known,
    }  # fmt: skip
    with pytest.raises(ApplicationError, match="has no row in this database") as refused:
        await ActivityEnvironment().run(activity, end)
    assert (refused.value.type, refused.value.non_retryable) == (ROW_LOST, False)
