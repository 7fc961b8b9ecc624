"""One round: an installation of its own, everything its plan has at the same time, and what is true afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from sqlalchemy.exc import SQLAlchemyError

from engine.operations.actor import Actor
from engine.store.database.engine import create_store_engine
from tests.faults.installation import Installation
from tests.faults.nemesis.evidence import Evidence, gather
from tests.faults.nemesis.faults import Target, make_fail
from tests.faults.nemesis.invariants import violations
from tests.faults.nemesis.journal import Journal, Violation
from tests.faults.nemesis.operations import Operators
from tests.faults.nemesis.plan import Fault, Plan
from tests.faults.nemesis.restores import all_is_brought_together
from tests.faults.nemesis.settling import Settling
from tests.faults.nemesis.workforce import Workforce

PARTS = 3
"""Of an order, on average; the faults are spread over all of them."""

_ALL = 10**9


@dataclass(frozen=True)
class Outcome:
    """What a round came to."""

    plan: Plan
    journal: Journal
    violations: list[Violation]
    figures: Counter[str]
    """Runs by their end, steps, events, effects."""


class Round:
    """Plays a plan on an installation."""

    def __init__(self, plan: Plan, installation: Installation) -> None:
        self._plan, self._installation = plan, installation
        self.journal = Journal()
        context = replace(installation.context, actor=Actor("nemesis", known_by="service"))
        self._operators = Operators(context, installation.url, self.journal)
        self._parts = 0
        self._part_done = asyncio.Event()

    async def play(self) -> Outcome:
        """Everything at once, until all has come to an end."""
        await self._operators.publish(self._plan.definitions)
        async with Workforce(self._installation) as workforce:
            self.journal.tell("workers are ready")
            own = create_store_engine(self._installation.url)
            target = Target(self._installation, workforce, self.journal, own)
            clerk = asyncio.create_task(self._clerk())
            lanes = [
                asyncio.create_task(self._lane(target, faults))
                for faults in (self._plan.worker_faults, self._plan.server_faults)
            ]
            try:
                await asyncio.gather(self._orders(), self._pauses())
                self.journal.tell("all orders are carried out")
                await asyncio.gather(*lanes)
            finally:
                clerk.cancel()
                for lane in lanes:
                    lane.cancel()
                # What a lane has made fail is put right before anybody goes on.
                await asyncio.gather(clerk, *lanes, return_exceptions=True)
                await own.dispose()
            try:
                await workforce.ready()
            except AssertionError as not_ready:
                self.journal.found.append(
                    Violation("rest", f"a worker does not become ready again: {not_ready}"[-2000:])
                )
            self.journal.tell("all faults are over")
            chance = Random(f"{self._plan.seed} settling")
            await Settling(self._installation, self._operators, self.journal, chance).end_everything()
            if self.journal.counts["restore_postgres"] or self.journal.counts["restore_temporal"]:
                await all_is_brought_together(self._installation)
            self.journal.tell("everything has ended")
            evidence = await gather(self._installation, self.journal)
        found = [*self.journal.found, *violations(evidence)]
        return Outcome(self._plan, self.journal, found, _figures(evidence))

    async def _orders(self) -> None:
        await asyncio.gather(*(self._operators.carry_out(order, self._one_part) for order in self._plan.orders))
        self._parts = _ALL
        self._part_done.set()

    def _one_part(self) -> None:
        self._parts += 1
        self._part_done.set()

    async def _lane(self, target: Target, faults: Sequence[Fault]) -> None:
        """One fault after the other, each as soon as enough of the orders is done; when all are, only what was not there yet."""
        for index, fault in enumerate(faults):
            needed = index * PARTS * len(self._plan.orders) // (len(faults) + 1)
            while self._parts < needed:
                self._part_done.clear()
                await self._part_done.wait()
            if self._parts < _ALL or not self.journal.counts[fault.name]:
                await make_fail(target, fault)

    async def _pauses(self) -> None:
        chance = Random(f"{self._plan.seed} pauses")
        for workflow_id in self._plan.paused:
            await asyncio.sleep(chance.uniform(0, 2))
            await self._operators.pause(workflow_id, chance.uniform(0.2, 3))

    async def _clerk(self) -> None:
        """Answers every second task while the orders are carried out."""
        seen: set[str] = set()
        while True:
            await asyncio.sleep(0.5)
            try:
                tasks = await self._installation.bench.rows(
                    "SELECT task_id::text AS id FROM workflow_human_tasks WHERE status = 'pending' ORDER BY created_at"
                )
            except (SQLAlchemyError, OSError):
                continue
            for task in tasks:
                if task["id"] not in seen:
                    seen.add(task["id"])
                    if len(seen) % 2:
                        await self._operators.answer(task["id"])


def _figures(evidence: Evidence) -> Counter[str]:
    ends = Counter(f"runs {row['status'].lower()}" for row in evidence.runs)
    ends["runs"] = len(evidence.runs)
    ends["runs called by others"] = sum(row["parent_run_id"] is not None for row in evidence.runs)
    ends["steps"] = len(evidence.steps)
    ends["attempts of actions"] = len(evidence.attempts)
    ends["events"] = len(evidence.events)
    ends["events taken"] = sum(row["matched_event_id"] is not None for row in evidence.waits)
    ends["effects inside"] = len(evidence.inside)
    ends["effects outside"] = len(evidence.entries)
    ends["effects outside that were repeated"] = len(evidence.entries) - len(
        {(entry.key, entry.attempt) for entry in evidence.entries}
    )
    return ends
