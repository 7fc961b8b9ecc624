"""store.* on a real Postgres, each action in a transaction of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.actions.context import ActionContext
from engine.actions.invoke import invoke
from engine.actions.registry import ActionRegistry
from engine.errors import StepFailure, Unavailable
from engine.store.data import data_store
from engine.store.database.engine import create_store_engine

Perform = Callable[..., Awaitable[Any]]
REFUSALS = {"ACTION_INPUT_INVALID", "VALIDATION_ERROR", "JSON_NUMBER_NOT_FINITE"}
AT = {"namespace": "stock", "key": "SKU-1"}


async def expire(database: AsyncEngine, key: str = "SKU-1") -> None:
    """Makes a row's time be over, as waiting would."""
    async with database.begin() as connection:
        await connection.execute(
            text("UPDATE workflow_data_store SET expires_at = now() - interval '1 second' WHERE key = :key"),
            {"key": key},
        )


async def test_a_value_comes_back_as_it_was_set(perform: Perform) -> None:
    value = {"n": 1.5, "list": [None, True, "ü"], "nested": {"a": {}}}
    assert await perform("store.get", AT) == {
        "found": False, "value": None, "value_type": None, "revision": None, "expires_at": None,
    }  # fmt: skip
    assert await perform("store.set", AT | {"value": value}) == {"revision": 1, "created": True}
    assert await perform("store.set", AT | {"value": value, "value_type": "json"}) == {"revision": 2, "created": False}
    assert await perform("store.get", AT) == {
        "found": True, "value": value, "value_type": "json", "revision": 2, "expires_at": None,
    }  # fmt: skip
    assert await perform("store.delete", AT) == {"deleted": True}
    assert await perform("store.delete", AT) == {"deleted": False}


async def test_null_is_a_value(perform: Perform) -> None:
    await perform("store.set", AT | {"value": None})
    assert (await perform("store.get", AT))["found"] is True


async def test_names_are_trimmed(perform: Perform) -> None:
    await perform("store.set", {"namespace": " stock ", "key": "SKU-1\n", "value": 1})
    assert (await perform("store.get", AT))["value"] == 1


async def test_a_time_to_live_is_given_as_text_and_ended_by_the_next_write(perform: Perform) -> None:
    """The earlier system returned a date object here, and failed its own output check."""
    await perform("store.set", AT | {"value": 1, "ttl_seconds": 3600})
    expires_at = (await perform("store.get", AT))["expires_at"]
    left = datetime.fromisoformat(expires_at) - datetime.now(UTC)
    assert expires_at.endswith("Z")
    assert timedelta(minutes=59) < left <= timedelta(hours=1, seconds=5)
    await perform("store.increment", AT)
    assert (await perform("store.get", AT))["expires_at"] == expires_at
    await perform("store.set", AT | {"value": 2})
    assert (await perform("store.get", AT))["expires_at"] is None


async def test_an_expired_row_is_absent_for_everyone(perform: Perform, database: AsyncEngine) -> None:
    async def expired(value: Any = 5) -> None:
        await perform("store.set", AT | {"value": value, "ttl_seconds": 60})
        await expire(database)

    await expired()
    assert (await perform("store.get", AT))["found"] is False
    assert (await perform("store.list", {"namespace": "stock"}))["items"] == []
    assert await perform("store.list_namespaces", {}) == {"namespaces": []}
    assert await perform("store.delete", AT) == {"deleted": False}
    await expired()
    assert await perform("store.set", AT | {"value": 1, "if_revision": 0}) == {"revision": 1, "created": True}
    await expired()
    assert await perform("store.set", AT | {"value": 1}) == {"revision": 1, "created": True}
    await expired("text")
    assert await perform("store.increment", AT | {"by": 2, "initial": 10}) == {"value": 12, "revision": 1}
    await expired()
    with pytest.raises(StepFailure, match="it is not there"):
        await perform("store.set", AT | {"value": 1, "if_revision": 1})


