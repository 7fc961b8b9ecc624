"""The checker is able to fail: what is planted against each invariant is found, and before that nothing is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from random import Random

import pytest

from engine.contract import QUERY_CURRENT_WAIT, WORKFLOW_TYPE, workflow_id_for
from engine.errors import Conflict, NotFound, Unavailable
from engine.ids import new_id
from engine.operations.actor import Actor
from engine.store.tenant.disagreements import DISAGREED, STORES
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import ask, call, wait_event, when
from tests.faults.installation import Installation
from tests.faults.nemesis import operations, settling
from tests.faults.nemesis.definitions import Definition
from tests.faults.nemesis.evidence import gather
from tests.faults.nemesis.invariants import INVARIANTS, violations
from tests.faults.nemesis.journal import Journal
from tests.faults.nemesis.one_round import Round
from tests.faults.nemesis.operations import Operators
from tests.faults.nemesis.plan import Order, Plan, Sent
from tests.faults.nemesis.report import as_text
from tests.faults.nemesis.settling import Settling

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

CHILD = Definition("wf.child", [call("c", "ledger.inside")])
MAIN = Definition(
    "wf.main",
    [
        call("i", "ledger.inside"),
        call("o", "ledger.ordinary"),
        when("b", "payload.n > 4", [call("t", "ledger.quick")], [call("e", "ledger.quick")]),
        wait_event("w", "GO-0", key="payload.order"),
        ask("h"),
    ],
)
FIRED = Definition("wf.fired", [call("f", "ledger.quick")], {"type": "event", "eventName": "FIRE"})
GO = Sent("GO-0", 1, 10, "plain", 0.0)
ORDERS = [
    Order(0, "wf.main", 7, 0.0, "plain", 0.0, (GO,), None, False),
    Order(1, "wf.main", 2, 0.0, "plain", 0.0, (GO,), "again and again", True),
    Order(2, "wf.fired", 2, 0.0, "by an event", 0.0, (GO,), None, False),
]
OF_ORDER = "run_id = (SELECT run_id FROM workflow_runs WHERE idempotency_key = 'o-0')"


@dataclass(frozen=True)
class Planted:
    """Something wrong, and who has to find it."""

    invariant: str
    what: str
    plant: Callable[[Installation, Journal], Awaitable[None]]


def rows(invariant: str, what: str, sql: str) -> Planted:
    """Planted into the rows."""

    async def plant(installation: Installation, _journal: Journal) -> None:
        await installation.bench.execute(sql)

    return Planted(invariant, what, plant)


def effect(what: str, **changes: str) -> Planted:
    """An effect outside as the first one of the first order, but for what is changed."""

    async def plant(installation: Installation, journal: Journal) -> None:
        own = [entry for entry in installation.entries() if entry.run_id == journal.launches["o-0"]]
        first = asdict(replace(own[0], **changes))
        with installation.ledger.open("a") as ledger:
            ledger.write(json.dumps(first) + "\n")

    return Planted("effects_outside" if "key" in changes else "one_branch", what, plant)


def promise(invariant: str, what: str, make: Callable[[Journal], object]) -> Planted:
    """Something that is said to have been accepted."""

    async def plant(_installation: Installation, journal: Journal) -> None:
        make(journal)

    return Planted(invariant, what, plant)


async def _execution_without_row(installation: Installation, _journal: Journal) -> None:
    client = installation.bench.client
    await client.start_workflow(WORKFLOW_TYPE, {}, id=workflow_id_for(new_id()), task_queue="nobody")

    async def listed() -> bool:
        found = [execution async for execution in client.list_workflows("TaskQueue = 'nobody'")]
        return bool(found)

    await installation.until(listed, 60)


async def _effect_not_done(installation: Installation, journal: Journal) -> None:
    left = [line for line in installation.ledger.read_text().splitlines() if journal.launches["o-0"] not in line]
    installation.ledger.write_text("".join(f"{line}\n" for line in left))


PLANTS = [
    rows("rebuilt", "another output", f"UPDATE workflow_runs SET output_json = '{{\"other\": 1}}' WHERE {OF_ORDER}"),
    rows("events", "an event that nobody routed", "UPDATE workflow_runtime_events SET state = 'received'"),
    rows("events", "a delivery that was left", "UPDATE workflow_event_deliveries SET status = 'pending'"),
    rows("events", "one that was skipped for no reason",
         "UPDATE workflow_event_deliveries SET status = 'skipped', reason = NULL"),
    promise("events", "an event that is not there", lambda journal: journal.events.add("lost")),
    rows("events_taken", "an event of another order", f"UPDATE workflow_run_waits SET matched_event_id = 'o-1-0' WHERE {OF_ORDER}"
         " AND wait_type = 'event'"),
    rows("events_taken", "an event taken twice",
         "INSERT INTO workflow_run_waits (run_id, tenant, step_path, wait_type, status, matched_event_id)"
         f" SELECT run_id, tenant, 'again', wait_type, status, matched_event_id FROM workflow_run_waits WHERE {OF_ORDER}"
         " AND wait_type = 'event'"),
    promise("events_taken", "an event that started nothing", lambda journal: journal.fired.add("fire-lost")),
    rows("effects_inside", "one that was done twice",
         f"INSERT INTO ledger_inside SELECT key, run_id, at FROM ledger_inside WHERE {OF_ORDER}"),
    rows("effects_inside", "one that was not done", f"DELETE FROM ledger_inside WHERE {OF_ORDER}"),
    rows("effects_inside", "one that is not on record",
         f"INSERT INTO ledger_inside SELECT 'unknown', run_id, 0 FROM workflow_runs WHERE {OF_ORDER}"),
    effect("one that is not on record, under another key", key="other"),
    effect("the other branch", step_path="root.steps[2].else.steps[0]"),
    rows("one_branch", "steps of both",
         "INSERT INTO workflow_run_steps (run_id, tenant, step_path, iteration, visit, definition_step_id, status)"
         f" SELECT run_id, tenant, 'root.steps[9].' || side || '.steps[0]', '', 1, 'e', 'SUCCEEDED'"
         f" FROM workflow_runs, unnest(ARRAY['then', 'else']) AS side WHERE {OF_ORDER}"),
    rows("counted", "a step that was counted twice", "UPDATE workflow_runs SET step_count = step_count + 1"),
    promise("launches", "a launch without a row", lambda journal: journal.launches.update({"lost": "no run"})),
    rows("launches", "a launch that was left", f"UPDATE workflow_runs SET launch_state = 'pending' WHERE {OF_ORDER}"),
    promise("audited", "a cancel without an entry", lambda journal: journal.canceled.add("no run")),
    promise("audited", "a pause without an entry", lambda journal: journal.paused.update(["wf.main"])),
    rows("in_agreement", "a disagreement that was told of",
         "INSERT INTO workflow_audit_log (audit_id, tenant, actor, operation, target_kind, target_id, run_id)"
         " SELECT gen_random_uuid(), tenant, 'reconciler',"
         f" '{DISAGREED}', '{STORES}', run_id::text, run_id FROM workflow_runs WHERE {OF_ORDER}"),
    rows("ended", "a wait that was left", f"UPDATE workflow_run_waits SET status = 'WAITING' WHERE {OF_ORDER}"),
    rows("executions", "another end", f"UPDATE workflow_runs SET status = 'FAILED' WHERE {OF_ORDER}"),
    rows("ended", "a run that was left", f"UPDATE workflow_runs SET status = 'RUNNING' WHERE {OF_ORDER}"),
    Planted("effects_outside", "one that was not done", _effect_not_done),
    Planted("executions", "an execution without a row", _execution_without_row),
]  # fmt: skip


async def test_what_is_planted_against_each_invariant_is_found(installation: Installation) -> None:
    played = Round(Plan(1, [CHILD, MAIN, FIRED], ORDERS, ["wf.main"], [], []), installation)
    outcome = await played.play()
    assert outcome.violations == [], as_text(outcome)
    known = set(violations(await gather(installation, played.journal)))
    for planted in PLANTS:
        await planted.plant(installation, played.journal)
        found = set(violations(await gather(installation, played.journal)))
        named = {violation.invariant for violation in found - known}
        assert planted.invariant in named, f"{planted.what}: {named}"
        known = found
    assert {planted.invariant for planted in PLANTS} == set(INVARIANTS)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is on its way in these tests."""
    monkeypatch.setattr(settling, "STUCK_SECONDS", 3.0)
    monkeypatch.setattr(settling, "ON_ITS_WAY_SECONDS", 1.0)


