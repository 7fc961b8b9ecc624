"""The actions of the benchmark: they do nothing, in the three ways an action can be run."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from pydantic import BaseModel
from sqlalchemy import text

from engine.actions.context import ActionContext
from engine.actions.registry import action

RAN: Counter[str] = Counter()
"""How often each action really ran in this process: a figure over steps that were not made is none."""
RAN_AT: dict[str, float] = {}
"""``time.perf_counter()`` when the action of a run was last called, by run id."""

_COUNT_UP = text(
    "INSERT INTO workflow_data_store (tenant, namespace, key, value) VALUES (CAST(:tenant AS uuid), 'bench', :key, '1')"
    " ON CONFLICT (tenant, namespace, key) DO UPDATE SET value = to_jsonb((workflow_data_store.value)::int + 1)"
)


class Given(BaseModel):
    value: Any = None


def _note(kind: str, ctx: ActionContext) -> None:
    RAN[kind] += 1
    RAN_AT[ctx.run_id] = time.perf_counter()


@action("bench.quick", input=Given, output=Given, quick=True)
async def quick(given: Given, ctx: ActionContext) -> Given:
    """Gives back what it got."""
    _note("quick", ctx)
    return given


@action("bench.ordinary", input=Given, output=Given)
async def ordinary(given: Given, ctx: ActionContext) -> Given:
    """Gives back what it got; nobody knows that it is quick."""
    _note("ordinary", ctx)
    return given


@action("bench.transactional", input=Given, output=Given, quick=True, transaction=True)
async def transactional(given: Given, ctx: ActionContext) -> Given:
    """Counts a row of its run up, in the step's own transaction: the one action here that does something."""
    _note("transactional", ctx)
    await ctx.transaction.execute(_COUNT_UP, {"tenant": ctx.tenant, "key": ctx.run_id})
    return given
