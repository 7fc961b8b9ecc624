"""The examples, played with their real actions: a real Postgres, the real partner server, and time that is moved by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import jsonschema
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.actions.context import ActionContext
from engine.actions.invoke import invoke
from engine.actions.registry import ActionRegistry, load_actions
from engine.actions.secrets import EnvironmentSecrets, SecretResolver
from engine.contract import SEMANTICS_VERSION
from engine.definition.compile import compile_definition
from engine.definition.hash import definition_hash
from engine.definition.parse import parse_definition
from engine.errors import RunError, StepFailure
from engine.ids import new_id
from engine.interpreter import effects as fx
from engine.interpreter.machine import Machine
from engine.rebuild.memory_host import EvenHost, VirtualClock
from engine.settings import DEFAULT_TENANT, Settings
from engine.store.data import data_store
from runstudio_examples import catalog
from runstudio_examples.catalog import EXAMPLES, Example, first_runs
from runstudio_examples.partners import CARRIER_TOKEN, PAYMENTS_KEY
from runstudio_examples.shop_actions.carrier_server import carrier_server

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
BY_NAME = {example.name: example for example in EXAMPLES}


@pytest.fixture
def partners() -> Iterator[str]:
    with carrier_server(0, count_seconds=0) as url:
        yield url


@pytest.fixture(scope="module")
def shop() -> ActionRegistry:
    hosts = (catalog.ENVIRONMENT["RUNSTUDIO_HTTP_ALLOWED_HOSTS"],)
    return load_actions([catalog.ACTIONS_MODULE], Settings(http_allowed_hosts=hosts))


class Play:
    """One run in memory, until it ends or waits for something nobody sends."""

    def __init__(
        self, example: Example, payload: Mapping[str, Any], shop: ActionRegistry, database: AsyncEngine
    ) -> None:
        plan = compile_definition(parse_definition(example.definition))
        clock = VirtualClock(NOW)
        facts = fx.RunFacts(
            new_id(), plan.workflow_id, 1, DEFAULT_TENANT, definition_hash(example.definition), SEMANTICS_VERSION
        )
        traits = {f"{name}@{version}": shop.traits(name, version) for name, version in plan.actions}
        self.facts = facts
        self.tries: list[tuple[str, int, str | None]] = []
        """Step id, attempt, and the code it failed with, of every try of an action."""
        self.given: list[Any] = []
        """Inputs and outputs, as they would be stored."""
        self._machine = Machine.start(
            plan, facts, dict(payload), None, EvenHost(), traits, quota_units=None, at_ms=clock.now_ms
        )
        self._clock = clock
        self._shop = shop
        self._database = database
        self._secrets = SecretResolver([EnvironmentSecrets(catalog.ENVIRONMENT)])

    async def until_rest(
        self, events: tuple[catalog.SampleEvent, ...] = (), response: dict[str, Any] | None = None
    ) -> fx.Effect:
        """The effect the run rests on: Finish, or a wait."""
        while True:
            effect = self._machine.advance()
            match effect:
                case fx.Finish():
                    return effect
                case fx.CallAction():
                    outcome: fx.Outcome = await self._call(effect)
                case fx.Sleep():
                    self._clock.advance(effect.delay_ms)
                    outcome = fx.Elapsed()
                case fx.Flush():
                    outcome = fx.Flushed()
                case fx.AwaitEvent() if found := [
                    e for e in events if (e.name, e.key) == (effect.event_name, effect.key)
                ]:
                    event = found[0]
                    outcome = fx.EventArrived(
                        event.event_id, event.name, event.key, event.payload, "2026-11-23T10:00:00.000Z"
                    )
                case fx.AwaitTask() if response is not None:
                    outcome = fx.TaskCompleted("HUMAN_TASK_COMPLETED", response)
                case fx.AwaitQuota():
                    outcome = fx.QuotaGranted(None)
                case _:
                    return effect
            self._machine.resume(outcome, self._clock.now_ms)

    @property
    def scopes(self) -> dict[str, Any]:
        return self._machine.scopes

    async def _call(self, effect: fx.CallAction) -> fx.Outcome:
        registered = self._shop.get(effect.action_id, effect.action_version)
        self.given.append(effect.input)
        step = effect.step
        try:
            resolved = await self._secrets.resolve(effect.input, effect.secret_paths, DEFAULT_TENANT)
            async with self._database.begin() as connection:
                context = ActionContext(
                    tenant=DEFAULT_TENANT,
                    run_id=self.facts.run_id,
                    workflow_id=self.facts.workflow_id,
                    workflow_version=1,
                    step_path=step.path,
                    iteration=step.iteration,
                    attempt=effect.attempt,
                    idempotency_key=f"{self.facts.run_id}:{step.path}:{step.iteration}",
                    connection=connection if registered.traits.transaction else None,
                )
                output = await invoke(registered, resolved.value, context, resolved.secrets)
        except StepFailure as failure:
            self.tries.append((step.step_id, effect.attempt, failure.code))
            self.given.append([failure.message, failure.details])
            return fx.StepFailed(
                RunError(failure.category, failure.message, code=failure.code, details=failure.details)
            )
        self.tries.append((step.step_id, effect.attempt, None))
        self.given.append(output)
        return fx.ActionSucceeded(output)


MakePlay = Callable[[str, Mapping[str, Any]], Play]


@pytest.fixture
def play(shop: ActionRegistry, database: AsyncEngine, partners: str) -> MakePlay:
    def make(name: str, payload: Mapping[str, Any]) -> Play:
        here = {} if name == "reminder" else {"partner_url": partners}
        return Play(BY_NAME[name], {**payload, **here}, shop, database)

    return make


async def stored(database: AsyncEngine, namespace: str, key: str) -> Any:
    async with database.connect() as connection:
        found = await data_store.get(connection, data_store.Slot(DEFAULT_TENANT, namespace, key))
    return None if found is None else found.value


async def outbox(database: AsyncEngine) -> list[dict[str, Any]]:
    async with database.connect() as connection:
        return [item.value for item in await data_store.page(connection, DEFAULT_TENANT, "shop.outbox", limit=50)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_payloads_fit_their_schemas_and_mappings_their_actions(example: Example, shop: ActionRegistry) -> None:
    jsonschema.Draft202012Validator.check_schema(dict(example.payload_schema))
    validator = jsonschema.Draft202012Validator(dict(example.payload_schema), format_checker=jsonschema.FormatChecker())
    for title, payload in example.payloads.items():
        assert not list(validator.iter_errors(payload)), title
    for run in first_runs(NOW):
        if run.workflow_id == example.name:
            assert not list(validator.iter_errors(run.payload)), run.key
    for form in example.forms.values():
        jsonschema.Draft202012Validator.check_schema(dict(form))
    for step in action_calls(example.definition["steps"]):
        schema = shop.input_schema(step["config"]["actionId"], step["config"]["version"])
        mapped = set(step["config"]["inputMapping"])
        assert set(schema.get("required", ())) <= mapped <= set(schema.get("properties", ())), step["id"]


def action_calls(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in steps:
        if step["type"] == "action.call":
            yield step
        for branch in ("then", "else", "try", "catch", "body"):
            yield from action_calls(step.get(branch, []))


async def test_the_first_runs_come_to_rest_as_the_catalog_says(play: MakePlay, database: AsyncEngine) -> None:
    rests: dict[type, str] = {fx.AwaitTime: "WAITING", fx.AwaitEvent: "WAITING", fx.AwaitTask: "WAITING"}
    seen = set()
    for run in first_runs(NOW):
        # Here nobody needs time to count, and a run that is canceled rests in its wait.
        expected = {"RUNNING": "SUCCEEDED", "CANCELED": "WAITING"}.get(run.ends, run.ends)
        effect = await play(run.workflow_id, run.payload).until_rest(run.events)
        status = effect.status if isinstance(effect, fx.Finish) else rests[type(effect)]
        assert status == expected, (run.key, effect)
        seen.add(run.ends)
    assert seen == {"RUNNING", "WAITING", "SUCCEEDED", "FAILED", "CANCELED"}
    assert len({run.key for run in first_runs(NOW)}) == len(first_runs(NOW))


async def test_an_order_is_shipped_booked_and_told(play: MakePlay, database: AsyncEngine) -> None:
    order = BY_NAME["order-fulfilment"].payloads["payload"]
    picked_up = catalog.SampleEvent("carrier.picked_up", "ORD-1042", {"order_id": "ORD-1042", "parcel": "PX-1"}, "e1")
    run = play("order-fulfilment", order)
    effect = await run.until_rest((picked_up,))
    assert isinstance(effect, fx.Finish)
    assert effect.status == "SUCCEEDED", effect.error
    assert run.scopes["meta"]["state"] == "SHIPPED"
    assert run.scopes["vars"]["service"] == "express"
    assert await stored(database, "shop.stock", "SKU-1") == 498
    assert await stored(database, "shop.balances", "sales") == run.scopes["vars"]["total"] == 126.5
    (message,) = await outbox(database)
    assert message["to"] == "ada@customers.example"
    assert "# Your parcel is on its way\n\nDear Ada Lovelace,  \nthe carrier" in message["body"]
    assert "- Parcel: PX-1\n- Paid: 126.5" in message["body"]
    kept = json.dumps(run.given)
    assert CARRIER_TOKEN not in kept
    assert PAYMENTS_KEY not in kept


async def test_a_replayed_order_takes_no_more_stock(play: MakePlay, database: AsyncEngine) -> None:
    for _ in range(2):
        await play("order-fulfilment", BY_NAME["order-fulfilment"].payloads["payload"]).until_rest()
    assert await stored(database, "shop.stock", "SKU-1") == 498


async def test_a_declined_card_gives_the_stock_back(play: MakePlay, database: AsyncEngine) -> None:
    run = play("order-fulfilment", BY_NAME["order-fulfilment"].payloads["declined"])
    effect = await run.until_rest()
    assert isinstance(effect, fx.Finish)
    assert effect.status == "SUCCEEDED"
    assert run.scopes["vars"]["problem"]["code"] == "CARD_DECLINED"
    assert run.scopes["meta"]["state"] == "PAYMENT_DECLINED"
    assert await stored(database, "shop.stock", "SKU-3") == 500
    assert await stored(database, "shop.reservations", "ORD-1044") is None
    assert [message["to"] for message in await outbox(database)] == ["alan@customers.example"]


async def test_an_order_that_cannot_be_filled_takes_nothing(play: MakePlay, database: AsyncEngine) -> None:
    run = play("order-fulfilment", BY_NAME["order-fulfilment"].payloads["out of stock"])
    effect = await run.until_rest()
    assert isinstance(effect, fx.Finish)
    assert effect.error is not None
    assert effect.error["code"] == "OUT_OF_STOCK"
    assert await stored(database, "shop.stock", "SKU-5") is None
    assert await stored(database, "shop.stock", "SKU-9") is None


@pytest.mark.parametrize(("approved", "state"), [(True, "BOOKED"), (False, "REJECTED")])
async def test_a_person_decides_on_a_doubtful_invoice(
    play: MakePlay, database: AsyncEngine, approved: bool, state: str
) -> None:
    run = play("invoice-intake", BY_NAME["invoice-intake"].payloads["bad line"])
    effect = await run.until_rest()
    assert isinstance(effect, fx.AwaitTask)
    assert effect.description == "SKU-2 is invoiced at 199.00, agreed are 49.54."
    assert isinstance(await run.until_rest(response={"approved": approved, "comment": "Too dear."}), fx.Finish)
    assert run.scopes["meta"]["state"] == state
    assert (await stored(database, "shop.balances", "payables") is not None) is approved
    assert [message["body"] for message in await outbox(database)] == ([] if approved else ["Too dear."])


async def test_an_invoice_without_an_order_fails_after_its_tries(play: MakePlay) -> None:
    run = play("invoice-intake", BY_NAME["invoice-intake"].payloads["unknown order"])
    effect = await run.until_rest()
    assert isinstance(effect, fx.Finish)
    assert effect.status == "FAILED"
    assert [attempt for attempt in run.tries if attempt[0] == "match-po"] == [
        ("match-po", 1, "PO_NOT_FOUND"), ("match-po", 2, "PO_NOT_FOUND"),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["INVOICE 1\nSUPPLIER x\nPO 1", "hello", "INVOICE 1\n2 x SKU-1 @ 1.00"])
async def test_an_unreadable_invoice_says_where(play: MakePlay, text: str) -> None:
    effect = await play("invoice-intake", {"document": text, "reply_to": "a@b.example"}).until_rest()
    assert isinstance(effect, fx.Finish)
    assert effect.error is not None
    assert effect.error["code"] == "INVOICE_UNREADABLE"


async def test_two_hundred_levels_reach_the_store(play: MakePlay, database: AsyncEngine) -> None:
    run = play("stock-sync", {"warehouse": "main"})
    effect = await run.until_rest()
    assert isinstance(effect, fx.Finish)
    assert effect.status == "SUCCEEDED"
    assert sum(step == "push-line" for step, _, _ in run.tries) == 200
    assert await stored(database, "shop.stock", "SKU-1") == 275
    assert await stored(database, "shop.syncs", "main") == 1
    assert [message["subject"] for message in await outbox(database)] == ["3 products are low in main"]


async def test_busy_partners_are_asked_again(play: MakePlay) -> None:
    """Every third booking and every fourth charge is refused once, so four orders see both."""
    tries = []
    for number in range(4):
        payload = {**BY_NAME["order-fulfilment"].payloads["small"], "order_id": f"ORD-{number}"}
        run = play("order-fulfilment", payload)
        assert isinstance(await run.until_rest(), fx.AwaitEvent)
        tries += run.tries
    assert ("book-carrier", 1, "HTTP_STATUS") in tries
    assert ("book-carrier", 2, None) in tries
    assert ("charge-card", 1, "PARTNER_BUSY") in tries
    assert ("charge-card", 2, None) in tries


async def test_a_partner_makes_nothing_twice_for_one_key(partners: str) -> None:
    headers = {"authorization": f"Bearer {CARRIER_TOKEN}", "idempotency-key": "k"}
    async with httpx.AsyncClient(base_url=partners) as client:
        first = await client.post("/bookings", json={"order_id": "1"}, headers=headers)
        again = await client.post("/bookings", json={"order_id": "1"}, headers=headers)
        assert first.json() == again.json()
        assert (await client.post("/charges", json={})).status_code == 401
        assert (await client.get("/elsewhere")).status_code == 404
        assert (await client.get("/warehouses/main/levels?count=x")).status_code == 400


async def test_the_server_runs_as_a_program() -> None:
    import sys

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "runstudio_examples.shop_actions.carrier_server",
        "--port",
        "0",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/prices/SKU-1")).json() == {"sku": "SKU-1", "price": 38.48}
    process.terminate()
    await process.wait()
