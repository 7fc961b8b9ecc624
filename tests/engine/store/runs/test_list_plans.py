"""Every offered filter is answered by an index in its order: the plans Postgres makes for the statements we really send."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.records import RunFilter, RunOrder
from engine.settings import DEFAULT_TENANT
from engine.store.runs.listing import count_runs, runs_page
from engine.store.tables import RUN_STATUSES
from tests.engine.store.runs.test_listing import ORIGINAL, PARENT, ROOT
from tests.engine.store.wire import statements_sent

Plan = dict[str, Any]
LIMIT = 50
OUTPUTS = "workflow_action_invocations"
LARGE = ("workflow_runs", "workflow_run_waits", "workflow_human_tasks", "workflow_event_deliveries", OUTPUTS)
STUCK = 300
"""Stuck runs in the history."""

IN_ORDER_OF_START: dict[str, tuple[dict[str, Any], str]] = {
    "everything": ({}, "workflow_runs_list_status"),
    "status": ({"statuses": frozenset({"FAILED"})}, "workflow_runs_list_status"),
    "statuses": ({"statuses": frozenset({"FAILED", "SUCCEEDED"})}, "workflow_runs_list_status"),
    "rare status": ({"statuses": frozenset({"CANCELED"})}, "workflow_runs_list_status"),
    "workflow": ({"workflow": "wf-7"}, "workflow_runs_list_workflow"),
    "retired workflow": ({"workflow": "wf-19"}, "workflow_runs_list_workflow"),
    "workflow and status": (
        {"workflow": "wf-7", "statuses": frozenset({"FAILED"})},
        "workflow_runs_list_workflow",
    ),
    "workflows by name": ({"text": "billing"}, "workflow_runs_list_workflow"),
    "version": ({"workflow": "wf-3", "version": 2}, "workflow_runs_list_version"),
    "trigger": ({"trigger": "schedule"}, "workflow_runs_list_trigger"),
    "by hand": ({"trigger": "manual"}, "workflow_runs_list_manual"),
    "children": ({"trigger": "child"}, "workflow_runs_list_child"),
    "waiting": ({"waiting_on": frozenset({"human"})}, "workflow_runs_list_waiting"),
    "waiting for several": ({"waiting_on": frozenset({"human", "event"})}, "workflow_runs_list_waiting"),
    "attempt": ({"min_attempt": 2}, "workflow_runs_list_attempt"),
    "error": ({"error_code": "OLD_CODE"}, "workflow_runs_list_error"),
    "pending launches": ({"launch": "pending"}, "workflow_runs_list_launch"),
    "refused launches": ({"launch": "failed"}, "workflow_runs_list_launch"),
    "stuck": ({"stuck": True}, "workflow_runs_list_stuck"),
    "replays": ({"replay_of": ORIGINAL}, "workflow_runs_list_replay"),
    "parent": ({"parent": PARENT}, "workflow_runs_list_parent"),
    "root": ({"root": ROOT}, "workflow_runs_list_root"),
}
IN_ORDER_OF_CHANGE: dict[str, tuple[dict[str, Any], str]] = {
    "everything": ({}, "workflow_runs_list_status_updated"),
    "status": ({"statuses": frozenset({"CANCELED"})}, "workflow_runs_list_status_updated"),
    "workflow": ({"workflow": "wf-19"}, "workflow_runs_list_workflow_updated"),
    "workflow and status": (
        {"workflow": "wf-7", "statuses": frozenset({"FAILED", "RUNNING"})},
        "workflow_runs_list_workflow_updated",
    ),
}
CASES = [
    *((name, *case, order) for name, case in IN_ORDER_OF_START.items() for order in ("started:desc", "started:asc")),
    *((name, *case, order) for name, case in IN_ORDER_OF_CHANGE.items() for order in ("updated:desc", "updated:asc")),
]


def _nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)


class Explained:
    """Records the statements that read ``workflow_runs``, and asks Postgres how it answers them."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent = statements_sent(monkeypatch, "workflow_runs")
        self.url = url.replace("postgresql+psycopg", "postgresql")

    @property
    def choosing(self) -> list[tuple[str, Any]]:
        """Those that choose the rows; others look up what is hidden in the chosen ones."""
        return [sent for sent in self.sent if OUTPUTS not in sent[0]]

    def plans(self, sent: list[tuple[str, Any]] | None = None) -> list[Plan]:
        """Of those that choose the rows, or of these."""
        with psycopg.connect(self.url, options="-c jit=off") as connection:
            found = [
                connection.execute("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + statement, parameters).fetchone()
                for statement, parameters in (self.choosing if sent is None else sent)
            ]
        return [row[0][0]["Plan"] for row in found if row is not None]

    def kept_plans(self, sent: list[tuple[str, Any]] | None = None) -> list[Plan]:
        """As ``plans``, but for any values, which Postgres keeps for a prepared statement where it does not think them dearer."""
        found = []
        with psycopg.connect(self.url, options="-c jit=off -c plan_cache_mode=force_generic_plan") as connection:
            for statement, parameters in self.choosing if sent is None else sent:
                connection.execute(statement, parameters, prepare=True)
                newest = "SELECT name FROM pg_prepared_statements ORDER BY prepare_time DESC LIMIT 1"
                [name] = connection.execute(newest, prepare=False).fetchone() or [""]
                # The driver numbers them in the order in which they first appear.
                order = dict.fromkeys(re.findall(r"%\((\w+)\)s", statement))
                values = sql.SQL(", ").join(sql.Literal(_plain(parameters[key])) for key in order)
                explain = sql.SQL("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE {} ({})")
                [[[told]]] = connection.execute(explain.format(sql.Identifier(name), values)).fetchall()
                assert "$1" in json.dumps(told), "made for any values"
                found.append(told["Plan"])
        return found


def _plain(value: Any) -> Any:
    """A value whose type the statement says."""
    return "{" + ",".join(value) + "}" if isinstance(value, list) else str(value)


def on_runs(plan: Plan) -> list[Plan]:
    """The scans of ``workflow_runs`` by which the rows of a page are chosen; the chosen ones are then read by their ids.

    A part of the plan that Postgres passed over is left out: a statement has one for few workflows and one for many.
    """
    possible = [node for node in _nodes(plan) if node.get("Relation Name") == "workflow_runs"]
    scans = [node for node in possible if node["Actual Loops"]] or possible
    choosing = [node for node in scans if node.get("Index Name") != "workflow_runs_pkey"]
    if not choosing:
        return scans
    assert all(rows_read(node) <= LIMIT + 1 for node in scans if node not in choosing)
    return choosing


def rows_read(node: Plan) -> int:
    """Rows a node looked at, over all its executions."""
    return int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])


