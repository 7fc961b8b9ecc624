"""Lists of runs: every filter against a plain reading of all rows, and pages in every order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Invalid, Unavailable
from engine.ids import new_id
from engine.records import RunFilter, RunOrder, RunStatus
from engine.settings import DEFAULT_TENANT
from engine.store.database.engine import create_store_engine
from engine.store.runs import listing
from engine.store.runs.listing import COUNT_CAP, count_runs, matching_runs, runs_by_id, runs_page
from engine.store.tables import RUN_STATUSES
from tests.engine.store.conftest import OTHER_TENANT, TENANT

Row = dict[str, Any]

PARENT = "00000000-0000-7000-8000-0000000000aa"
ROOT = "00000000-0000-7000-8000-0000000000bb"
ORIGINAL = "00000000-0000-7000-8000-0000000000cc"
NOW = datetime.now(UTC)


@pytest.fixture(scope="session")
def all_rows(history_url: str) -> list[Row]:
    """Every run of the default tenant, as plain dictionaries."""
    query = (
        "SELECT r.*, r.run_id::text AS run_id, d.name FROM workflow_runs r JOIN workflow_definitions d"
        " ON d.tenant = r.tenant AND d.workflow_id = r.workflow_id WHERE r.tenant = %s"
    )
    with psycopg.connect(history_url.replace("postgresql+psycopg", "postgresql")) as connection:
        connection.execute("SET timezone = 'UTC'")
        cursor = connection.execute(query, [TENANT])
        names = [column.name for column in cursor.description or ()]
        return [
            {
                name: str(value) if name.endswith("run_id") and value else value
                for name, value in zip(names, row, strict=True)
            }
            for row in cursor
        ]


FILTERS: dict[str, tuple[dict[str, Any], Callable[[Row], bool]]] = {
    "everything": ({}, lambda row: True),
    "one status": ({"statuses": frozenset({"FAILED"})}, lambda row: row["status"] == "FAILED"),
    "two statuses": (
        {"statuses": frozenset({"RUNNING", "WAITING"})},
        lambda row: row["status"] in {"RUNNING", "WAITING"},
    ),
    "a workflow": ({"workflow": "wf-7"}, lambda row: row["workflow_id"] == "wf-7"),
    "a workflow by the beginning of its name": ({"workflow": "BILL"}, lambda row: row["name"].startswith("Billing")),
    "a retired workflow": ({"workflow": "wf-19"}, lambda row: row["workflow_id"] == "wf-19"),
    "an unknown workflow": ({"workflow": "nothing like it"}, lambda row: False),
    "a part of the name": ({"text": "LLING 1"}, lambda row: row["name"] == "Billing 1"),
    "a part of the name with wildcards": ({"text": "100%_"}, lambda row: "100%_" in row["name"]),
    "wildcards that match nothing": ({"text": "Bill%"}, lambda row: False),
    "name and workflow": ({"text": "stock", "workflow": "wf-1"}, lambda row: row["name"].startswith("Stock 100%_1")),
    "status and workflow": (
        {"workflow": "wf-3", "statuses": frozenset({"FAILED", "CANCELED"})},
        lambda row: row["workflow_id"] == "wf-3" and row["status"] in {"FAILED", "CANCELED"},
    ),
    "a version": ({"version": 2}, lambda row: row["workflow_version"] == 2),
    "a version of a workflow": (
        {"workflow": "wf-3", "version": 2},
        lambda row: (row["workflow_id"], row["workflow_version"]) == ("wf-3", 2),
    ),
    "started by an event": ({"trigger": "event"}, lambda row: row["trigger_type"] == "event"),
    "started by hand": (
        {"trigger": "manual"},
        lambda row: row["trigger_type"] is None and row["parent_run_id"] is None,
    ),
    "children": ({"trigger": "child"}, lambda row: row["parent_run_id"] is not None),
    "a time": (
        {"started_from": NOW - timedelta(days=40), "started_before": NOW - timedelta(days=39)},
        lambda row: NOW - timedelta(days=40) <= row["started_at"] < NOW - timedelta(days=39),
    ),
    "waiting for one thing": ({"waiting_on": frozenset({"human"})}, lambda row: row["waiting_on"] == "human"),
    "waiting for several things": (
        {"waiting_on": frozenset({"human", "retry", "event"})},
        lambda row: row["waiting_on"] in {"human", "retry", "event"},
    ),
    "tried again": ({"min_attempt": 3}, lambda row: row["attempt"] >= 3),
    "tried once": ({"min_attempt": 1, "workflow": "wf-5"}, lambda row: row["workflow_id"] == "wf-5"),
    "an error": ({"error_code": "OLD_CODE"}, lambda row: row["last_error_code"] == "OLD_CODE"),
    "an error of a workflow": (
        {"error_code": "CODE_1", "workflow": "wf-2"},
        lambda row: (row["last_error_code"], row["workflow_id"]) == ("CODE_1", "wf-2"),
    ),
    "an error that never was": ({"error_code": "NEVER"}, lambda row: False),
    "replays": ({"replay_of": ORIGINAL}, lambda row: row["replay_of_run_id"] == ORIGINAL),
    "children of one": ({"parent": PARENT}, lambda row: row["parent_run_id"] == PARENT),
    "of one root, failed": (
        {"root": ROOT, "statuses": frozenset({"FAILED"})},
        lambda row: row["root_run_id"] == ROOT and row["status"] == "FAILED",
    ),
    "not yet launched": ({"launch": "pending"}, lambda row: row["launch_state"] == "pending"),
    "refused at launch": ({"launch": "failed"}, lambda row: row["launch_state"] == "failed"),
    "a wait key": (
        {"wait_key": "ORD-2"},
        lambda row: row["status"] == "WAITING" and int(row["started_at"].timestamp()) // 540 % 97 == 2,
    ),
    "a wait key as somebody types it": (
        {"wait_key": " ORD-2\u3000"},
        lambda row: row["status"] == "WAITING" and int(row["started_at"].timestamp()) // 540 % 97 == 2,
    ),
    "a wait key nobody has": ({"wait_key": "ORD-%"}, lambda row: False),
    "stuck": ({"stuck": True}, lambda row: row["status"] == "RUNNING" and row["step_count"] == 0),
    "stuck and failed": ({"stuck": True, "statuses": frozenset({"FAILED"})}, lambda row: False),
}  # fmt: skip


def expected(rows: list[Row], matches: Callable[[Row], bool], order: RunOrder) -> list[str]:
    column = "started_at" if order.by_start else "updated_at"
    found = sorted((row for row in rows if matches(row)), key=lambda row: (row[column], row["run_id"]))
    ids = [row["run_id"] for row in found]
    return ids if order.value.endswith("asc") else ids[::-1]


async def test_without_conditions_the_first_page_is_the_newest(history: AsyncEngine, all_rows: list[Row]) -> None:
    page = await runs_page(history, DEFAULT_TENANT, RunFilter(), limit=50)
    assert [row.run_id for row in page.rows] == expected(all_rows, lambda row: True, RunOrder.STARTED_DESC)[:50]
    assert abs(page.server_now - datetime.now(UTC)) < timedelta(seconds=30)


ORDERED = [
    (name, order)
    for number, name in enumerate(FILTERS)
    # All four orders for the first few; then the two ends, which differ in everything an order is made of.
    for order in (RunOrder if number < 4 else (RunOrder.STARTED_DESC, RunOrder.UPDATED_ASC))
]


@pytest.mark.parametrize(("name", "order"), ORDERED)
async def test_every_filter_in_every_order_is_paged(
    history: AsyncEngine, all_rows: list[Row], name: str, order: RunOrder
) -> None:
    conditions, matches = FILTERS[name]
    wanted = RunFilter(**conditions, order=order)
    ids = expected(all_rows, matches, order)

    first = await runs_page(history, DEFAULT_TENANT, wanted, limit=40)
    assert [row.run_id for row in first.rows] == ids[:40]
    assert (first.next is None) is (len(ids) <= 40)
    if first.next is None:
        return
    second = await runs_page(history, DEFAULT_TENANT, wanted, cursor=first.next, limit=40)
    assert [row.run_id for row in second.rows] == ids[40:80]
    assert (second.next is None) is (len(ids) <= 80)


async def test_paging_through_meets_every_run_once(history: AsyncEngine, all_rows: list[Row]) -> None:
    wanted = RunFilter(statuses=frozenset({RunStatus.FAILED, RunStatus.CANCELED}))
    seen: list[str] = []
    cursor = None
    while True:
        page = await runs_page(history, DEFAULT_TENANT, wanted, cursor=cursor, limit=500)
        seen += [row.run_id for row in page.rows]
        cursor = page.next
        if cursor is None:
            break
    assert seen == expected(all_rows, lambda row: row["status"] in {"FAILED", "CANCELED"}, wanted.order)


async def test_any_beginning_of_a_run_id_finds_it(history: AsyncEngine, all_rows: list[Row]) -> None:
    chosen = random.Random(7).choice(all_rows)["run_id"]
    for length in (4, 6, 8, 13, 24, 36):
        prefix = chosen[:length].upper()
        page = await runs_page(history, DEFAULT_TENANT, RunFilter(run_id_prefix=prefix), limit=500)
        ids = expected(
            all_rows, lambda row, start=chosen[:length]: row["run_id"].startswith(start), RunOrder.STARTED_DESC
        )
        assert [row.run_id for row in page.rows] == ids[:500]
        assert length < 8 or chosen in ids


async def test_a_tenant_sees_its_own_runs_only(history: AsyncEngine, all_rows: list[Row]) -> None:
    page = await runs_page(history, OTHER_TENANT, RunFilter(), limit=500)
    own = {row["run_id"] for row in all_rows}
    assert len(page.rows) == 500
    assert not own & {row.run_id for row in page.rows}
    assert (await runs_by_id(history, OTHER_TENANT, sorted(own)[:3])) == ()


@pytest.mark.parametrize("name", [name for name in FILTERS if "stuck" not in name])
async def test_counts_by_status_leave_out_the_filters_own_statuses(
    history: AsyncEngine, all_rows: list[Row], name: str
) -> None:
    conditions, _ = FILTERS[name]
    statuses = conditions.get("statuses", frozenset())
    others = {key: value for key, value in conditions.items() if key != "statuses"}
    counts = await count_runs(history, DEFAULT_TENANT, RunFilter(**conditions))

    everything = next(
        (matches for given, matches in FILTERS.values() if given == others),
        lambda row: row["root_run_id"] == ROOT if "root" in others else row["workflow_id"] == others.get("workflow"),
    )
    rows = [row for row in all_rows if everything(row)]
    assert statuses or rows or name in {"an unknown workflow", "wildcards that match nothing", "an error that never was",
                                        "a wait key nobody has"}  # fmt: skip
    for status in RUN_STATUSES:
        number = sum(row["status"] == status for row in rows)
        count = counts.by_status[status]
        if count.capped:
            assert count.value <= min(number, COUNT_CAP)
            assert len(rows) > COUNT_CAP
        else:
            assert count.value == number
    assert counts.stuck.value == sum(row["status"] == "RUNNING" and row["step_count"] == 0 for row in rows)


async def test_counts_stop_at_the_cap(history: AsyncEngine) -> None:
    counts = await count_runs(history, DEFAULT_TENANT, RunFilter())
    assert (counts.by_status["SUCCEEDED"].value, counts.by_status["SUCCEEDED"].capped) == (COUNT_CAP, True)
    assert not counts.by_status["FAILED"].capped


async def test_rows_already_shown_are_read_again_with_and_without_the_filter(
    history: AsyncEngine, all_rows: list[Row]
) -> None:
    chosen = [row["run_id"] for row in all_rows[:300]]
    failed = {row["run_id"] for row in all_rows[:300] if row["status"] == "FAILED"}
    wanted = RunFilter(statuses=frozenset({RunStatus.FAILED}))
    assert {row.run_id for row in (await matching_runs(history, DEFAULT_TENANT, wanted, [*chosen, new_id()]))} == failed
    assert {row.run_id for row in (await runs_by_id(history, TENANT, [*chosen, new_id()]))} == set(chosen)
    assert (await runs_by_id(history, TENANT, [])) == ()


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        ({"statuses": frozenset({"failed"})}, "FILTER_INVALID"),
        ({"waiting_on": frozenset({"godot"})}, "FILTER_INVALID"),
        ({"launch": "started"}, "FILTER_INVALID"),
        ({"trigger": "'; DROP TABLE workflow_runs; --"}, "FILTER_INVALID"),
        ({"started_from": datetime(2026, 1, 1)}, "FILTER_INVALID"),  # noqa: DTZ001 # without zone on purpose
        ({"version": -1}, "FILTER_INVALID"),
        ({"min_attempt": 2**31}, "FILTER_INVALID"),
        ({"workflow": "a\0b"}, "FILTER_INVALID"),
        ({"wait_key": "\ud800"}, "FILTER_INVALID"),
        ({"run_id_prefix": "0198%"}, "FILTER_INVALID"),
        ({"run_id_prefix": "0" * 37}, "FILTER_INVALID"),
        ({"parent": "nobody"}, "ID_INVALID"),
    ],
    ids=str,
)
def test_a_condition_that_cannot_be_is_refused(conditions: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        RunFilter(**conditions)
    assert refused.value.code == code


HOSTILE = [
    "'; DROP TABLE workflow_runs; --",
    "%' OR 1=1 --",
    "\\",
    "%s",
    "%(tenant)s",
    "$1",
    ":x",
    "\x1b[2J",
    "💣",
    "a" * 5000,
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_in_a_filter_is_text(history: AsyncEngine, text: str) -> None:
    for name in ("workflow", "text", "error_code", "wait_key", "event_id"):
        assert (await runs_page(history, DEFAULT_TENANT, RunFilter(**{name: text}), limit=1)).rows == ()
        assert (await count_runs(history, DEFAULT_TENANT, RunFilter(**{name: text}))).stuck.value == 0


async def test_cursors_belong_to_their_query(history: AsyncEngine) -> None:
    page = await runs_page(history, DEFAULT_TENANT, RunFilter(), limit=1)
    assert page.next is not None
    for cursor, tenant, wanted in [
        (page.next, DEFAULT_TENANT, RunFilter(statuses=frozenset({RunStatus.FAILED}))),
        (page.next, OTHER_TENANT, RunFilter()),
        (page.next[:-4], DEFAULT_TENANT, RunFilter()),
        ("", DEFAULT_TENANT, RunFilter()),
        ("not a cursor \ud800", DEFAULT_TENANT, RunFilter()),
        ("W10", DEFAULT_TENANT, RunFilter()),
        ("x" * 10_000, DEFAULT_TENANT, RunFilter()),
    ]:
        with pytest.raises(Invalid, match="CURSOR_INVALID"):
            await runs_page(history, tenant, wanted, cursor=cursor, limit=1)


@pytest.mark.parametrize("limit", [0, -1, 501])
async def test_a_page_has_a_size(history: AsyncEngine, limit: int) -> None:
    with pytest.raises(Invalid, match="LIMIT_INVALID"):
        await runs_page(history, DEFAULT_TENANT, RunFilter(), limit=limit)


async def test_an_unreachable_database_is_said_to_be_one(tmp_path: Any) -> None:
    engine = create_store_engine(f"postgresql://postgres@/x?host={tmp_path}")
    with pytest.raises(Unavailable, match="POSTGRES_UNREACHABLE"):
        await runs_page(engine, DEFAULT_TENANT, RunFilter())
    await engine.dispose()


@pytest.fixture
def few_can_be_named(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of more than two workflows the name is a condition on each run."""
    listing._page_question.cache_clear()
    monkeypatch.setattr(listing, "MAX_WORKFLOWS", 2)
    yield
    listing._page_question.cache_clear()


