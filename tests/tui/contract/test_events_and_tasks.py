"""Events and human tasks: what every backend answers and refuses."""

from __future__ import annotations

import pytest

from engine.errors import Conflict, EngineError, Invalid, NotFound
from engine.records import EventFilter

from .conftest import Scenario

NOBODY = "0198c2aa-0000-7000-8000-000000000000"


@pytest.fixture
def scenario(own_scenario: Scenario) -> Scenario:
    return own_scenario


async def test_an_event_is_taken_once_by_its_id(scenario: Scenario) -> None:
    events = scenario.backend.events
    first = await events.submit("contract.ping", {"n": 1}, key="k-1", event_id="contract-1")
    again = await events.submit("contract.ping", {"n": 1}, key="k-1", event_id="contract-1")
    with pytest.raises(Conflict, match="EVENT_ID_REUSED"):
        await events.submit("contract.ping", {"n": 2}, key="k-1", event_id="contract-1")
    assert (first.event_id, first.accepted, first.keys) == ("contract-1", True, ("k-1",))
    assert (again.event_id, again.accepted) == ("contract-1", False)
    [row] = (await events.list(EventFilter(name="contract.ping"))).rows
    assert (row.event_id, row.key) == ("contract-1", "k-1")
    detail = await events.get("contract-1")
    assert detail.payload is not None
    assert detail.payload.value == {"n": 1}
    page = await events.list(EventFilter(since=row.created_at), limit=1)
    assert page.rows[0].event_id == "contract-1"
    assert (await events.list(EventFilter(name="contract.ping", before=row.created_at))).rows == ()


async def test_dead_letters_are_the_failed_and_the_skipped(scenario: Scenario) -> None:
    events = scenario.backend.events
    dead = {row.delivery_id for row in (await events.deliveries(status="dead")).rows}
    apart = {row.delivery_id for word in ("failed", "skipped") for row in (await events.deliveries(status=word)).rows}
    assert dead == apart
    with pytest.raises(Invalid, match="FILTER_INVALID"):
        await events.deliveries(status="lost")


@pytest.mark.parametrize(
    ("delivery", "reason", "error", "code"),
    [
        (NOBODY, "because", Conflict, "DELIVERY_NOT_FAILED"),
        ("no id", "because", Conflict, "DELIVERY_NOT_FAILED"),
        (NOBODY, "x", Invalid, "REASON_TOO_SHORT"),
    ],
)
async def test_what_cannot_be_made_again_is_refused(
    scenario: Scenario, delivery: str, reason: str, error: type[EngineError], code: str
) -> None:
    with pytest.raises(error, match=code):
        await scenario.backend.events.redeliver(delivery, reason)


async def test_tasks_that_do_not_exist_are_refused(scenario: Scenario) -> None:
    tasks = scenario.backend.tasks
    for refused in (
        tasks.get(NOBODY),
        tasks.claim(NOBODY),
        tasks.release(NOBODY),
        tasks.assign(NOBODY, "ada", "because"),
    ):
        with pytest.raises(NotFound, match="TASK_NOT_FOUND"):
            await refused
    with pytest.raises(Invalid, match="ASSIGNEE_INVALID"):
        await tasks.assign(NOBODY, " ", "because")
    with pytest.raises(Invalid, match="REASON_TOO_SHORT"):
        await tasks.assign(NOBODY, "ada", "x")
