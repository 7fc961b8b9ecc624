"""Tasks as they are read: redacted, along the index."""

from __future__ import annotations

import pytest
from temporalio.client import Client

from engine.errors import Invalid, NotFound
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.tasks.forms import register_form
from engine.operations.tasks.tasks import complete_task
from engine.records import TaskFilter
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from engine.store.tasks.reading import task_detail, tasks_page
from engine.values.redaction.placeholder import PLACEHOLDER
from tests.engine.operations.conftest import Execute, Query, until
from tests.engine.operations.tasks.asked import FORM, start, working
from tests.engine.workflow.steps import ask


async def test_a_page_and_a_detail_hide_secrets(
    context: OperationContext, temporal: Client, query: Query, store: Store
) -> None:
    task = ask("approve", '"Approve?"')
    task["config"]["contextData"] = {"apiKey": {"$expr": '"canary-1"'}, "n": {"$expr": "1"}}
    async with working(store, temporal):
        asked = await start(context, query, task)
        await register_form(context, "approval", FORM | {"additionalProperties": True})
        page = await tasks_page(store, DEFAULT_TENANT, TaskFilter())
        [view] = page.rows
        assert (view.task_id, view.run_id, view.workflow_id) == (asked.task_id, asked.run_id, "orders")
        assert (view.path, view.title, view.status) == ("root.steps[0]", "Approve?", "pending")
        detail = await task_detail(store, context.tenant, asked.task_id)
        assert detail.context is not None
        assert detail.context.value == {"apiKey": PLACEHOLDER, "n": 1}
        assert detail.form["required"] == ["approved"]
        assert (detail.response, detail.undelivered) == (None, False)
        await complete_task(context, asked.task_id, {"approved": True, "token": "canary-2"})
        await asked.ended()
    detail = await task_detail(store, context.tenant, asked.task_id)
    assert detail.response is not None
    assert detail.response.value == {"approved": True, "token": PLACEHOLDER}
    assert (await tasks_page(store, DEFAULT_TENANT, TaskFilter())).rows == ()
    [done] = (await tasks_page(store, DEFAULT_TENANT, TaskFilter(statuses=frozenset({"completed"})))).rows
    assert done.completed_by == "tester"


async def test_pages_follow_each_other(store: Store, execute: Execute) -> None:
    run = new_id()
    await execute(
        "INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine)"
        " VALUES (:run, 'orders', 1, 'WAITING', 'temporal')",
        run=run,
    )
    await execute(
        "INSERT INTO workflow_human_tasks (task_id, run_id, task_type, title, status, created_at)"
        " SELECT gen_random_uuid(), :run, 'approval', 'T' || n,"
        "   (ARRAY['pending', 'claimed', 'completed'])[1 + n % 3], now() - (n / 2) * interval '1 minute'"
        " FROM generate_series(1, 60) AS n",
        run=run,
    )
    pages = [await tasks_page(store, DEFAULT_TENANT, TaskFilter(run_id=run), limit=7)]
    while pages[-1].next is not None:
        pages.append(await tasks_page(store, DEFAULT_TENANT, TaskFilter(run_id=run), cursor=pages[-1].next, limit=7))
    seen = [view for page in pages for view in page.rows]
    assert len(seen) == 40
    assert len({view.task_id for view in seen}) == 40
    keys = [(view.created_at, view.task_id) for view in seen]
    assert keys == sorted(keys, reverse=True)
    assert {view.status for view in seen} == {"pending", "claimed"}
    assert len((await tasks_page(store, DEFAULT_TENANT, TaskFilter(statuses=frozenset()), limit=500)).rows) == 60
    with pytest.raises(Invalid, match="CURSOR_INVALID"):
        await tasks_page(store, DEFAULT_TENANT, TaskFilter(), cursor=pages[0].next)


async def test_a_page_is_read_along_the_index(store: Store, execute: Execute, query: Query) -> None:
    run = new_id()
    await execute(
        "INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine)"
        " VALUES (:run, 'orders', 1, 'WAITING', 'temporal')",
        run=run,
    )
    await execute(
        "INSERT INTO workflow_human_tasks (task_id, run_id, task_type, title, status, created_at)"
        " SELECT gen_random_uuid(), :run, 'approval', 'T', CASE n % 50 WHEN 0 THEN 'pending' WHEN 1 THEN 'claimed'"
        " ELSE 'completed' END,"
        " now() - n * interval '1 second' FROM generate_series(1, 20000) AS n",
        run=run,
    )
    await execute("ANALYZE workflow_human_tasks")
    await tasks_page(store, DEFAULT_TENANT, TaskFilter(), limit=20)
    # Two statuses, and of each at most one row more than a page; planning may read the entries at the index's ends as well.
    assert await rows_read(execute, query) <= 42 + 4


async def rows_read(execute: Execute, query: Query) -> int:
    """Index entries of the list that were read, once Postgres has counted them."""
    found = 0

    async def counted() -> bool:
        nonlocal found
        await execute("SELECT pg_stat_force_next_flush()")
        [row] = await query(
            "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'workflow_human_tasks_list'"
        )
        found = row["idx_tup_read"]
        return found > 0

    await until(counted)
    return found


async def test_what_is_no_task_is_not_found(store: Store, context: OperationContext) -> None:
    for task_id in ("nonsense", new_id()):
        with pytest.raises(NotFound, match="TASK_NOT_FOUND"):
            await task_detail(store, context.tenant, task_id)
    with pytest.raises(Invalid, match="FILTER_INVALID"):
        TaskFilter(statuses=frozenset({"open"}))
