"""Compiled definitions by their hash: a run names its definition by that, and the worker reads it once."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any, Final

from engine.activities.errors import require_known_steps
from engine.definition.hash import definition_hash
from engine.definition.plan import Plan
from engine.store.database.transactions import Store
from engine.store.runs.loading import load_run
from engine.workflow.plans import PLANS_KEPT, plan_of

_KNOWN: Final[OrderedDict[str, Plan]] = OrderedDict()


def text_of(definition: Any) -> str:
    """The JSON text from which a plan is made: the order of keys is the author's."""
    return json.dumps(definition, separators=(",", ":"), ensure_ascii=False)


def remember(digest: str, plan: Plan) -> None:
    """Keep a plan; the one that was not used for longest goes when there are too many."""
    _KNOWN[digest] = plan
    _KNOWN.move_to_end(digest)
    if len(_KNOWN) > PLANS_KEPT:
        _KNOWN.popitem(last=False)


async def plan_by_hash(store: Store, run_id: str, digest: str) -> Plan:
    """The plan of a run's definition.

    Raises ``LookupError`` when the run has no such definition any more, and as ``require_known_steps``.
    """
    if digest not in _KNOWN:
        run = await load_run(store, run_id)
        if run is None or run.definition is None or definition_hash(run.definition) != digest:
            raise LookupError(f"The definition of run {run_id}, {digest}, is not in this database.")
        text = text_of(run.definition)
        require_known_steps(run, text)
        remember(digest, plan_of(text))
    _KNOWN.move_to_end(digest)
    return _KNOWN[digest]
