"""Why a run of the fake world is not moving. The same codes as the engine's table of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runstudio_tui.backend.fake_run import FakeRun
from runstudio_tui.domain.catalog import Diagnosis, Finding, HealthPart, PartState
from runstudio_tui.domain.effective import stuck_row
from runstudio_tui.domain.models import RunStatus, WaitKind
from runstudio_tui.domain.present import live_duration

if TYPE_CHECKING:
    from runstudio_tui.backend.fake_world import World


def diagnose(run: FakeRun, world: World) -> Diagnosis:
    """Findings about one run, the most important first."""
    row, now = run.row, world.now()
    parts: dict[str, HealthPart] = {part.name: part for part in world.health}
    temporal_up = parts["temporal"].state is not PartState.DOWN
    if stuck_row(row, now):
        if not temporal_up:
            finding = Finding(
                "TEMPORAL_UNREACHABLE",
                "Temporal cannot be asked, so it is not known why.",
                (f"Temporal: {parts['temporal'].detail}", f"Workers by their heartbeats: {parts['workers'].detail}."),
                "Check that Temporal is up and reachable; System (6) shows what was tried.",
            )
        else:
            finding = Finding(
                "NO_POLLER",
                "No worker is polling the task queue workflow-runtime-v2.",
                (f"Workers: {parts['workers'].detail}.",),
                "Start a worker (runstudio worker). The run goes on by itself once one polls.",
            )
        return Diagnosis(row.run_id, (finding,), temporal_up)
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
                    "It goes on when the event is submitted, or when the wait times out.",
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
                    "Complete the task: runstudio tasks list.",
                )
            case _:
                finding = Finding(
                    f"WAITING_{row.wait.kind.name}",
                    "It waits for a point in time.",
                    (f"Waiting for {since}.",),
                    "Nothing needs doing.",
                )
        return Diagnosis(row.run_id, (finding,), temporal_up)
    if row.status.ended:
        finding = Finding("ENDED", f"The run is over: {row.status.value.lower()}.")
    else:
        finding = Finding("MOVING", "The run is moving.", (f"{row.step_count} steps so far, now at {row.step}.",))
    return Diagnosis(row.run_id, (finding,), temporal_up)
