"""What a waiting run waits for, since when and until when."""

from __future__ import annotations

from engine import advice
from engine.operations.diagnosis.facts import Facts, shortened, when
from engine.records import Finding
from engine.store.runs.diagnosing import EVENTS_CAP
from engine.wording import counted, span


def waiting(facts: Facts) -> Finding | None:
    """The finding about the open wait; None when the run does not wait."""
    wait = facts.view.wait
    if facts.run.status != "WAITING" or wait is None:
        return None
    if not facts.rows.wait_open:
        return Finding(
            "WAIT_OVER",
            f"What it waited for ({wait.kind}) is over, and the run has not gone on yet.",
            (f"It had waited since {when(wait.since, facts.now)}.",) if wait.since else (),
            "A worker takes it on. If it stays, the other findings say what keeps it; there may be none that polls.",
        )
    since = f"Waiting for {span((facts.now - wait.since).total_seconds())}." if wait.since else "Just begun."
    until = f"Until {when(wait.until, facts.now)}." if wait.until else "Without a deadline."
    if facts.rows.undelivered is not None:
        return Finding(
            "NOT_DELIVERED",
            f"What came for its wait ({wait.kind}) could not be delivered to it so far.",
            (since, until, f"The last try: {shortened(facts.hide(facts.rows.undelivered))}"),
            f"It is tried again by itself. {advice.PARTS.to('See how the parts are')}",
        )
    match wait.kind:
        case "event":
            seen = facts.rows.events_seen
            count = f"{EVENTS_CAP} or more" if seen >= EVENTS_CAP else str(seen)
            return Finding(
                "WAITING_EVENT",
                f"It waits for the event {wait.event_name} with {f'the key {wait.key}' if wait.key else 'any key'}.",
                (since, until, f"Events of this name and key since the run started: {count}."),
                _event_advice(seen, facts.rows.dead_deliveries),
            )
        case "time":
            return Finding("WAITING_TIME", "It waits for a point in time.", (since, until), "Nothing needs doing.")
        case "retry":
            return Finding(
                "WAITING_RETRY",
                f"Try {facts.run.attempt or 1} of {facts.view.step or facts.run.node_path} failed;"
                " the next one is scheduled.",
                (since, until, f"Last failure: {facts.view.error_code or 'unknown'}."),
                "Nothing needs doing while the cause is expected to pass.",
            )
        case "human":
            return Finding(
                "WAITING_HUMAN",
                f"It waits for a person{f': {wait.who}' if wait.who else ''}.",
                (since, until),
                advice.ANSWER.to("Answer the task"),
            )
        case "child":
            return Finding(
                "WAITING_CHILD",
                f"It waits for the run {wait.who or wait.key or ''} it called.".replace("  ", " "),
                (since,),
                advice.WHY.to("Ask the same of that run", run=wait.who or wait.key or "RUN_ID"),
            )
        case "quota":
            quota = facts.rows.quota
            figures = (
                (f"Steps used: {quota.used} of {quota.limit}; the period ends {when(quota.period_end, facts.now)}.",)
                if quota is not None and quota.limit is not None
                else ("There is no limit now.",)
            )
            return Finding(
                "WAITING_QUOTA",
                "The tenant's step quota is used up.",
                (since, *figures),
                "It goes on by itself when there are units again. "
                + advice.QUOTA.to("An admin can raise the limit")
                + " "
                + advice.GO_ON.to("Then let it go on at once", run=facts.view.run_id),
            )
        case other:
            return Finding("WAITING", f"It waits: {other}.", (since, until))


def _event_advice(seen: int, dead: int) -> str:
    if dead:
        return (
            f"{counted(dead, 'event')} for this run could not be delivered, and nobody tries again by itself. "
            f"{advice.DEAD.to('See why')} {advice.REDELIVER.to('Deliver it again')}"
        )
    if not seen:
        return advice.SUBMIT.to("It goes on when the wait times out, or when the event is submitted")
    told = "Those that came were used before, did not pass the filters, or are on their way to it."
    return f"{told} {advice.EVENTS.to('See what came of them')}"