async def named_while_it_waits(installation: Installation, journal: Journal) -> list[str]:
    """Names of what is found of runs that wait."""
    context = replace(installation.context, actor=Actor("nemesis", known_by="service"))
    end = Settling(installation, Operators(context, installation.url, journal), journal, Random(1))
    if await end.rest():
        await end.compare(await end.waiting())
    return [violation.invariant for violation in journal.found]


async def waiting(installation: Installation) -> tuple[Bench, Run]:
    """A run that waits for an event, in both stores."""
    await installation.bench.publish([wait_event("w", "GO-0", key="payload.order")])
    [run] = await installation.launch(1, lambda _: {"order": "o-0"})
    await run.waiting("event")

    async def known() -> bool:
        return await run.handle.query(QUERY_CURRENT_WAIT) is not None

    await installation.until(known, 60)
    return installation.bench, run


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("invariant", "sql"),
    [
        ("same_wait", "UPDATE workflow_run_waits SET step_path = 'root.steps[1]'"),
        ("rest", "UPDATE workflow_runs SET status = 'RUNNING', waiting_on = NULL"),
        (
            "overlooked",
            "INSERT INTO workflow_runtime_events (tenant, event_id, event_name, correlation_keys, payload)"
            " SELECT tenant, 'lost', 'GO-0', '[\"o-0\"]', '{\"n\": 1}' FROM workflow_runs",
        ),
    ],
)
async def test_what_is_planted_while_a_run_waits_is_found(installation: Installation, invariant: str, sql: str) -> None:
    async with installation.worker("worker"):
        bench, _run = await waiting(installation)
        assert await named_while_it_waits(installation, Journal()) == []
        await bench.execute(sql)
        assert await named_while_it_waits(installation, Journal()) == [invariant]


