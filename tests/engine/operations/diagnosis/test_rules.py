"""The rules over facts that a real system shows only after minutes, or under load."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.operations.diagnosis.facts import Facts, when
from engine.operations.diagnosis.rules import findings
from engine.operations.diagnosis.temporal_facts import Execution, PendingActivity, Poller, Queue, TemporalFacts
from engine.records import RunRow, RunStatus
from engine.store.runs.diagnosing import RowFacts
from engine.store.runs.runs import Run
from engine.store.tenant.workers import SeenWorker
from engine.wording import span

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
RUN_ID = "01a20900-0000-7000-8000-000000000001"


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


RUN = Run(
    run_id=RUN_ID, tenant="t", workflow_id="orders", workflow_version=1, status="RUNNING", engine="temporal",
    launch_state="started", launch_attempts=0, launch_error=None, next_launch_at=None, temporal_workflow_id=None,
    parent_run_id=None, node_path="root.steps[2]", attempt=1, waiting_on=None, waiting_since=None, last_error_code=None,
    step_count=3, event_type=None, source_payload_schema_ref=None, trigger_mapping_applied=False, started_at=ago(600),
    updated_at=ago(30), cancel_requested_at=None, runtime_semantics_version=None,
)  # fmt: skip
VIEW = RunRow(
    run_id=RUN_ID, workflow_id="orders", workflow_name="Orders", version=1, status=RunStatus.RUNNING, started_at=ago(600),
    updated_at=ago(30), completed_at=None, engine="temporal", trigger=None, trigger_event=None, node_path="root.steps[2]",
    step="charge", iteration="", step_count=3, attempt=1, wait=None, error_code=None, error_message=None, replay_of=None,
    parent=None, launch_state="started", cancel_requested_at=None,
)  # fmt: skip
QUEUE = Queue((Poller("1@a", ago(20)),), backlog=0, backlog_age_seconds=0.0)
FACTS = Facts(NOW, VIEW, RowFacts(RUN, (), 0, None), TemporalFacts("default", Execution("RUNNING"), QUEUE))


def codes(facts: Facts) -> list[str]:
    return [finding.code for finding in findings(facts)]


def with_queue(queue: Queue) -> Facts:
    return replace(FACTS, temporal=TemporalFacts("default", Execution("RUNNING"), queue))


def with_execution(execution: Execution) -> Facts:
    return replace(FACTS, temporal=TemporalFacts("default", execution, QUEUE))


def test_a_run_that_should_have_moved_on_says_so_first() -> None:
    late = replace(
        FACTS,
        view=replace(VIEW, updated_at=ago(900), step_due_at=ago(300)),
        rows=replace(FACTS.rows, run=replace(RUN, updated_at=ago(900))),
    )
    stalled, *_ = findings(late)
    assert (stalled.code, stalled.sentence) == ("STALLED", "The run has made no progress for 15 min.")
    assert stalled.evidence[0].startswith("Its action must have ended 5 min ago")
    no_poller = replace(late, temporal=TemporalFacts("default", Execution("RUNNING"), replace(QUEUE, pollers=())))
    assert codes(no_poller) == ["STALLED", "NO_POLLER"]
    assert codes(replace(late, view=replace(late.view, step_due_at=NOW))) == ["MOVING"]


def test_nothing_to_say_is_said() -> None:
    [finding] = findings(FACTS)
    assert finding.code == "MOVING"
    assert "3 steps so far, at charge" in finding.evidence[0]


def test_a_backlog_counts_once_it_is_old() -> None:
    assert codes(with_queue(replace(QUEUE, backlog=500, backlog_age_seconds=9))) == ["MOVING"]
    [finding] = findings(with_queue(replace(QUEUE, backlog=500, backlog_age_seconds=125)))
    assert finding.code == "BACKLOG"
    assert finding.evidence == ("Tasks that wait: 500, the oldest for 2 min 5 s.", "Workers that poll: 1.")


def test_a_server_without_figures_has_no_backlog() -> None:
    assert codes(with_queue(replace(QUEUE, backlog=None))) == ["MOVING"]


def test_a_poller_that_was_not_heard_of_for_longer_than_a_poll_is_gone() -> None:
    assert codes(with_queue(Queue((Poller("1@a", ago(76)),), 0, 0.0))) == ["NO_POLLER"]


def test_a_poller_whose_heartbeat_stopped_is_gone_at_once() -> None:
    dead = SeenWorker("1@a", "a", 1, "0.1.0", "q", {}, ago(600), ago(25), None, alive=False)
    facts = replace(FACTS, rows=RowFacts(RUN, (dead,), 0, None))
    [finding] = findings(facts)
    assert finding.code == "NO_POLLER"
    assert "1@a, fell silent 25 s ago" in finding.evidence[0]


def test_a_long_action_is_told_with_its_worker() -> None:
    running = PendingActivity("run_step", 1, True, ago(95), None, "", "1@a")
    [finding] = findings(with_execution(Execution("RUNNING", activities=(running,))))
    assert finding.code == "ACTION_RUNNING"
    assert "1 min 35 s" in finding.sentence
    assert finding.evidence == ("On 1@a, at charge.",)
    assert codes(with_execution(Execution("RUNNING", activities=(replace(running, since=ago(5)),)))) == ["MOVING"]


def test_a_task_that_waits_although_somebody_polls() -> None:
    waiting = Execution("RUNNING", task_attempt=1, task_since=ago(15))
    assert codes(with_execution(waiting)) == ["TASK_WAITING"]
    assert codes(with_execution(replace(waiting, task_since=ago(2)))) == ["MOVING"]


def test_the_cause_comes_after_stuck_and_before_details() -> None:
    facts = replace(
        with_execution(Execution("RUNNING", task_attempt=4, task_failure="a bug\n" + "x" * 1000)),
        view=replace(VIEW, step_count=0),
    )
    stuck, failing = findings(facts)
    assert (stuck.code, failing.code) == ("STUCK", "TASK_FAILING")
    assert len(failing.evidence[1]) < 350
    assert "\n" not in failing.evidence[1]


def test_a_task_that_times_out_is_told_apart_from_one_that_fails() -> None:
    late = Execution("RUNNING", history_length=4_649, task_attempt=4, task_timeouts=3, task_seconds=60.0)
    [finding] = findings(with_execution(late))
    assert finding.code == "WORKFLOW_TASK_TIMING_OUT"
    assert "timed out at least 3 times since" in finding.sentence
    assert finding.evidence == (
        "Its history has 4,649 events.",
        "A worker has 1 min for the task, the replay of the history included.",
        "Workers that poll: 1.",
    )
    assert "runstudio worker" in finding.advice
    # After a signal Temporal counts from one again.
    assert "WORKFLOW_TASK_TIMING_OUT" in codes(with_execution(replace(late, task_attempt=1)))


def test_a_paused_execution_is_not_over() -> None:
    [finding] = findings(with_execution(Execution("PAUSED")))
    assert finding.code == "HELD_IN_TEMPORAL"
    assert "the execution is paused" in finding.sentence


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (4 * 86_400 + 7_300, "4 d 2 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_moments() -> None:
    assert when(ago(5), NOW) == "5 s ago (2026-11-23 09:59:55 UTC)"
    assert when(ago(-65), NOW) == "in 1 min 5 s (2026-11-23 10:01:05 UTC)"


@pytest.mark.parametrize(
    ("failure", "words", "wrong"),
    [
        ("POSTGRES_UNREACHABLE: Postgres cannot be reached: refused.", "when Postgres answers again", "ancel"),
        ("POSTGRES_READ_ONLY: Postgres takes no writes now.", "when Postgres answers again", "ancel"),
        ("POSTGRES_FAILING: Postgres cannot do its work now.", "when Postgres answers again", "ancel"),
        ("POSTGRES_STOPPED_IT: Postgres stopped what was under way.", "when Postgres answers again", "ancel"),
        ("POSTGRES_LOCKED: Another transaction is in the way.", "when Postgres answers again", "ancel"),
        ("POSTGRES_DENIED: This database login may not do that.", "remove the cause it names", "answers again"),
        ("activity Heartbeat timeout", "Its worker died", "Postgres"),
        ("index row size 2736 exceeds btree version 4 maximum 2704", "remove the cause it names", "Postgres"),
        ("Failure exceeds size limit.", f"runs cancel {RUN_ID}", "Postgres"),
        ("", "remove the cause it names", "Postgres"),
    ],
)
def test_f33_nothing_is_blamed_that_the_failure_does_not_name(failure: str, words: str, wrong: str) -> None:
    repeated = PendingActivity("open_wait", 3, False, None, None, failure, "1@a")
    [finding] = findings(with_execution(Execution("RUNNING", activities=(repeated,))))
    assert finding.code == "ACTIVITY_RETRYING"
    assert words in finding.advice
    assert wrong not in finding.advice
