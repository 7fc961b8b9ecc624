"""What must be true when everything has ended, whatever failed before; each says what it found, and about which run."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final

from temporalio.client import WorkflowExecutionStatus

from engine.contract import workflow_id_for
from engine.operations.reconcile.disagreements import STORES_DISAGREE
from engine.store.runs.closing import NEVER_BEGAN
from engine.store.tenant.disagreements import DISAGREED
from engine.temporal.data_converter import PAYLOAD_LOST
from tests.faults.installation import SAME_END
from tests.faults.nemesis.evidence import ACTIVE, Evidence
from tests.faults.nemesis.journal import Violation

Found = Iterator[tuple[str, str | None]]
OUTSIDE: Final = ("ledger.quick", "ledger.ordinary", "ledger.flaky")
_BRANCH: Final = re.compile(r"\.(then|else)\.")


def ended(evidence: Evidence) -> Found:
    """Every run is over."""
    for row in evidence.runs:
        if row["status"] in ACTIVE:
            yield f"{row['workflow_id']} is {row['status']}, waiting on {row['waiting_on']}", str(row["run_id"])
    for table, rows in evidence.left_open.items():
        for row in rows:
            yield f"{table} has an open row {row}", str(row.get("run_id"))


def executions(evidence: Evidence) -> Found:
    """Temporal says of a run what its row says, and has none without a row. What no records bring together, or lacks a value of
    its history, is terminated.

    Of a run that had ended before Temporal was restored to an earlier moment, nothing is open; and after a restore of Postgres
    an execution may have ended whose row went with it.
    """
    restored = evidence.journal.counts["restore_temporal"] > 0
    for row in evidence.runs:
        run_id = str(row["run_id"])
        status = evidence.executions[run_id]
        error = row["error_json"] or {}
        if status is WorkflowExecutionStatus.FAILED and str(error.get("message")).startswith(NEVER_BEGAN):
            continue  # it was started all the same, and found its row closed
        if restored and row["status"] in SAME_END and status is not WorkflowExecutionStatus.RUNNING:
            continue
        never_started = status is None and (row["launch_state"] != "started" or row["parent_run_id"] is not None)
        expected = SAME_END.get(row["status"], WorkflowExecutionStatus.RUNNING)
        values_lost = error.get("code") == PAYLOAD_LOST and error.get("temporalStatus") == "TERMINATED"
        if values_lost or row["last_error_code"] == STORES_DISAGREE:
            expected = WorkflowExecutionStatus.TERMINATED
        if status is not expected and not (never_started and row["status"] in ("CANCELED", "FAILED")):
            yield f"{row['workflow_id']} is {row['status']} in its row and {status} in Temporal", run_id
    known = {workflow_id_for(run_id) for run_id in evidence.executions}
    for workflow_id, status in evidence.listed.items():
        gone = evidence.journal.counts["restore_postgres"] > 0 and status is not WorkflowExecutionStatus.RUNNING
        if workflow_id not in known and not gone:
            yield f"the execution {workflow_id} is {status} and has no row", None


def effects_inside(evidence: Evidence) -> Found:
    """The effect of a transactional action is there exactly once, together with the record that it succeeded."""
    done = Counter(str(row["key"]) for row in evidence.inside)
    runs = {str(row["key"]): str(row["run_id"]) for row in evidence.inside}
    succeeded = {
        row["idempotency_key"]: str(row["run_id"])
        for row in evidence.attempts
        if (row["action_id"], row["status"]) == ("ledger.inside", "SUCCEEDED")
    }
    for key, times in done.items():
        if times != 1 or key not in succeeded:
            yield f"{key} has its effect {times} times and is {'' if key in succeeded else 'not '}on record", runs[key]
    for key in succeeded.keys() - done.keys():
        yield f"{key} succeeded and has no effect", succeeded[key]


def effects_outside(evidence: Evidence) -> Found:
    """What is on record was done, what was done is on record, and a step has one key however often it was done."""
    keys: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    claimed = {row["idempotency_key"] for row in evidence.attempts}
    for entry in evidence.entries:
        keys[entry.run_id, entry.step_path, entry.iteration].add(entry.key)
        if entry.key not in claimed:
            yield f"{entry.key} was done at {entry.step_path} and is not on record", entry.run_id
    for (run_id, path, iteration), found in keys.items():
        if len(found) > 1:
            yield f"{path} {iteration} was done under {sorted(found)}", run_id
    done = {(entry.key, entry.attempt) for entry in evidence.entries}
    for row in evidence.attempts:
        if row["action_id"] in OUTSIDE and row["status"] == "SUCCEEDED":
            key = row["idempotency_key"]
            if (key, row["attempt"]) not in done:
                yield f"{key} succeeded with attempt {row['attempt']} and was not done", str(row["run_id"])


def one_branch(evidence: Evidence) -> Found:
    """No condition was taken both ways, neither in rows nor in effects."""
    sides: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    places = [(str(row["run_id"]), row["step_path"], row["iteration"]) for row in evidence.steps]
    places += [(entry.run_id, entry.step_path, entry.iteration) for entry in evidence.entries]
    for run_id, path, iteration in places:
        for branch in _BRANCH.finditer(path):
            before = path[: branch.start()]
            turns = iteration.split(".")[: before.count(".body.")]
            sides[run_id, before, ".".join(turns)].add(branch[1])
    for (run_id, path, iteration), taken in sides.items():
        if len(taken) > 1:
            yield f"{path} {iteration} was taken both ways", run_id


def counted(evidence: Evidence) -> Found:
    """Every step was counted once, and no leased unit is left."""
    sums = evidence.counted
    if not sums["used"] == sums["counted"] == sums["steps"] or sums["leased"]:
        yield f"steps and their counts differ: {sums}", None


def rebuilt(evidence: Evidence) -> Found:
    """What is computed from a run's rows is how it ended."""
    for run_id, difference in evidence.rebuilt.items():
        yield difference, run_id