def _sorted_rows(plan: Plan) -> int:
    """The most rows any sort below ``plan`` was given, leaving out the waits and tasks of one row."""
    sizes = [
        int(node["Plans"][0]["Actual Rows"])
        for node in _nodes(plan)
        if node["Node Type"] in {"Sort", "Incremental Sort"} and on_runs(node)
    ]
    return max(sizes, default=0)


@pytest.mark.parametrize(("name", "conditions", "index", "order"), CASES, ids=[f"{c[0]}-{c[3]}" for c in CASES])
async def test_a_filter_is_an_index_range_in_order(
    history: AsyncEngine,
    history_url: str,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    conditions: dict[str, Any],
    index: str,
    order: str,
) -> None:
    wanted = RunFilter(**conditions, order=RunOrder(order))
    explained = Explained(history_url, monkeypatch)
    first = await runs_page(history, DEFAULT_TENANT, wanted, limit=LIMIT)
    assert first.next is not None
    await runs_page(history, DEFAULT_TENANT, wanted, cursor=first.next, limit=LIMIT)

    plans = [*explained.plans(), *explained.kept_plans()]
    assert len(plans) == 4
    for plan in plans:
        scans = on_runs(plan)
        assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}, name
        assert {node["Index Name"] for node in scans} == {index}, name
        # Nothing is sorted but what the ranges gave, at most a page each, and they are few.
        branches = max(int(node["Actual Loops"]) for node in scans)
        assert branches <= len(RUN_STATUSES) * 4
        assert _sorted_rows(plan) <= branches * (LIMIT + 1)
        assert sum(rows_read(node) for node in scans) <= branches * (LIMIT + 1)


async def test_what_a_page_hides_is_looked_up_by_ids(
    history: AsyncEngine, history_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    explained = Explained(history_url, monkeypatch)
    await runs_page(history, DEFAULT_TENANT, RunFilter(), limit=LIMIT)
    looking = [sent for sent in explained.sent if sent not in explained.choosing]
    assert looking
    for plan in (*explained.plans(looking), *explained.kept_plans(looking)):
        for node in _nodes(plan):
            if node.get("Relation Name") in LARGE and node["Actual Loops"]:
                assert node["Node Type"] != "Seq Scan" or rows_read(node) <= LIMIT, node


async def test_a_wait_key_is_looked_up_among_the_waits(
    history: AsyncEngine, history_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    explained = Explained(history_url, monkeypatch)
    await runs_page(history, DEFAULT_TENANT, RunFilter(wait_key="ORD-2"), limit=LIMIT)
    for plan in (*explained.plans(), *explained.kept_plans()):
        assert "workflow_run_waits_key" in {node.get("Index Name") for node in _nodes(plan)}
        assert {node.get("Index Name") for node in on_runs(plan)} == {"workflow_runs_pkey"}


async def test_the_runs_of_an_event_are_looked_up_by_their_ids(
    history: AsyncEngine, history_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    explained = Explained(history_url, monkeypatch)
    await runs_page(history, DEFAULT_TENANT, RunFilter(event_id="evt-1"), limit=LIMIT)
    for plan in (*explained.plans(), *explained.kept_plans()):
        assert "workflow_run_waits_matched_event" in {node.get("Index Name") for node in _nodes(plan)}
        assert {node.get("Index Name") for node in on_runs(plan)} == {"workflow_runs_pkey"}


async def test_a_run_id_prefix_is_a_range_of_ids(
    history: AsyncEngine, history_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = (await runs_page(history, DEFAULT_TENANT, RunFilter(), limit=1)).rows[0].run_id
    explained = Explained(history_url, monkeypatch)
    page = await runs_page(history, DEFAULT_TENANT, RunFilter(run_id_prefix=newest[:8]), limit=LIMIT)
    assert newest in {row.run_id for row in page.rows}
    for plan in (*explained.plans(), *explained.kept_plans()):
        assert {node.get("Index Name") for node in on_runs(plan)} <= {"workflow_runs_pkey", None}
        assert "Seq Scan" not in {node["Node Type"] for node in on_runs(plan)}


@pytest.mark.parametrize(
    "conditions", [{}, {"workflow": "wf-7"}, {"error_code": "CODE_1"}, {"trigger": "event"}], ids=str
)
async def test_counting_reads_no_more_than_the_cap(
    history: AsyncEngine, history_url: str, conditions: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.runs.listing.COUNT_CAP", 100)
    explained = Explained(history_url, monkeypatch)
    await count_runs(history, DEFAULT_TENANT, RunFilter(**conditions))
    for plan in explained.plans():
        scans = on_runs(plan)
        assert "Seq Scan" not in {node["Node Type"] for node in scans}
        assert sum(rows_read(node) for node in scans) <= 101 * len(RUN_STATUSES) + STUCK
