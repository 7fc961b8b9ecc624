"""Chains of quick steps: one activity does them, and the workflow's own machine is fed what it did."""

from __future__ import annotations

from typing import Any, Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from engine.errors import RunError
    from engine.interpreter import effects as fx
    from engine.workflow import wire
    from engine.workflow.calls import run_local_chain, run_patient_chain
    from engine.workflow.cancellation import to_the_end
    from engine.workflow.position import Position

_NOTHING_BUFFERED: Final[dict[str, list[Any]]] = {"waiting": [], "consumed": []}


async def run_chain(position: Position, effect: fx.CallAction) -> None:
    """Do the quick step the machine has asked for and those that follow it, and give the machine their outcomes.

    A local one cannot be stopped half-way: what it has done the run has to know, also one that is canceled in this moment.
    """
    request = _request(position, effect, tell=False)
    answer: wire.RunChainOutput | None = None
    if not position.task_should_end():
        answer = await to_the_end(run_local_chain(request))
    if answer is None:
        position.stop_if_canceled()
        answer = await run_patient_chain(request, activity_id(effect))
        position.task_ended()
    elif answer["long"]:
        position.chain_lasted()
    _feed(position, answer)


async def recall_chain(position: Position, effect: fx.CallAction) -> bool:
    """Give the machine what is on record of the quick step it has asked for, and of those that follow. False: nothing is."""
    answer: wire.RunChainOutput = await position.project(wire.RUN_CHAIN, _request(position, effect, tell=True))
    if not answer["outcomes"]:
        return False
    _feed(position, answer)
    return True


def activity_id(effect: fx.CallAction) -> str:
    """What Temporal's own tools show for a pending attempt. Unique: a run has one at a time, and an attempt one call."""
    step = effect.step
    return f"{step.path}[{step.iteration}]#{step.visit}.{effect.attempt}"


def _request(position: Position, effect: fx.CallAction, *, tell: bool) -> wire.RunChainInput:
    facts = position.facts
    return {
        **position.progress(effect),
        "workflow": facts.workflow_id,
        "workflow_version": facts.workflow_version,
        "hash": facts.definition_hash,
        "semantics": facts.semantics_version,
        "root": facts.root_run_id,
        "machine": {**position.machine.snapshot(), "events": _NOTHING_BUFFERED},
        "traits": dict(position.traits),
        "child": position.is_child,
        "tell": tell,
    }


def _feed(position: Position, answer: wire.RunChainOutput) -> None:
    """The same outcomes at the same times lead to the same state, or this build is wrong, and the run goes no further with it."""
    machine = position.machine
    position.confirm()
    for number, outcome in enumerate(answer["outcomes"]):
        if number > 0:
            position.confirm(_next_step(machine.advance()).trace)
        if "error" in outcome:
            machine.resume(fx.StepFailed(RunError.from_json(outcome["error"])), outcome["at"])
        else:
            machine.resume(fx.ActionSucceeded(outcome["ok"]), outcome["at"])
    if (machine.seq, machine.digest()) != (answer["seq"], answer["digest"]):
        raise RuntimeError(
            f"The machine of the workflow and that of the chain have come apart: record {machine.seq} with state"
            f" {machine.digest()} here, {answer['seq']} with {answer['digest']} there."
        )
    position.ended = answer["ended"]
    position.effort.read(answer.get("size", 0))


def _next_step(effect: fx.Effect) -> fx.CallAction:
    if not isinstance(effect, fx.CallAction):
        raise RuntimeError(f"The chain went on with a quick step where the machine of the workflow asks for {effect}.")
    return effect
