"""Why a run of the fake world is not moving. The same codes as the engine's table of rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine import advice
from engine.records import Diagnosis, Finding, HealthPart, PartState, RunStatus, WaitKind
from engine.wording import counted, sentence
from runstudio_tui.backend.fake.run import FakeRun
from runstudio_tui.domain.present import live_duration

if TYPE_CHECKING:
    from runstudio_tui.backend.fake.world import World


def diagnose(run: FakeRun, world: World) -> Diagnosis:
    """Findings about one run, the most important first."""
    row, now = run.row, world.now()
    parts: dict[str, HealthPart] = {part.name: part for part in world.health}
    temporal_up = parts["temporal"].state is not PartState.DOWN
    if row.stuck_at(now):
        if not temporal_up:
            finding = Finding(
                "TEMPORAL_UNREACHABLE",
                "Temporal cannot be asked, so it is not known why.",
                (
                    f"Temporal: {parts['temporal'].detail}",
                    sentence(f"Workers by their heartbeats: {parts['workers'].detail}"),
                ),
                advice.PARTS.to("Check that Temporal is up and reachable"),
            )
        else:
            finding = _no_poller(parts)
        return Diagnosis(row.run_id, row.status, (finding,), temporal_up, now)
    if row.stalled_at(now):
        stalled = Finding(
            "STALLED",
            f"The run has made no progress for {live_duration((now - row.updated_at).total_seconds())}.",
            advice="The findings below say why. It goes on by itself once the cause is gone.",
        )
        return Diagnosis(row.run_id, row.status, (stalled, _no_poller(parts)), temporal_up, now)
    if row.status is RunStatus.WAITING and row.wait is not None:
        since = live_duration((now - row.wait.since).total_seconds()) if row.wait.since else "?"
        match row.wait.kind:
            case WaitKind.EVENT:
                finding = Finding(
                    "WAITING_EVENT",
                    f"Waiting for event {row.wait.event_name}, which has not come.",
                    (
                        f"Key {row.wait.key or 'any'}; waiting for {since}.",
                        "0 events with this name and key since the start.",
                    ),
                    advice.SUBMIT.to("It goes on when the wait times out, or when the event is submitted"),
                )
            case WaitKind.RETRY:
                finding = Finding(
                    "RETRYING",
                    f"Try {row.attempt} of {row.step} failed; the next one is due.",
                    ("Last failure: HTTP_503, upstream answered 503.",),
                    "Nothing needs doing while the upstream recovers.",
                )
            case WaitKind.HUMAN:
                finding = Finding(
                    "WAITING_HUMAN",
                    f"It waits for a person: {row.wait.who or 'anybody'}.",
                    (f"Waiting for {since}.",),
                    advice.ANSWER.to("Answer the task"),
                )
            case _:
                finding = Finding(
                    f"WAITING_{row.wait.kind.name}",
                    "It waits for a point in time.",
                    (f"Waiting for {since}.",),
                    "Nothing needs doing.",
                )
        return Diagnosis(row.run_id, row.status, (finding,), temporal_up, now)
    if row.status.ended:
        finding = Finding(
            "ENDED",
            f"The run is over: {row.status.value.lower()}.",
            advice=advice.REPLAY.to("Replay it to run it again", run=row.run_id),
        )
    else:
        finding = Finding(
            "MOVING", "The run is moving.", (f"{counted(row.step_count, 'step')} so far, now at {row.step}.",)
        )
    return Diagnosis(row.run_id, row.status, (finding,), temporal_up, now)


def _no_poller(parts: Mapping[str, HealthPart]) -> Finding:
    return Finding(
        "NO_POLLER",
        "No worker is polling the task queue workflow-runtime-v2.",
        (sentence(f"Workers: {parts['workers'].detail}"),),
        f"{advice.WORKER.to('Start a worker')} The run goes on by itself once one polls.",
    )
