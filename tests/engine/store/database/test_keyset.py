"""Cursors: they belong to equal queries, in every process, and to no other."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.errors import Invalid
from engine.records import EventFilter, RunFilter, RunOrder, RunStatus, TaskFilter, WaitKind
from engine.store.database.keyset import decode_cursor, encode_cursor, fingerprint

WANTED = RunFilter(
    statuses=frozenset(RunStatus),
    waiting_on=frozenset(kind for kind in WaitKind if kind is not WaitKind.TIMEOUT),
    workflow="order-fulfilment",
    started_from=datetime(2026, 1, 15, tzinfo=UTC),
)
PROGRAM = """
from datetime import UTC, datetime
from engine.records import RunFilter, RunStatus, TaskFilter, WaitKind
from engine.store.database.keyset import fingerprint
statuses = frozenset(RunStatus)
wanted = RunFilter(
    statuses=statuses,
    waiting_on=frozenset(kind for kind in WaitKind if kind is not WaitKind.TIMEOUT),
    workflow="order-fulfilment",
    started_from=datetime(2026, 1, 15, tzinfo=UTC),
)
tasks = TaskFilter(frozenset({"pending", "claimed", "completed", "canceled", "expired"}))
print(fingerprint("tenant", wanted), fingerprint("tasks", "tenant", tasks), [status.value for status in statuses])
"""


def in_another_process(seed: int) -> tuple[str, str, str]:
    """Fingerprints of a run filter and of a task filter, and how a set is ordered there."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=True,
    )
    runs, tasks, order = done.stdout.strip().split(" ", 2)
    return runs, tasks, order


def test_equal_queries_have_one_fingerprint_in_processes_that_order_sets_differently() -> None:
    found = [in_another_process(seed) for seed in range(4)]
    assert len({order for _, _, order in found}) > 1, "these seeds order a set alike, so nothing was tried"
    assert {runs for runs, _, _ in found} == {fingerprint("tenant", WANTED)}
    everything = TaskFilter(frozenset({"expired", "canceled", "completed", "claimed", "pending"}))
    assert {tasks for _, tasks, _ in found} == {fingerprint("tasks", "tenant", everything)}


@pytest.mark.parametrize(
    "changes",
    [
        {"statuses": frozenset({RunStatus.FAILED})},
        {"statuses": frozenset()},
        {"waiting_on": frozenset({WaitKind.EVENT})},
        {"workflow": "order"},
        {"text": "order-fulfilment"},
        {"started_from": datetime(2026, 1, 16, tzinfo=UTC)},
        {"started_before": datetime(2026, 1, 15, tzinfo=UTC), "started_from": None},
        {"order": RunOrder.STARTED_ASC},
        {"stuck": True},
    ],
)
def test_another_condition_is_another_query(changes: dict[str, object]) -> None:
    assert fingerprint("tenant", replace(WANTED, **changes)) != fingerprint("tenant", WANTED)  # type: ignore[arg-type]  # names are RunFilter's


def test_the_tenant_and_the_kind_of_list_count_too() -> None:
    assert len({fingerprint(*parts) for parts in (("a", WANTED), ("b", WANTED), ("a", "b"), ("ab",))}) == 4
    assert fingerprint("events", "a", EventFilter()) != fingerprint("tasks", "a", EventFilter())


def test_a_cursor_is_read_back_by_its_own_query_alone() -> None:
    own, other = fingerprint("tenant", WANTED), fingerprint("tenant", RunFilter())
    at = datetime(2026, 1, 15, 12, 30, 0, 123456, tzinfo=UTC)
    cursor = encode_cursor(own, (at, "run"))
    assert decode_cursor(own, cursor, (datetime, str)) == (at, "run")
    for query, kinds in ((other, (datetime, str)), (own, (str, datetime)), (own, (datetime,))):
        with pytest.raises(Invalid) as refused:
            decode_cursor(query, cursor, kinds)
        assert refused.value.code == "CURSOR_INVALID"


@pytest.mark.parametrize(
    "wrong",
    [
        {"started_from": "2026-01-15"},
        {"started_before": 5},
        {"started_from": datetime(2026, 1, 15)},  # noqa: DTZ001 # it has no zone
        {"version": True},
        {"version": "3"},
        {"min_attempt": 1.5},
        {"workflow": 5},
        {"error_code": ["x"]},
    ],
    ids=str,
)
def test_a_condition_of_another_type_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="FILTER_INVALID"):
        RunFilter(**wrong)
