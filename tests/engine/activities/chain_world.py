"""A run at its first quick step, and the chain that begins there; on a real database, without Temporal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from engine.actions.pure_host import PureHost
from engine.actions.secrets import EnvironmentSecrets, SecretResolver
from engine.activities.dependencies import ActivityDependencies
from engine.activities.known_plans import remember
from engine.activities.run_chain import RunChain
from engine.contract import SEMANTICS_VERSION
from engine.definition.compile import compile_definition
from engine.definition.hash import definition_hash
from engine.definition.parse import parse_definition
from engine.errors import RunError
from engine.ids import new_id
from engine.interpreter import effects as fx
from engine.interpreter.machine import Machine
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from engine.workflow.encoding import encode_trace
from engine.workflow.wire import RunChainInput, RunChainOutput
from tests.engine.workflow.actions import Counts, registry_of
from tests.engine.workflow.steps import Step

BEGAN_MS = 1_750_000_000_000


class ChainWorld:
    """A store and what was done in it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.counts = Counts()

    def dependencies(self, identity: str = "one") -> ActivityDependencies:
        registry = registry_of(self.counts)
        return ActivityDependencies(self.store, registry, SecretResolver([EnvironmentSecrets({})]), identity)

    async def begin(self, steps: list[Step], *, quota: int | None = None, child: bool = False) -> Began:
        """A run in the database, with its machine at the first effect."""
        source = {"id": "wf", "version": 1, "name": "W", "payloadSchemaRef": "payload.Any.v1", "steps": steps}
        plan, digest, run_id = compile_definition(parse_definition(source)), definition_hash(source), new_id()
        remember(digest, plan)
        statement = text(
            "INSERT INTO workflow_runs (run_id, tenant, workflow_id, workflow_version, status, engine, input_json)"
            " VALUES (CAST(:id AS uuid), CAST(:tenant AS uuid), 'wf', 1, 'RUNNING', 'temporal', '{}')"
        )
        async with self.store.begin() as connection:
            await connection.execute(statement, {"id": run_id, "tenant": DEFAULT_TENANT})
        known = (self.dependencies().actions.find(*action) for action in plan.actions)
        traits = {action.label: action.traits for action in known if action is not None}
        facts = fx.RunFacts(run_id, "wf", 1, DEFAULT_TENANT, digest, SEMANTICS_VERSION)
        machine = Machine.start(plan, facts, {}, None, PureHost(), traits, quota, at_ms=BEGAN_MS)
        return Began(machine, facts, traits, child=child)

    async def go(
        self, began: Began, *, tell: bool = False, identity: str = "one", environment: ActivityEnvironment | None = None
    ) -> RunChainOutput:
        """Run the chain once."""
        request: RunChainInput = {**began.request, "tell": tell}
        chain = RunChain(self.dependencies(identity)).run_chain
        return await (environment or ActivityEnvironment()).run(chain, request)

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        async with self.store.connect() as connection:
            return [dict(row) for row in (await connection.execute(text(sql))).mappings()]

    async def tries(self) -> list[tuple[str, int, str]]:
        """(path, attempt, status), in the order of the run."""
        rows = await self.rows(
            "SELECT step_path || iteration AS place, attempt, status FROM workflow_action_invocations"
            " ORDER BY length(step_path || iteration), place, attempt"
        )
        return [(row["place"], row["attempt"], row["status"]) for row in rows]

    async def status(self) -> str:
        """Of the one run."""
        [row] = await self.rows("SELECT status FROM workflow_runs")
        return str(row["status"])


class Began:
    """The workflow's side of a chain: its machine, which is fed what the chain answers."""

    def __init__(
        self, machine: Machine, facts: fx.RunFacts, traits: dict[str, fx.ActionTraits], *, child: bool
    ) -> None:
        self.machine = machine
        self.run_id = facts.run_id
        effect = machine.advance()
        assert isinstance(effect, fx.CallAction)
        self.request: RunChainInput = {
            "run": facts.run_id,
            "tenant": facts.tenant,
            "trace": encode_trace(effect.trace),
            "seq": machine.seq,
            "steps": effect.steps_started,
            "workflow": facts.workflow_id,
            "workflow_version": facts.workflow_version,
            "hash": facts.definition_hash,
            "semantics": facts.semantics_version,
            "root": None,
            "machine": machine.snapshot(),
            "traits": {name: asdict(value) for name, value in traits.items()},
            "child": child,
            "tell": False,
        }

    def fed(self, answer: RunChainOutput) -> fx.Effect:
        """What the run needs next, after the workflow's machine has taken the outcomes; its state is the chain's."""
        for number, outcome in enumerate(answer["outcomes"]):
            if number:
                assert isinstance(self.machine.advance(), fx.CallAction)
            if "error" in outcome:
                self.machine.resume(fx.StepFailed(RunError.from_json(outcome["error"])), outcome["at"])
            else:
                self.machine.resume(fx.ActionSucceeded(outcome["ok"]), outcome["at"])
        assert (self.machine.seq, self.machine.digest()) == (answer["seq"], answer["digest"])
        return self.machine.advance()
