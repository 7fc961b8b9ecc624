"""Why a run is not moving: a table of rules, each with a code, a sentence, the evidence and what to do.

Rules are pure: they see facts, and say something or nothing. The table's order is the order of importance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine import advice
from engine.contract import TASK_QUEUE, WORKFLOW_TYPE
from engine.errors import EXECUTION_ID_TAKEN
from engine.operations.diagnosis.facts import Facts, shortened, when
from engine.operations.diagnosis.held import action_elsewhere, call_held, held_in_temporal, queued, release_elsewhere
from engine.operations.diagnosis.waiting import waiting
from engine.operations.reconcile.disagreements import STORES_DISAGREE
from engine.operations.reconcile.execution_end import UNKNOWN, taken_by
from engine.records import Finding
from engine.store.database.engine import PASSING
from engine.wording import counted, sentence, span
from engine.workflow.wire import ACTION_NOT_HERE, CALL_HELD, STEPS_NOT_HERE

BACKLOG_SECONDS: Final = 10.0
TASK_SLOW_SECONDS: Final = 10.0
ACTIVITY_SLOW_SECONDS: Final = 10.0
_WORKERS_NAMED: Final = 3
_START_WORKER: Final = f"{advice.WORKER.to('Start a worker')} The run goes on by itself once one polls."


Rule = Callable[[Facts], Finding | None]


def findings(facts: Facts) -> tuple[Finding, ...]:
    """What the rules say, the most important first; never nothing."""
    for final in (_historical, _ended):
        found = final(facts)
        if found is not None:
            return (found,)
    said = tuple(finding for rule in RULES if (finding := rule(facts)) is not None)
    return said or (_moving(facts),)


def _historical(facts: Facts) -> Finding | None:
    if not facts.run.historical:
        return None
    return Finding(
        "READ_ONLY",
        f"The run is from before the cutover and ended as {facts.run.status}.",
        advice=f"Nothing executes it any more. {_replay(facts)}",
    )


def _ended(facts: Facts) -> Finding | None:
    if facts.run.active:
        return None
    view = facts.view
    because = (f"{view.error_code or 'Error'}: {shortened(view.error_message)}",) if view.error_message else ()
    return Finding("ENDED", f"The run is over: {facts.run.status}.", because, _replay(facts))


def _stuck(facts: Facts) -> Finding | None:
    if not facts.view.stuck_at(facts.now):
        return None
    waited = span((facts.now - facts.run.started_at).total_seconds())
    return Finding(
        "STUCK",
        f"The run is queued: it was started {waited} ago, and no step has begun.",
        (f"Status RUNNING, 0 steps, launch {facts.run.launch_state}.",),
        "The findings below say why. It goes on by itself once the cause is gone.",
    )


def _stalled(facts: Facts) -> Finding | None:
    if not facts.view.stalled_at(facts.now):
        return None
    due = facts.view.step_due_at
    return Finding(
        "STALLED",
        f"The run has made no progress for {span((facts.now - facts.run.updated_at).total_seconds())}.",
        (f"Its action must have ended {when(due, facts.now)}.",) if due is not None else (),
        "The findings below say why. It goes on by itself once the cause is gone.",
    )


def _cancel_requested(facts: Facts) -> Finding | None:
    at = facts.run.cancel_requested_at
    if at is None:
        return None
    return Finding(
        "CANCEL_REQUESTED",
        f"A cancel was requested {span((facts.now - at).total_seconds())} ago; the run has not cleaned up yet.",
        advice="A worker has to do the clean-up; see below whether one is there.",
    )


def _unreachable(facts: Facts) -> Finding | None:
    if facts.temporal is not None:
        return None
    return Finding(
        "TEMPORAL_UNREACHABLE",
        "Temporal cannot be asked, so what follows is known from Postgres alone.",
        (facts.unreachable, _workers_line(facts)),
        "Check that Temporal is up, and TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and the API key here and in the workers.",
    )


def _launch_pending(facts: Facts) -> Finding | None:
    run = facts.run
    if run.launch_state != "pending":
        return None
    evidence = [f"{counted(run.launch_attempts, 'attempt')} so far."]
    if facts.launch_error:
        evidence.append(f"The last one: {facts.launch_error}")
    if run.next_launch_at is not None:
        evidence.append(f"Next attempt {when(run.next_launch_at, facts.now)}.")
    return Finding(
        "LAUNCH_PENDING",
        "The run was accepted, but Temporal has not been told of it yet.",
        tuple(evidence),
        "A running worker starts it as soon as Temporal answers.",
    )


def _closed_in_temporal(facts: Facts) -> Finding | None:
    execution = facts.execution
    if execution is None or facts.run.launch_state in {"pending", "queued"}:
        return None
    if execution.workflow_type != WORKFLOW_TYPE:
        return Finding(
            EXECUTION_ID_TAKEN,
            taken_by(execution.workflow_type, facts.view.run_id),
            (f"Namespace {facts.temporal.namespace if facts.temporal else '?'}.",),
            f"The reconciler of a running worker closes the row as FAILED. {_replay(facts)}",
        )
    if execution.status in {"RUNNING", "PAUSED"}:
        return None
    known = execution.status != UNKNOWN
    said = f"has the execution as {execution.status}" if known else "has no execution of this run"
    return Finding(
        "TEMPORAL_CLOSED",
        f"Temporal {said}, but the row is still {facts.run.status}.",
        (f"Namespace {facts.temporal.namespace if facts.temporal else '?'}.",),
        "The reconciler of a running worker closes the row, with Temporal's reason. "
        + advice.CANCEL.to("To close it at once, cancel it", run=facts.view.run_id),
    )


def _stores_disagree(facts: Facts) -> Finding | None:
    if facts.disagreeing is None:
        return None
    return Finding(
        STORES_DISAGREE,
        sentence(f"Postgres and Temporal disagree, as after a restore of one of them: {facts.disagreeing}"),
        advice="The reconciler of a running worker brings the two together within minutes, or ends both. Its log then says how.",
    )


def _no_poller(facts: Facts) -> Finding | None:
    if facts.temporal is None:
        if facts.alive:
            return None
        return Finding(
            "NO_WORKER",
            "No worker has given a sign of life lately.",
            (_workers_line(facts),),
            _START_WORKER,
        )
    if facts.pollers():
        return None
    helps = _START_WORKER
    if facts.alive:
        helps = (
            "The workers of this database poll another Temporal, or cannot reach it: compare TEMPORAL_ADDRESS and"
            " TEMPORAL_NAMESPACE, and read their logs."
        )
    return Finding(
        "NO_POLLER",
        f"No worker is polling the task queue {TASK_QUEUE} of the namespace {facts.temporal.namespace}.",
        (_workers_line(facts), *_failing_parts(facts)),
        helps,
    )


def _task_timing_out(facts: Facts) -> Finding | None:
    execution = facts.execution
    if execution is None or not execution.task_timeouts:
        return None
    return Finding(
        "WORKFLOW_TASK_TIMING_OUT",
        f"The run's workflow task has timed out at least {counted(execution.task_timeouts, 'time')} since the run last moved.",
        (
            f"Its history has {counted(execution.history_length, 'event')}.",
            f"A worker has {span(execution.task_seconds)} for the task, the replay of the history included.",
            f"Workers that poll: {len(facts.pollers())}.",
        ),
        "If a worker was killed, the next try will do. If it goes on, the workers get too little processor time for a history of"
        f" this length: give them more. {advice.WORKER.to('Start one where there is some')} {advice.PARTS.to('See how they are')}"
        " What is sent to the run meanwhile makes its history longer: stop sending events that it does not wait for.",
    )


def _task_failing(facts: Facts) -> Finding | None:
    execution = facts.execution
    if execution is None or execution.task_attempt <= 1 or execution.task_timeouts:
        return None
    evidence = [f"Attempt {execution.task_attempt}."]
    if execution.task_failure:
        evidence.append(f"The failure: {shortened(facts.hide(execution.task_failure))}")
    return Finding(
        "TASK_FAILING",
        "The run's workflow task keeps failing: this is a bug or a wrong build of the worker, not of the definition.",
        tuple(evidence),
        "Deploy a corrected worker; the run goes on from where it is, nothing is lost.",
    )


def _backlog(facts: Facts) -> Finding | None:
    if facts.temporal is None or not facts.pollers():
        return None
    queue = facts.temporal.queue
    if not queue.backlog or queue.backlog_age_seconds < BACKLOG_SECONDS:
        return None
    return Finding(
        "BACKLOG",
        "The workers are behind: tasks wait on the queue before one takes them.",
        (
            f"Tasks that wait: {queue.backlog}, the oldest for {span(queue.backlog_age_seconds)}.",
            f"Workers that poll: {len(facts.pollers())}.",
        ),
        "Add worker processes.",
    )


def _activity_retrying(facts: Facts) -> Finding | None:
    for activity in facts.execution.activities if facts.execution else ():
        if (
            activity.attempt > 1
            and not activity.paused
            and not activity.last_failure.startswith((CALL_HELD, ACTION_NOT_HERE, STEPS_NOT_HERE))
        ):
            evidence = [f"{activity.name}, attempt {activity.attempt}."]
            if activity.last_failure:
                evidence.append(f"The last failure: {shortened(facts.hide(activity.last_failure))}")
            if activity.next_attempt is not None:
                evidence.append(f"Next attempt {when(activity.next_attempt, facts.now)}.")
            if activity.last_worker:
                evidence.append(f"Last tried by {activity.last_worker}.")
            return Finding(
                "ACTIVITY_RETRYING",
                "Recording the run's progress, or running its action, fails and is repeated.",
                tuple(evidence),
                _cause(activity.last_failure, facts),
            )
    return None


def _cause(failure: str, facts: Facts) -> str:
    """What to do about a repeated activity, by what its failure says and nothing else."""
    if any(code in failure for code in PASSING):
        return "It goes on by itself when Postgres answers again. " + advice.PARTS.to("See whether it does")
    if "timeout" in failure.lower():
        return "Its worker died, or stood still for too long; another try follows. " + advice.PARTS.to(
            "See the workers"
        )
    cancel = advice.CANCEL.to("Else cancel the run", run=facts.view.run_id)
    return f"While the failure stays the same it will not pass by itself: remove the cause it names. {cancel}"


def _activity_running(facts: Facts) -> Finding | None:
    for activity in facts.execution.activities if facts.execution else ():
        if activity.attempt == 1 and activity.running and activity.since is not None:
            seconds = (facts.now - activity.since).total_seconds()
            if seconds >= ACTIVITY_SLOW_SECONDS:
                return Finding(
                    "ACTION_RUNNING",
                    f"An action has been running for {span(seconds)}.",
                    (f"On {activity.last_worker}, at {facts.view.step or facts.run.node_path}.",),
                    "It ends by itself, at the latest with its timeout.",
                )
    return None


def _task_waiting(facts: Facts) -> Finding | None:
    execution = facts.execution
    if execution is None or execution.pinned or not facts.pollers():
        return None
    if execution.task_attempt != 1 or execution.task_since is None:
        return None
    seconds = (facts.now - execution.task_since).total_seconds()
    if seconds < TASK_SLOW_SECONDS:
        return None
    return Finding(
        "TASK_WAITING",
        f"The run's workflow task has waited {span(seconds)} for a worker.",
        (f"Workers that poll: {len(facts.pollers())}.",),
        "A worker that died may hold it for some seconds; if it stays, the workers are busy: add processes.",
    )


RULES: Final[tuple[Rule, ...]] = (
    _stuck,
    _stalled,
    _cancel_requested,
    _unreachable,
    queued,
    _launch_pending,
    _closed_in_temporal,
    _stores_disagree,
    held_in_temporal,
    _no_poller,
    _task_timing_out,
    _task_failing,
    _backlog,
    call_held,
    action_elsewhere,
    release_elsewhere,
    _activity_retrying,
    _task_waiting,
    _activity_running,
    waiting,
)
"""In the order of importance."""


def _moving(facts: Facts) -> Finding:
    at = facts.view.step or facts.run.node_path or "its beginning"
    return Finding(
        "MOVING",
        "Nothing keeps the run from moving.",
        (
            f"{counted(facts.run.step_count, 'step')} so far, at {at}; last change {when(facts.run.updated_at, facts.now)}.",
        ),
        "Nothing needs doing.",
    )


def _replay(facts: Facts) -> str:
    return advice.REPLAY.to("Replay it to run it again", run=facts.view.run_id)


def _workers_line(facts: Facts) -> str:
    workers = facts.rows.workers
    if facts.alive:
        named = ", ".join(worker.identity for worker in facts.alive[:_WORKERS_NAMED])
        return f"Workers that give signs of life to Postgres: {len(facts.alive)} ({named})."
    if not workers:
        return "No worker has ever given a sign of life to Postgres."
    last = workers[0]
    ended = "stopped in order" if last.stopped_at else "fell silent"
    return f"The last worker, {last.identity}, {ended} {when(last.last_seen_at, facts.now)}."


def _failing_parts(facts: Facts) -> tuple[str, ...]:
    said = {
        str(part["detail"])
        for worker in facts.alive
        for name, part in worker.parts.items()
        if name == "temporal" and part.get("detail")
    }
    return tuple(f"A worker says: {facts.hide(text)}" for text in sorted(said)[:_WORKERS_NAMED])