@pytest.mark.parametrize(
    ("present", "expected", "said"),
    [
        (2, 0, "expected to be new, but it is at revision 2"),
        (2, 1, "expected to be at revision 1, but it is at revision 2"),
        (0, 3, "expected to be at revision 3, but it is not there"),
    ],
)
async def test_a_write_that_expects_another_revision_conflicts(
    perform: Perform, present: int, expected: int, said: str
) -> None:
    for value in range(present):
        await perform("store.set", AT | {"value": value})
    with pytest.raises(StepFailure, match=said) as failed:
        await perform("store.set", AT | {"value": "new", "if_revision": expected})
    assert (failed.value.category, failed.value.code) == ("ActionError", "CONFLICT")
    assert failed.value.details == {"expectedRevision": expected, "revision": present or None}


async def test_the_expected_revision_is_replaced(perform: Perform) -> None:
    assert await perform("store.set", AT | {"value": 1, "if_revision": 0}) == {"revision": 1, "created": True}
    assert await perform("store.set", AT | {"value": 2, "if_revision": 1}) == {"revision": 2, "created": False}


async def test_of_many_that_create_one_does(perform: Perform) -> None:
    attempts = [perform("store.set", AT | {"value": n, "if_revision": 0}) for n in range(12)]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert all(isinstance(result, dict) or result.code == "CONFLICT" for result in results)


async def test_increments_add_up(perform: Perform) -> None:
    assert await perform("store.increment", AT) == {"value": 1, "revision": 1}
    assert await perform("store.increment", AT | {"by": -3}) == {"value": -2, "revision": 2}
    other = AT | {"key": "SKU-2"}
    assert await perform("store.increment", other | {"by": 0.1, "initial": 0.2}) == {"value": 0.3, "revision": 1}
    await asyncio.gather(*(perform("store.increment", AT | {"by": 2}) for _ in range(20)))
    assert await perform("store.get", AT) == {
        "found": True, "value": 38, "value_type": "number", "revision": 22, "expires_at": None,
    }  # fmt: skip


@pytest.mark.parametrize("value", ["7", None, True, [1]])
async def test_only_a_number_is_incremented(perform: Perform, value: Any) -> None:
    await perform("store.set", AT | {"value": value})
    with pytest.raises(StepFailure, match="does not hold a number") as failed:
        await perform("store.increment", AT)
    assert (failed.value.category, failed.value.code) == ("ValidationError", "VALIDATION_ERROR")
    assert (await perform("store.get", AT))["value"] == value


async def test_pages_go_on_where_the_last_one_ended(perform: Perform) -> None:
    for number in range(7):
        await perform("store.set", {"namespace": "n", "key": f"a_{number}", "value": number})
    await perform("store.set", {"namespace": "n", "key": "aX", "value": "other"})
    await perform("store.set", {"namespace": "elsewhere", "key": "a_9", "value": "other"})
    listed: list[int] = []
    cursor: str | None = None
    pages = 0
    while cursor is not None or not pages:
        page = await perform("store.list", {"namespace": "n", "prefix": "a_", "limit": 3, "cursor": cursor})
        listed += [item["value"] for item in page["items"]]
        cursor = page["next_cursor"]
        pages += 1
        # A row deleted between two pages makes nobody else be passed over.
        if pages == 1:
            await perform("store.delete", {"namespace": "n", "key": "a_0"})
    assert listed == list(range(7))
    assert pages == 3
    assert await perform("store.list_namespaces", {}) == {
        "namespaces": [{"namespace": "elsewhere", "key_count": 1}, {"namespace": "n", "key_count": 7}]
    }


@pytest.mark.parametrize("cursor", ["", "x", "WzFd", "!!", "W" * 5000])
async def test_a_cursor_of_somebody_else_is_refused(perform: Perform, cursor: str) -> None:
    with pytest.raises(StepFailure, match="next_cursor"):
        await perform("store.list", {"namespace": "n", "cursor": cursor})


@pytest.mark.parametrize(
    ("action", "changes"),
    [
        ("store.set", {"value": "x" * 262_144}),
        ("store.set", {"value": "ü" * 131_072}),
        ("store.set", {"value": float("nan")}),
        ("store.set", {"value": "x", "value_type": "number"}),
        ("store.set", {"value": True, "value_type": "number"}),
        ("store.set", {"value": 1, "ttl_seconds": 0}),
        ("store.set", {"value": 1, "ttl_seconds": 31_536_001}),
        ("store.set", {"value": 1, "if_revision": -1}),
        ("store.set", {}),
        ("store.get", {"key": " "}),
        ("store.get", {"key": "k" * 257}),
        ("store.get", {"key": "a\0b"}),
        ("store.get", {"key": "a\ud800"}),
        ("store.get", {"namespace": 5}),
        ("store.increment", {"by": "1"}),
        ("store.increment", {"by": float("inf")}),
    ],
)  # fmt: skip
async def test_what_cannot_be_stored_is_refused(perform: Perform, action: str, changes: dict[str, Any]) -> None:
    with pytest.raises(StepFailure) as failed:
        await perform(action, AT | changes)
    assert failed.value.code in REFUSALS


