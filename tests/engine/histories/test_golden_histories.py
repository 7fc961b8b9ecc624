"""Histories of runs that are under way somewhere replay on this build, and a change that breaks them is caught."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import NondeterminismError

from engine.contract import SEMANTICS_VERSION, TEMPORAL_CLOCK_SEMANTICS
from engine.interpreter import effects as fx
from engine.interpreter.run_state import RunState
from engine.temporal.data_converter import OrderedJsonPayloads
from engine.workflow import calls, chains, perform, run_workflow
from engine.workflow.effort import Effort
from engine.workflow.perform import Performer
from engine.workflow.position import Position
from tests.engine.histories.scenarios import SCENARIOS

DIRECTORY = Path(__file__).parent
GOLDEN = sorted(DIRECTORY.glob("*/*.json"))


def history_of(path: Path) -> WorkflowHistory:
    kept = json.loads(path.read_text(encoding="utf-8"))
    return WorkflowHistory.from_json(kept["workflow_id"], kept["history"])


def replayer() -> Replayer:
    """Sandboxed, as the tests' workers are: what is not deterministic shows."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules("engine")
    return Replayer(
        workflows=[run_workflow.RunWorkflow],
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
        data_converter=DataConverter(payload_converter_class=OrderedJsonPayloads),
    )


def test_every_scenario_has_a_history_of_the_present_version() -> None:
    assert {path.stem for path in GOLDEN if path.parent.name == SEMANTICS_VERSION} == set(SCENARIOS)


def test_every_version_there_are_histories_of_is_supported() -> None:
    assert {path.parent.name for path in GOLDEN} <= run_workflow.SUPPORTED_SEMANTICS


@pytest.mark.parametrize("path", GOLDEN, ids=[f"{path.parent.name}-{path.stem}" for path in GOLDEN])
async def test_replays(path: Path) -> None:
    await replayer().replay_workflow(history_of(path))


async def replay(name: str, version: str = SEMANTICS_VERSION) -> None:
    await replayer().replay_workflow(history_of(DIRECTORY / version / f"{name}.json"))


@pytest.mark.parametrize(
    "gate",
    ["earlier", "rounds"],
    ids=["keys as they are written, and a loop's failure in its old words", "integers beyond 2^53 rounded"],
)
async def test_an_earlier_run_that_computes_by_the_present_rules_is_caught(
    gate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its history was recorded by the build that had those semantics."""
    original = RunState.__init__

    def by_the_present_rules(self: RunState, *given: Any) -> None:
        original(self, *given)
        setattr(self, gate, False)

    monkeypatch.setattr(RunState, "__init__", by_the_present_rules)
    # It fails its run, and the history has the answer of one that succeeded.
    with pytest.raises(RuntimeError, match="Workflow activation completion failed"):
        await replay("rules_of_values", TEMPORAL_CLOCK_SEMANTICS)


async def test_another_kind_of_activity_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perform, "run_ordinary", calls.run_quick)
    with pytest.raises(NondeterminismError):
        await replay("steps")


async def test_another_order_of_commands_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Performer._quick

    async def flushing_first(self: Performer, effect: fx.CallAction) -> None:
        await self._flush(fx.Flush(effect.trace, effect.steps_started))
        await original(self, effect)

    monkeypatch.setattr(Performer, "_quick", flushing_first)
    with pytest.raises(NondeterminismError):
        await replay("failed")


async def test_a_wait_that_opens_no_timer_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Position.until

    async def without_deadline(self: Position, arrived: Any, due_at: str | None, summary: str) -> bool:
        return await original(self, arrived, None, summary)

    monkeypatch.setattr(Position, "until", without_deadline)
    with pytest.raises(NondeterminismError):
        await replay("waits")


async def test_another_estimate_of_what_a_replay_costs_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Effort, "nanoseconds", lambda *_: 0)
    with pytest.raises(NondeterminismError):
        await replay("continued_by_cost")


async def test_a_machine_that_computes_something_else_than_its_chain_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    original = chains._feed

    def half_a_second_late(position: Position, answer: Any) -> None:
        original(
            position, {**answer, "outcomes": [{**outcome, "at": outcome["at"] + 500} for outcome in answer["outcomes"]]}
        )

    monkeypatch.setattr(chains, "_feed", half_a_second_late)
    with pytest.raises(RuntimeError, match="have come apart"):
        await replay("steps")


ROUND_AND_ROUND = DIRECTORY / "round_and_round_in_a_cancel.json"
"""The beginning of a run whose outcome and cancel came together, when such an outcome was dropped and the end asked for again."""


async def test_a_run_that_dropped_an_outcome_beside_its_cancel_replays() -> None:
    await replayer().replay_workflow(history_of(ROUND_AND_ROUND))


async def test_taking_in_that_outcome_without_its_patch_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls.workflow, "patched", lambda _patch: True)
    with pytest.raises(RuntimeError, match="outcomes"):
        await replayer().replay_workflow(history_of(ROUND_AND_ROUND))
