"""Chains of quick steps under what happens beside them: Postgres gone, quota used up, a worker of another build."""

from __future__ import annotations

import pytest

from engine.operations.quota.quota import resume_from_quota, set_quota_limit
from tests.engine.workflow.steps import Step, assign, call, for_each
from tests.faults.installation import Installation

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

RUNS = 12
TEN: list[Step] = [
    for_each("l", "[1..5]", [call("q", "ledger.quick"), assign("n", n="item"), call("i", "ledger.inside")])
]
"""Ten actions that are one chain as long as nothing comes in between."""
NEXT_BUILD = (
    "import engine; engine.__version__ = '9.9.9'; import engine.actions.declaration as d; import tests.faults.ledger as l;"
    " setattr(l.quick, d._MARK, ()); d.action('ledger.quick', input=l.Given, output=l.Answer)(l.quick)"
)


async def test_postgres_restarted_in_their_middle(installation: Installation) -> None:
    await installation.bench.publish(TEN)
    async with installation.worker("worker"):
        runs = await installation.launch(RUNS, lambda _: {})
        for round_ in range(1, 4):
            await installation.done(round_ * RUNS)
            await installation.restart_postgres(away=1.0)
        await installation.all_ended()
    assert await installation.account(runs, executed=5 * RUNS, inside=5 * RUNS) == {"SUCCEEDED": RUNS}


@pytest.mark.parametrize("last", [1, 3])
async def test_a_worker_that_dies_where_the_quota_ends(installation: Installation, last: int) -> None:
    """Eight units: the loop, two of its turns with three steps each, and the first action of the third."""
    await set_quota_limit(installation.context, 8)
    await installation.bench.publish(TEN)
    [run] = await installation.launch(1, lambda _: {})
    async with installation.worker("doomed", last=last, ready=False) as doomed:
        await doomed.ended()
    async with installation.worker("heir"):
        await run.waiting("quota")
        assert (await run.row())["step_count"] == 8
        await set_quota_limit(installation.context, None)
        await resume_from_quota(installation.context, run.id)
        await installation.all_ended()
    assert await installation.account([run], executed=5, inside=5) == {"SUCCEEDED": 1}


async def test_a_worker_of_another_build_goes_on_where_one_died(installation: Installation) -> None:
    """To the other the action is no quick one; the run keeps to what it began with."""
    await installation.bench.publish(TEN)
    runs = await installation.launch(RUNS, lambda _: {})
    async with installation.worker("old", last=2 * RUNS, ready=False) as old:
        await old.ended()
        async with installation.worker("new", before=NEXT_BUILD):
            await installation.all_ended()
    assert await installation.account(runs, executed=5 * RUNS, inside=5 * RUNS) == {"SUCCEEDED": RUNS}
    identities = await installation.bench.rows("SELECT DISTINCT worker_identity FROM workflow_action_invocations")
    assert len(identities) == 2
