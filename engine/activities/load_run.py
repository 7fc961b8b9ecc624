"""The first activity of a run: reads its row, its definition and the traits of its actions; history keeps the answer."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from engine.activities.dependencies import ActivityDependencies
from engine.activities.errors import not_its_execution, require_known_steps, row_lost
from engine.activities.known_plans import remember, text_of
from engine.contract import workflow_id_for
from engine.definition.hash import definition_hash
from engine.definition.plan import Plan
from engine.errors import CORRUPTION, EngineError, Invalid
from engine.fault_points import reach
from engine.interpreter.effects import ActionTraits
from engine.store.database.transactions import writing
from engine.store.runs.child_runs import record_execution
from engine.store.runs.closing import earlier_end
from engine.store.runs.loading import LoadedRun, load_run
from engine.store.tenant.place import is_of_another_database
from engine.workflow.plans import plan_of
from engine.workflow.wire import LOAD_RUN, STEPS_NOT_HERE, LoadRunInput, LoadRunOutput


class LoadRun:
    """See the module."""

    def __init__(self, dependencies: ActivityDependencies) -> None:
        self._store = dependencies.store
        self._actions = dependencies.actions

    @activity.defn(name=LOAD_RUN)
    async def load_run(self, request: LoadRunInput) -> LoadRunOutput:
        """What the run needs to begin or to go on; ``refused`` when it can never run, ``closed`` when it is over.

        Raises ``not_its_execution``.
        """
        reach("load_run.before")
        if activity.info().workflow_id != workflow_id_for(request["run"]):
            raise not_its_execution(request["run"], activity.info().workflow_id or "")
        try:
            run = await load_run(self._store, request["run"])
        except Invalid as problem:
            return _refused(problem.code, problem.message)
        if run is None:
            await self._leave_to_another_database(request)
        if run is not None and run.status not in ("RUNNING", "WAITING"):
            return await self._closed(request["run"])
        answer = self._refusal_or_definition(run, waits=not request.get("to_cancel", False))
        if run is not None and "definition" in answer and not request["resumed"]:
            answer["payload"] = run.input
            answer["meta"] = run.meta
            if run.is_child:
                await record_execution(self._store, request["run"], activity.info().workflow_run_id or "")
        reach("load_run.after")
        return answer

    async def _leave_to_another_database(self, request: LoadRunInput) -> None:
        """Raises what Temporal repeats, until a worker of the database that has the row asks."""
        async with writing(self._store) as connection:
            theirs = await is_of_another_database(connection, request.get("place"))
        if theirs:
            raise row_lost(request["run"])

    async def _closed(self, run_id: str) -> LoadRunOutput:
        end = await earlier_end(self._store, run_id)
        if end is None:
            raise RuntimeError(f"The run {run_id} was closed a moment ago and is open now.")
        return {"closed": {"status": end.status, "error": end.error, "scopes": end.scopes}}

    def _refusal_or_definition(self, run: LoadedRun | None, *, waits: bool) -> LoadRunOutput:
        """``waits``: for a worker that can read the definition, where this one cannot."""
        if run is None:
            return _refused("RUN_NOT_FOUND", "The run's row does not exist in this database.")
        version = f"Version {run.workflow_version} of workflow {run.workflow_id}"
        if run.definition is None:
            return _refused("DEFINITION_NOT_FOUND", f"{version} does not exist.")
        text = text_of(run.definition)
        try:
            require_known_steps(run, text)
        except ApplicationError as elsewhere:
            if waits:
                raise
            return _refused(STEPS_NOT_HERE, elsewhere.message)
        try:
            found = definition_hash(run.definition)
            if run.definition_hash not in (None, found):
                return _refused("DEFINITION_HASH_MISMATCH", f"{version} is not what it was when the run was started.")
            plan = plan_of(text)
            remember(found, plan)
        except EngineError as problem:
            return _refused("DEFINITION_INVALID", f"{version} cannot be read: {problem.message}", problem.details)
        published: LoadRunOutput = {} if run.action_traits is None else {"published": True}
        return {
            **published,
            "definition": text,
            "hash": found,
            "workflow": run.workflow_id,
            "version": run.workflow_version,
            "tenant": run.tenant,
            "root": run.root_run_id,
            "child": run.is_child,
            "limited": run.limited,
            "traits": self._traits(plan) if run.action_traits is None else _known(run.action_traits),
        }

    def _traits(self, plan: Plan) -> dict[str, dict[str, Any]]:
        """By ``id@version``, of a version that does not tell. An action that is not registered here is absent."""
        known = ((name, self._actions.find(*name)) for name in plan.actions)
        return {f"{name[0]}@{name[1]}": asdict(found.traits) for name, found in known if found is not None}


def _known(traits: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """As published; a later release may have published more than this one knows."""
    names = {known.name for known in fields(ActionTraits)}
    return {
        action: {name: value for name, value in published.items() if name in names}
        for action, published in traits.items()
    }


def _refused(code: str, message: str, details: Any = None) -> LoadRunOutput:
    error: dict[str, Any] = {"category": CORRUPTION, "code": code, "message": message}
    return {"refused": {**error, "details": details} if details else error}