async def test_the_largest_value_is_stored(perform: Perform) -> None:
    await perform("store.set", AT | {"value": "x" * (262_144 - 2)})


async def test_tenants_do_not_see_each_other(perform: Perform, other_tenant: str) -> None:
    await perform("store.set", AT | {"value": "mine"})
    await perform("store.set", AT | {"value": "theirs"}, tenant=other_tenant)
    assert (await perform("store.get", AT))["value"] == "mine"
    assert (await perform("store.list", {"namespace": "stock"}, tenant=other_tenant))["items"][0]["value"] == "theirs"
    assert await perform("store.delete", AT, tenant=other_tenant) == {"deleted": True}
    assert (await perform("store.get", AT))["found"] is True


async def test_the_row_remembers_the_run_that_made_it(perform: Perform, database: AsyncEngine) -> None:
    first, second = "00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"
    await perform("store.set", AT | {"value": 1, "ttl_seconds": 60}, run_id=first)
    await perform("store.set", AT | {"value": 1, "ttl_seconds": 60}, run_id=second)
    query = text("SELECT created_by_run_id::text FROM workflow_data_store")
    async with database.connect() as connection:
        assert (await connection.execute(query)).scalar_one() == first
    await expire(database)
    await perform("store.increment", AT, run_id=second)
    async with database.connect() as connection:
        assert (await connection.execute(query)).scalar_one() == second


async def test_what_is_not_committed_did_not_happen(
    registry: ActionRegistry, database: AsyncEngine, make_context: Callable[..., ActionContext], perform: Perform
) -> None:
    async with database.connect() as connection:
        await invoke(registry.get("store.set", 1), AT | {"value": 1}, make_context(connection=connection))
        await connection.rollback()
    assert (await perform("store.get", AT))["found"] is False


async def test_the_sweep_removes_expired_rows_oldest_first_and_passes_over_held_ones(
    perform: Perform, database: AsyncEngine
) -> None:
    for key in ("one", "two", "three", "live"):
        await perform("store.set", {"namespace": "n", "key": key, "value": 1, "ttl_seconds": 60})
    for key in ("one", "two", "three"):
        await expire(database, key)
    async with database.begin() as holder:
        await holder.execute(text("SELECT 1 FROM workflow_data_store WHERE key = 'two' FOR UPDATE"))
        async with database.begin() as sweeper:
            assert await data_store.delete_expired(sweeper, limit=1) == 1
        async with database.begin() as sweeper:
            assert await data_store.delete_expired(sweeper) == 1
    async with database.begin() as sweeper:
        assert await data_store.delete_expired(sweeper) == 1
        assert await data_store.delete_expired(sweeper) == 0
    async with database.connect() as connection:
        keys = await connection.execute(text("SELECT key FROM workflow_data_store"))
        assert keys.scalars().all() == ["live"]


async def test_a_database_that_is_gone_is_no_failure_of_the_step(
    registry: ActionRegistry, database_url: str, make_context: Callable[..., ActionContext]
) -> None:
    engine = create_store_engine(database_url)
    async with engine.connect() as connection, engine.connect() as killer:
        backend = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        await killer.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
        with pytest.raises(Unavailable):
            await invoke(registry.get("store.get", 1), AT, make_context(connection=connection))
    await engine.dispose()


async def test_transactions_in_each_others_way_are_no_failure_of_the_step(
    registry: ActionRegistry, database: AsyncEngine, make_context: Callable[..., ActionContext], perform: Perform
) -> None:
    await perform("store.set", AT | {"value": 1})
    async with database.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        await connection.execute(text("SELECT 1 FROM workflow_data_store"))
        await perform("store.increment", AT)
        with pytest.raises(Unavailable) as refused:
            await invoke(registry.get("store.increment", 1), AT, make_context(connection=connection))
        assert refused.value.code == "POSTGRES_LOCKED"
        await connection.rollback()
