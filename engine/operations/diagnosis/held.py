"""What a run waits for that is no wait of its definition: its turn, a workflow that is paused, a worker with the action."""

from __future__ import annotations

import re
from typing import Final

from engine import advice
from engine.contract import workflow_id_for
from engine.operations.diagnosis.facts import Facts, shortened, when
from engine.records import Finding
from engine.wording import counted, sentence
from engine.workflow.wire import ACTION_NOT_HERE, CALL_HELD, OPEN_CHILD, STEPS_NOT_HERE

_MISSING_ACTION: Final = re.compile(rf"{ACTION_NOT_HERE}: (\S+@\d+) ")


def held_in_temporal(facts: Facts) -> Finding | None:
    """Somebody holds its execution, or what it is at, by Temporal's own tools: nothing here lets it go."""
    execution = facts.execution
    if execution is None:
        return None
    paused = [activity.name for activity in execution.activities if activity.paused]
    if execution.status == "PAUSED":
        found, helps = "the execution is paused", "Let it go on there"
    elif paused:
        found, helps = f"its activity {paused[0]} is paused", "Unpause the activity there: `temporal activity unpause`"
    elif execution.pinned:
        found = "the execution is pinned to one version of a worker deployment, and this engine's workers have none"
        helps = "Remove the versioning override there: `temporal workflow update-options`"
    else:
        return None
    return Finding(
        "HELD_IN_TEMPORAL",
        sentence(f"Somebody holds the run with Temporal's own tools: {found}"),
        (f"Temporal's id of the run: {workflow_id_for(facts.view.run_id)}.",),
        f"{helps}. No worker goes on with it before.",
    )


def queued(facts: Facts) -> Finding | None:
    """The run waits for its turn."""
    standing = facts.rows.standing
    if standing is None:
        return None
    workflow = facts.run.workflow_id
    if standing.paused:
        message, helps = "its workflow is paused", advice.UNPAUSE.to("Unpause it", workflow=workflow)
    elif standing.limit and standing.active >= standing.limit:
        message = f"its workflow has {counted(standing.active, 'active run')}, and its limit is {standing.limit}"
        helps = advice.LIMIT.to("It starts when one ends. To let more run at once, raise the limit", workflow=workflow)
    else:
        message, helps = (
            "there is room, and a running worker lets it go",
            advice.WORKER.to("Start a worker, if none is there"),
        )
    return Finding(
        "QUEUED",
        sentence(f"The run waits for its turn: {message}"),
        (f"Runs ahead of it: {standing.ahead}.",),
        helps,
    )


def action_elsewhere(facts: Facts) -> Finding | None:
    """The action of its step is on other workers."""
    for activity in facts.execution.activities if facts.execution else ():
        wanted = _MISSING_ACTION.match(activity.last_failure)
        if wanted is None or activity.paused:
            continue
        action = wanted.group(1)
        have = [worker.identity for worker in facts.alive if action in (worker.actions or ())]
        lack = [
            worker.identity for worker in facts.alive if worker.actions is not None and action not in worker.actions
        ]
        evidence = [
            f"Workers that have it: {', '.join(have) or 'none'}.",
            f"Workers that lack it: {', '.join(lack) or 'none'}.",
        ]
        if activity.next_attempt is not None:
            evidence.append(f"The next worker is asked {when(activity.next_attempt, facts.now)}.")
        return Finding(
            "ACTION_ELSEWHERE",
            f"The step needs the action {action}, and the worker that was asked last lacks it.",
            tuple(evidence),
            "It goes on by itself as soon as a worker is asked that has it. Give every worker the same modules.",
        )
    return None


def release_elsewhere(facts: Facts) -> Finding | None:
    """Its version was published by a release that the worker which was asked is not of."""
    for activity in facts.execution.activities if facts.execution else ():
        if activity.last_failure.startswith(STEPS_NOT_HERE) and not activity.paused:
            return Finding(
                "RELEASE_ELSEWHERE",
                "The run needs a worker of the release that has published its version; the one that was asked last is not.",
                (shortened(facts.hide(activity.last_failure.removeprefix(STEPS_NOT_HERE).lstrip(": "))),),
                "It goes on by itself as soon as a worker of that release is asked. Deploy that release to every worker.",
            )
    return None


def call_held(facts: Facts) -> Finding | None:
    """The workflow it calls is paused."""
    for activity in facts.execution.activities if facts.execution else ():
        if activity.name == OPEN_CHILD and not activity.paused and activity.last_failure.startswith(CALL_HELD):
            return Finding(
                "CALL_HELD",
                "The run calls a workflow that is paused. The call waits until it is unpaused.",
                (shortened(facts.hide(activity.last_failure.removeprefix(CALL_HELD).lstrip(": "))),),
                "Unpause that workflow, or cancel this run.",
            )
    return None
