"""A run that is canceled takes in what its rows have of it, and no more.

An earlier try of the workflow task may have done steps that are in no history. They are on record, so the run ends with them.
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from engine.interpreter import effects as fx
    from engine.interpreter.times import parse_instant
    from engine.workflow.chains import recall_chain
    from engine.workflow.perform import Performer
    from engine.workflow.waits import Answer


async def catch_up(performer: Performer, reached: int) -> None:
    """Bring the machine to where its rows are. ``reached``: the last record they are known to have; 0: nothing is known.

    A quick step that is under way is asked for in any case: its outcome has no record of its own before the next step begins.
    """
    position = performer.position
    machine = position.machine
    while not machine.at_boundary or machine.seq < reached:
        effect = machine.advance()
        if effect.trace:
            position.progress(effect)
        if isinstance(effect, fx.Finish):
            # What is on record has led to the end of the run, which is not written yet.
            return
        if isinstance(effect, fx.CallAction):
            if not effect.traits.quick or not await recall_chain(position, effect):
                return
            continue
        answer = await _on_record(performer, effect) if machine.seq < reached else None
        if answer is None:
            return
        position.confirm()
        machine.resume(*answer)


async def _on_record(performer: Performer, effect: fx.Effect) -> Answer | None:
    """How an effect has ended that the rows have gone beyond; None for what only the history can tell."""
    match effect:
        case fx.AwaitEvent():
            ended = await performer.waits.recorded_end(effect, "event")
            return None if ended is None else performer.waits.event_answer(ended)
        case fx.AwaitTime():
            ended = await performer.waits.recorded_end(effect, "time")
            return None if ended is None else (fx.Elapsed(), ended.at_ms)
        case fx.Sleep():
            return fx.Elapsed(), parse_instant(effect.due_at)
        case fx.AwaitQuota():
            return await performer.reserve_quota(effect)
        case fx.Flush():
            return fx.Flushed(), None
    return None