def events(evidence: Evidence) -> Found:
    """Every accepted event is there, routed, and each of its deliveries is made or says why not."""
    stored = {row["event_id"] for row in evidence.events}
    for event_id in evidence.journal.events - stored:
        yield f"{event_id} was accepted and is not there", None
    for row in evidence.events:
        if row["state"] != "routed":
            yield f"{row['event_id']} is {row['state']}", None
    for row in evidence.deliveries:
        over = row["status"] == "done" or (row["status"] == "skipped" and row["reason"])
        if not over and not (row["status"] == "failed" and row["last_error"]):
            yield f"{row['event_id']} to {row['target_kind']} {row['target']} is {row['status']}", None
        if row["status"] == "failed":
            yield f"{row['event_id']} to {row['target_kind']} {row['target']}: {row['last_error']}", None


def events_taken(evidence: Evidence) -> Found:
    """A run takes an event once, and only one of its own order; what starts a run starts one."""
    keys = {row["event_id"]: row["correlation_key"] for row in evidence.events}
    taken = Counter((str(row["run_id"]), row["matched_event_id"]) for row in evidence.waits if row["matched_event_id"])
    for (run_id, event_id), times in taken.items():
        if times > 1:
            yield f"{event_id} was taken {times} times", run_id
    for row in evidence.waits:
        event_id = row["matched_event_id"]
        if event_id is not None and keys.get(event_id) != row["order_key"]:
            yield f"{event_id} belongs to {keys.get(event_id)}, not to {row['order_key']}", str(row["run_id"])
    started = Counter(
        row["input_json"]["order"] for row in evidence.runs if row["trigger_type"] == "event" and row["input_json"]
    )
    for event_id in evidence.journal.fired:
        if started[event_id.removeprefix("fire-")] != 1:
            yield f"{event_id} started {started[event_id.removeprefix('fire-')]} runs", None


def launches(evidence: Evidence) -> Found:
    """Every launch that was accepted has one run, which is the one that was named."""
    holders: dict[str, list[str]] = defaultdict(list)
    for row in evidence.runs:
        if row["idempotency_key"] is not None:
            holders[row["idempotency_key"]].append(str(row["run_id"]))
    for key, run_id in {**evidence.journal.launches, **evidence.journal.replays}.items():
        if holders[key] != [run_id]:
            yield f"{key} was accepted as {run_id}, and is {holders[key]}", run_id
    for row in evidence.runs:
        if row["launch_state"] not in ("started", "failed") and row["status"] != "CANCELED":
            yield f"its launch is {row['launch_state']}", str(row["run_id"])


def audited(evidence: Evidence) -> Found:
    """Every operation that was accepted has its entry; one that changes something once has one."""
    entries: dict[str, Counter[str]] = defaultdict(Counter)
    for row in evidence.audits:
        entries[row["operation"]][str(row["new_run_id"] or row["target_id"])] += 1
    journal = evidence.journal
    once: tuple[tuple[str, Any], ...] = (
        ("workflow_run_start", Counter(journal.launches.values())),
        ("workflow_run_replay", Counter(journal.replays.values())),
        ("event_submit", Counter(journal.events)),
        ("workflow_pause", journal.paused),
        ("workflow_unpause", journal.paused),
    )
    for operation, expected in once:
        for target, times in expected.items():
            if entries[operation][target] != times:
                yield f"{operation} of {target} has {entries[operation][target]} entries, not {times}", None
    for operation, targets in (
        ("workflow_run_cancel", journal.canceled),
        ("workflow_task_complete", journal.answered),
    ):
        for target in targets:
            if not entries[operation][target]:
                yield f"{operation} of {target} has no entry", None


def in_agreement(evidence: Evidence) -> Found:
    """Nobody was told that rows and executions disagree: none was restored."""
    for row in evidence.audits:
        if row["operation"] == DISAGREED:
            yield "the reconciler took its two sides apart", row["run_id"] and str(row["run_id"])


INVARIANTS: Final[dict[str, Callable[[Evidence], Found]]] = {
    check.__name__: check
    for check in (
        *(ended, executions, effects_inside, effects_outside, one_branch, counted, rebuilt),
        *(events, events_taken, launches, audited, in_agreement),
    )
}
AFTER_A_RESTORE: Final = {
    "restore_postgres": ("ended", "executions"),
    "restore_temporal": tuple(name for name in INVARIANTS if name != "in_agreement"),
}
"""What holds when a store is an earlier one than it was: what was accepted meanwhile is lost with Postgres, not with Temporal."""


def violations(evidence: Evidence) -> list[Violation]:
    """What is wrong."""
    restored = [names for fault, names in AFTER_A_RESTORE.items() if evidence.journal.counts[fault]]
    names = [name for name in INVARIANTS if all(name in left for left in restored)]
    return [Violation(name, message, run_id) for name in names for message, run_id in INVARIANTS[name](evidence)]