@pytest.mark.usefixtures("few_can_be_named")
@pytest.mark.parametrize(
    "name", ["a workflow", "a part of the name with wildcards", "name and workflow", "a retired workflow"]
)
@pytest.mark.parametrize("order", RunOrder)
async def test_many_workflows_of_a_name_are_a_condition(
    history: AsyncEngine, all_rows: list[Row], name: str, order: RunOrder
) -> None:
    conditions, matches = FILTERS[name]
    wanted = RunFilter(**conditions, order=order)
    first = await runs_page(history, TENANT, wanted, limit=40)
    second = await runs_page(history, TENANT, wanted, limit=40, cursor=first.next)
    assert [row.run_id for row in (*first.rows, *second.rows)] == expected(all_rows, matches, order)[:80]


@pytest.mark.parametrize("order", [RunOrder.STARTED_DESC, RunOrder.UPDATED_DESC])
async def test_lists_of_different_times_are_one_question(
    history: AsyncEngine, all_rows: list[Row], order: RunOrder
) -> None:
    listing._page_question.cache_clear()
    for days in (40, 80, 120):
        begin, end = NOW - timedelta(days=days), NOW - timedelta(days=days - 1)
        page = await runs_page(
            history, TENANT, RunFilter(started_from=begin, started_before=end, order=order), limit=300
        )
        found = expected(all_rows, lambda row, begin=begin, end=end: begin <= row["started_at"] < end, order)
        assert found
        assert [row.run_id for row in page.rows] == found
    assert listing._page_question.cache_info().currsize == 1
