"""Work that one process does at a time, by leases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from engine.errors import Conflict
from engine.operations.duties import last_done
from engine.store.database import leases
from engine.store.database.leases import leased, only_one, take_turn
from engine.store.database.transactions import Store, writing
from engine.store.tenant.duties import RECONCILER, ROUTING, DutyRecord, load_duties

NAME = RECONCILER.name


async def row(store: Store, name: str = NAME) -> dict[str, Any]:
    async with store.connect() as connection:
        found = await connection.execute(text("SELECT * FROM workflow_leases WHERE name = :name"), {"name": name})
        return dict(found.mappings().one())


async def change(store: Store, assignments: str) -> None:
    async with store.begin() as connection:
        await connection.execute(text(f"UPDATE workflow_leases SET {assignments}"))


async def test_one_at_a_time_and_each_work_on_its_own(engine: Store) -> None:
    async with leased(engine, NAME, "one") as first, leased(engine, NAME, "two") as second:
        assert first is not None
        assert first.held
        assert second is None
        async with leased(engine, "quota scan", "two") as elsewhere:
            assert elsewhere is not None
        async with engine.connect() as connection:
            assert not (await connection.exec_driver_sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'")).all()
    async with leased(engine, NAME, "two") as later:
        assert later is not None
        [record] = [duty for duty in await duties(engine) if duty.name == NAME]
        assert (record.holder, record.done_by, record.overdue) == ("two", "one", False)


async def duties(store: Store) -> list[DutyRecord]:
    async with writing(store) as connection:
        return await load_duties(connection)


async def test_the_lease_of_a_process_that_died_is_free_after_its_expiry_and_the_dead_do_not_come_back(
    engine: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 3600.0)
    async with leased(engine, NAME, "stopped") as lost:
        assert lost is not None
        await change(engine, "expires_at = now()")
        async with leased(engine, NAME, "next") as ours:
            assert ours is not None
            await lost.renew(engine)
            assert not lost.held
    found = await row(engine)
    assert (found["holder"], found["done_by"]) == ("next", "next"), "who was too slow puts nothing on record"


async def test_it_is_renewed_while_the_work_lasts(engine: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.01)
    async with leased(engine, NAME, "one") as lease:
        assert lease is not None
        await change(engine, "expires_at = now() + interval '1 millisecond'")
        async with engine.connect() as connection:
            renewed = text("SELECT expires_at > clock_timestamp() + interval '10 seconds' FROM workflow_leases")
            while not await connection.scalar(renewed):
                await connection.rollback()


async def test_what_failed_is_not_done_and_says_why(engine: Store) -> None:
    async with leased(engine, NAME, "one"):
        pass
    done_at = (await row(engine))["done_at"]
    with pytest.raises(Conflict):
        async with leased(engine, NAME, "two"):
            raise Conflict("X", "Temporal does not answer.")
    found = await row(engine)
    assert (found["done_at"], found["done_by"], found["failure"]) == (done_at, "one", "Temporal does not answer.")
    async with leased(engine, NAME, "two") as again:
        assert again is not None, "it is free at once"
    assert (await row(engine))["failure"] is None


async def test_who_has_done_it_keeps_it_for_a_while_unless_he_fails(engine: Store) -> None:
    async def takes(holder: str) -> bool:
        async with leased(engine, NAME, holder, kept_seconds=60.0) as lease:
            return lease is not None

    assert await takes("one")
    assert not await takes("two")
    assert await takes("one"), "his next turn"
    await change(engine, "done_at = now() - interval '61 seconds'")
    assert await takes("two"), "he has missed it"
    assert not await takes("one")
    with pytest.raises(Conflict):
        async with leased(engine, NAME, "two", kept_seconds=60.0):
            raise Conflict("X", "Temporal does not answer.")
    assert await takes("one"), "who fails keeps nothing"


async def test_no_duty_waits_for_a_clock_that_was_put_back(engine: Store) -> None:
    """A server whose clock had been a year ahead, or the standby that is behind it: workers that began since then did nothing."""
    ahead = "done_at = now() + interval '365 days 1 min', expires_at = now() + interval '365 days'"
    async with leased(engine, NAME, "before", kept_seconds=60.0):
        pass
    await change(engine, ahead)
    [record] = [duty for duty in await duties(engine) if duty.name == NAME]
    assert record.overdue
    assert last_done(record) == "last done 365 d from now, before the clock of Postgres was put back, by before"
    async with leased(engine, NAME, "after", kept_seconds=60.0) as lease:
        assert lease is not None
        async with leased(engine, NAME, "other", kept_seconds=60.0) as other:
            assert other is None
    assert (await row(engine))["done_by"] == "after"
    await change(engine, ahead)
    async with writing(engine) as connection:
        assert await take_turn(connection, NAME, "router")
    [record] = [duty for duty in await duties(engine) if duty.name == NAME]
    assert (record.done_by, record.overdue) == ("router", False)


async def test_what_is_no_standing_duty_leaves_nothing_behind(engine: Store) -> None:
    async with only_one(engine, "schedule a", "one") as first, only_one(engine, "schedule a", "two") as second:
        assert (first, second) == (True, False)
    async with engine.connect() as connection:
        assert not (await connection.execute(text("SELECT 1 FROM workflow_leases"))).all()


async def test_a_turn_lasts_as_long_as_its_transaction_and_is_on_record(engine: Store) -> None:
    name = ROUTING.name
    async with engine.begin() as first:
        assert await take_turn(first, name, "one")
    async with engine.begin() as one, engine.begin() as two:
        assert await take_turn(one, name, "one")
        limit = await one.scalar(text("SHOW idle_in_transaction_session_timeout"))
        assert limit == "20s", "who stands still in it loses it"
        assert not await take_turn(two, name, "two")
    assert (await row(engine, name))["done_by"] == "one"
    await change(engine, "done_at = now() - interval '1 minute'")
    [record] = await duties(engine)
    assert record.overdue
    async with engine.begin() as connection:
        assert await take_turn(connection, name, "two")
    assert (await row(engine, name))["done_by"] == "two"