async def _never() -> str:
    await asyncio.Event().wait()
    return "not reached"


def _raising(*errors: Exception) -> Callable[[], Awaitable[str]]:
    """Raises one after the other, and answers then."""
    left = list(errors)

    async def request() -> str:
        if left:
            raise left.pop(0)
        return "accepted"

    return request


AWAY = Unavailable("POSTGRES_UNREACHABLE", "Postgres does not answer.")
UNKNOWN = NotFound("RUN_NOT_FOUND", "There is no such run.")
REFUSED = Conflict("RUN_ENDED", "The run has ended.")
OVERTAKEN = Conflict("LAUNCH_RACED", "Another one was first.")


async def _answers(
    installation: Installation, request: Callable[[], Awaitable[str]], *, rows_lost: bool = False
) -> list[str]:
    """Names of what is found of one request."""
    journal = Journal(rows_lost=rows_lost)
    await Operators(installation.context, installation.url, journal).accepted("cancel", request, "a run")
    return [violation.invariant for violation in journal.found]


async def test_an_answer_in_other_words_than_the_engines_is_found(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for request in (_raising(), _raising(AWAY, AWAY, OVERTAKEN), _raising(AWAY, REFUSED)):
        assert await _answers(installation, request) == []
    assert await _answers(installation, _raising(UNKNOWN), rows_lost=True) == []
    planted = (_raising(UNKNOWN), _raising(AWAY, RuntimeError("a driver's own words")), _raising(ValueError("a bug")))
    for request in planted:
        assert await _answers(installation, request) == ["answers"]
    monkeypatch.setattr(operations, "ACCEPTED_SECONDS", 0.0)
    assert await _answers(installation, _never) == ["answers"]
