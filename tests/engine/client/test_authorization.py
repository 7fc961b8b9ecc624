"""Who may do what: every operation of the front door, at every level, in one's own tenant and in another one.

Nothing named here exists in the tenant that is asked, and Temporal does not answer: a refusal comes before both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest
import pytest_asyncio
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine import (
    Alert,
    AlertKind,
    AlertTarget,
    Engine,
    EngineError,
    ExportFormat,
    Forbidden,
    ItemState,
    JobKind,
    Keep,
    Level,
    MemberKind,
    NotFound,
    Override,
    RedactionRules,
    Revealable,
    RunFilter,
)
from engine.ids import new_id
from engine.operations import context
from engine.settings import DEFAULT_TENANT
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store
from engine.store.tables import workflow_members
from tests.engine.client.front_door import methods_of, unopened
from tests.engine.client.test_service_login import ME
from tests.engine.devstack.ports import silent_port
from tests.engine.operations.conftest import until
from tests.engine.store.tenants import OF_TENANTS, OTHER, fill

RUN: Final = "00000000-0000-7000-8000-0000000000a1"
TASK: Final = "00000000-0000-7000-8000-0000000000a2"
DELIVERY: Final = "00000000-0000-7000-8000-0000000000a3"
SCHEDULE: Final = "00000000-0000-7000-8000-0000000000a4"
ROW: Final = "00000000-0000-7000-8000-0000000000a5"
JOB: Final = "00000000-0000-7000-8000-0000000000a6"
MESSAGE: Final = "00000000-0000-7000-8000-0000000000a7"
TELL: Final = Alert("tell", AlertKind.FAILED, AlertTarget.COMMAND, "tell")
EVENT: Final = "event-1"
WHY: Final = "because it is tried"
READ, OPERATE, ADMIN, NONE = Level.READ, Level.OPERATE, Level.ADMIN, Level.NONE

Ask = Callable[[Engine], Any]
Installation = tuple[Store, str]
OPERATIONS: Final[dict[str, tuple[Level, Ask]]] = {
    "runs.start": (OPERATE, lambda e: e.runs.start("orders", {"password": "x"})),
    "runs.list": (READ, lambda e: e.runs.list()),
    "runs.matching": (READ, lambda e: e.runs.matching(RunFilter(), [RUN])),
    "runs.rows": (READ, lambda e: e.runs.rows([RUN])),
    "runs.counts": (READ, lambda e: e.runs.counts()),
    "runs.get": (READ, lambda e: e.runs.get(RUN)),
    "runs.wait": (READ, lambda e: e.runs.wait(RUN, timeout=0)),
    "runs.steps": (READ, lambda e: e.runs.steps(RUN)),
    "runs.step_body": (READ, lambda e: e.runs.step_body(RUN, ROW)),
    "runs.attempts": (READ, lambda e: e.runs.attempts(RUN)),
    "runs.attempt_body": (READ, lambda e: e.runs.attempt_body(RUN, ROW)),
    "runs.waits": (READ, lambda e: e.runs.waits(RUN)),
    "runs.logs": (READ, lambda e: e.runs.logs(RUN)),
    "runs.payload": (READ, lambda e: e.runs.payload(RUN)),
    "runs.output": (READ, lambda e: e.runs.output(RUN)),
    "runs.related": (READ, lambda e: e.runs.related(RUN)),
    "runs.snapshots": (READ, lambda e: e.runs.snapshots(RUN)),
    "runs.snapshot_body": (READ, lambda e: e.runs.snapshot_body(RUN, ROW)),
    "runs.audit": (READ, lambda e: e.runs.audit(RUN)),
    "runs.why": (READ, lambda e: e.runs.why(RUN)),
    "runs.state": (READ, lambda e: e.runs.state(RUN, "note")),
    "runs.export": (READ, lambda e: _all(e.runs.export(RUN))),
    "runs.export_list": (READ, lambda e: _all(e.runs.export_list([RUN], ExportFormat.CSV))),
    "runs.cancel": (ADMIN, lambda e: e.runs.cancel(RUN, WHY)),
    "runs.delete": (ADMIN, lambda e: e.runs.delete(RUN, WHY)),
    "runs.cancel_many": (ADMIN, lambda e: e.runs.cancel_many([RUN], WHY)),
    # F29: the digest of the base and what a preview compares say whether a guess equals what is masked.
    "runs.replay_base": (ADMIN, lambda e: e.runs.replay_base(RUN)),
    "runs.preview": (ADMIN, lambda e: e.runs.preview(RUN, Override({"password": "guess"}))),
    "runs.replay": (ADMIN, lambda e: e.runs.replay(RUN, WHY)),
    "runs.replay_many": (ADMIN, lambda e: e.runs.replay_many([RUN], WHY)),
    "workflows.list": (READ, lambda e: e.workflows.list()),
    "workflows.get": (READ, lambda e: e.workflows.get("orders")),
    "workflows.callers": (READ, lambda e: e.workflows.callers("orders")),
    "workflows.versions": (READ, lambda e: e.workflows.versions("orders")),
    "workflows.definition": (READ, lambda e: e.workflows.definition("orders", 1)),
    "workflows.payload_schema": (READ, lambda e: e.workflows.payload_schema("orders", 1)),
    "workflows.examples": (READ, lambda e: e.workflows.examples("orders", 1)),
    "workflows.latest_input": (READ, lambda e: e.workflows.latest_input("orders")),
    "workflows.check_payload": (OPERATE, lambda e: e.workflows.check_payload("orders", 1, {})),
    "workflows.publish": (ADMIN, lambda e: e.workflows.publish({"id": "orders"})),
    "workflows.pause": (ADMIN, lambda e: e.workflows.pause("orders")),
    "workflows.unpause": (ADMIN, lambda e: e.workflows.unpause("orders")),
    "workflows.limit": (ADMIN, lambda e: e.workflows.limit("orders", 1)),
    "workflows.export_bundle": (ADMIN, lambda e: e.workflows.export_bundle(["orders"])),
    "workflows.import_bundle": (ADMIN, lambda e: e.workflows.import_bundle({})),
    "events.submit": (OPERATE, lambda e: e.events.submit("", {})),
    "events.list": (READ, lambda e: e.events.list()),
    "events.get": (READ, lambda e: e.events.get(EVENT)),
    "events.deliveries": (READ, lambda e: e.events.deliveries()),
    "events.redeliver": (ADMIN, lambda e: e.events.redeliver(DELIVERY, WHY)),
    "events.correlation_paths": (READ, lambda e: e.events.correlation_paths()),
    "events.set_correlation_paths": (ADMIN, lambda e: e.events.set_correlation_paths({})),
    "tasks.list": (READ, lambda e: e.tasks.list()),
    "tasks.get": (READ, lambda e: e.tasks.get(TASK)),
    "tasks.claim": (OPERATE, lambda e: e.tasks.claim(TASK)),
    "tasks.release": (OPERATE, lambda e: e.tasks.release(TASK)),
    "tasks.assign": (OPERATE, lambda e: e.tasks.assign(TASK, "ada", WHY)),
    "tasks.complete": (OPERATE, lambda e: e.tasks.complete(TASK, {})),
    "tasks.complete with an override": (ADMIN, lambda e: e.tasks.complete(TASK, {}, override=True, reason=WHY)),
    "tasks.cancel": (ADMIN, lambda e: e.tasks.cancel(TASK, WHY)),
    "tasks.form": (READ, lambda e: e.tasks.form("approve")),
    "tasks.set_form": (ADMIN, lambda e: e.tasks.set_form("approve", {"type": "no type"})),
    "schedules.list": (READ, lambda e: e.schedules.list()),
    "schedules.get": (READ, lambda e: e.schedules.get(SCHEDULE)),
    "schedules.fires": (READ, lambda e: e.schedules.fires(SCHEDULE)),
    "schedules.next_times": (READ, lambda e: e.schedules.next_times(SCHEDULE)),
    "schedules.fire": (ADMIN, lambda e: e.schedules.fire(SCHEDULE, WHY)),
    "schedules.set_payload": (ADMIN, lambda e: e.schedules.set_payload("orders", {})),
    "quota.usage": (READ, lambda e: e.quota.usage()),
    "quota.set_limit": (ADMIN, lambda e: e.quota.set_limit(-1)),
    "quota.resume": (ADMIN, lambda e: e.quota.resume(RUN)),
    "redaction.rules": (READ, lambda e: e.redaction.rules()),
    "redaction.marked": (READ, lambda e: e.redaction.marked()),
    "redaction.set_rules": (ADMIN, lambda e: e.redaction.set_rules(RedactionRules(key_patterns=("(",)))),
    "redaction.test": (READ, lambda e: e.redaction.test({})),
    "members.list": (READ, lambda e: e.members.list()),
    "members.set": (ADMIN, lambda e: e.members.set("", ADMIN)),
    "members.remove": (ADMIN, lambda e: e.members.remove("nobody", kind=MemberKind.GROUP)),
    "jobs.submit": (ADMIN, lambda e: e.jobs.submit(JobKind.CANCEL, RunFilter(), WHY)),
    "jobs.list": (READ, lambda e: e.jobs.list()),
    "jobs.get": (READ, lambda e: e.jobs.get(JOB)),
    "jobs.items": (READ, lambda e: e.jobs.items(JOB, ItemState.PENDING)),
    "jobs.files": (READ, lambda e: _all(e.jobs.files(JOB))),
    "jobs.pause": (ADMIN, lambda e: e.jobs.pause(JOB)),
    "jobs.resume": (ADMIN, lambda e: e.jobs.resume(JOB)),
    "jobs.cancel": (ADMIN, lambda e: e.jobs.cancel(JOB)),
    "retention.rules": (READ, lambda e: e.retention.rules()),
    "retention.set": (ADMIN, lambda e: e.retention.set(Keep(failed=1), WHY)),
    "retention.remove": (ADMIN, lambda e: e.retention.remove(WHY, workflow_id="orders")),
    "tenant.delete": (ADMIN, lambda e: e.tenant.delete(OTHER, WHY)),
    "alerts.list": (READ, lambda e: e.alerts.list()),
    "alerts.set": (ADMIN, lambda e: e.alerts.set(TELL, WHY)),
    "alerts.remove": (ADMIN, lambda e: e.alerts.remove("night", WHY)),
    "alerts.test": (ADMIN, lambda e: e.alerts.test("night")),
    "alerts.messages": (READ, lambda e: e.alerts.messages(message_id=MESSAGE)),
    # Who one is, and how the parts are, is told to everybody who reaches the process; neither tells of a run.
    "system.session": (NONE, lambda e: e.system.session()),
    "system.health": (NONE, lambda e: e.system.health()),
    "system.attention": (READ, lambda e: e.system.attention()),
    "system.installation": (READ, lambda e: e.system.installation()),
    "system.bound_temporal": (READ, lambda e: e.system.bound_temporal()),
    "system.move_to_this_temporal": (ADMIN, lambda e: e.system.move_to_this_temporal("x")),
    "system.reveal": (ADMIN, lambda e: e.system.reveal(Revealable.PAYLOAD, RUN, WHY)),
    "system.reveal of an event": (ADMIN, lambda e: e.system.reveal(Revealable.EVENT, EVENT, WHY)),
    "system.reveal of a task": (ADMIN, lambda e: e.system.reveal(Revealable.TASK, TASK, WHY)),
    "system.reveal of an attempt": (ADMIN, lambda e: e.system.reveal(Revealable.ATTEMPT, ROW, WHY)),
    "system.reveal of an output": (ADMIN, lambda e: e.system.reveal(Revealable.OUTPUT, RUN, WHY)),
    "system.changes": (READ, lambda e: anext(e.system.changes())),
}
WAITING: Final = ("system.changes", "system.health", "system.installation")
"""Not asked by whoever may: they wait for a change, or for a Temporal that does not answer."""


async def _all(parts: AsyncIterator[Any]) -> list[Any]:
    return [part async for part in parts]


@pytest_asyncio.fixture(scope="module")
async def installation(postgres: Any, migrated_template: str) -> AsyncIterator[Installation]:
    """The owner's store of a database of this module, and its URL for a login of the service."""
    name, login = f"authorization_{new_id().replace('-', '')}", f"login_{new_id().replace('-', '')}"
    url = postgres.create_database(name, template=migrated_template)
    store = create_store_engine(url)
    async with store.begin() as connection:
        await connection.execute(text(f"CREATE ROLE {login} LOGIN IN ROLE runstudio_service"))
    yield store, make_url(url).set(username=login).render_as_string(False)
    async with store.begin() as connection:
        await connection.execute(text(f"DROP ROLE {login}"))
    await store.dispose()
    postgres.drop_database(name)


async def _engine(installation: Installation, level: Level, tenant: str = DEFAULT_TENANT) -> Engine:
    """A program of this account, which has a level in the default tenant and in no other."""
    store, url = installation
    async with store.begin() as connection:
        await connection.execute(text("DELETE FROM workflow_members"))
        if level is not NONE:
            await connection.execute(
                text("INSERT INTO workflow_members (kind, name, level) VALUES ('person', :me, :level)"),
                {"me": ME, "level": level.word},
            )
    with silent_port() as port:
        return Engine(database_url=url, temporal_address=f"127.0.0.1:{port}", tenant=tenant)


def test_the_table_has_every_operation() -> None:
    public = {f"{group}.{name}" for group, names in methods_of(unopened()).items() for name in names}
    assert {name.split(" ")[0] for name in OPERATIONS} == public


async def _outcome(engine: Engine, ask: Ask) -> str:
    """``refused`` for want of a level, ``not found``, or ``let in``, whatever came of it."""
    try:
        await ask(engine)
    except Forbidden as error:
        return "refused" if error.code == "LEVEL_TOO_LOW" else "let in"
    except NotFound:
        return "not found"
    except EngineError:
        return "let in"
    return "let in"


@pytest.mark.parametrize("level", Level)
async def test_a_level_may_do_what_it_says_and_nothing_else(installation: Installation, level: Level) -> None:
    async with await _engine(installation, level) as engine:
        tried = {
            name: await _outcome(engine, ask) == "refused"
            for name, (needed, ask) in OPERATIONS.items()
            if level < needed or name not in WAITING
        }
    assert tried == {name: level < OPERATIONS[name][0] for name in tried}


async def test_an_admin_of_one_tenant_is_nobody_in_another(installation: Installation) -> None:
    async with await _engine(installation, ADMIN, OTHER) as engine:
        tried = {name: await _outcome(engine, ask) for name, (needed, ask) in OPERATIONS.items() if needed is not NONE}
    assert tried == dict.fromkeys(tried, "refused")


async def test_who_may_read_no_more_is_told_of_no_more_changes(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = installation
    run = "INSERT INTO workflow_runs (workflow_id, workflow_version, status, engine) VALUES ('w', 1, 'RUNNING', 'temporal')"
    listens = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        " AND application_name = 'runstudio changes'"
    )

    async def execute(sql: str) -> int:
        async with store.begin() as connection:
            return (await connection.execute(text(sql))).rowcount

    async def listening() -> bool:
        return await execute(listens) > 0

    async with await _engine(installation, READ) as engine:
        changes = engine.system.changes()
        first = asyncio.create_task(anext(changes))
        await until(listening)
        await execute(run)
        assert (await first).run_id is not None
        monkeypatch.setattr(context, "LEVEL_SECONDS", -1.0)
        await execute("DELETE FROM workflow_members")
        await execute(run)
        with pytest.raises(Forbidden, match="LEVEL_TOO_LOW"):
            await anext(changes)


async def test_what_belongs_to_another_tenant_is_neither_shown_nor_changed(installation: Installation) -> None:
    """Every id is one of a row that is there, of the other tenant."""
    store, _ = installation
    async with store.begin() as connection:
        await fill(
            connection,
            (OTHER,),
            run_id=RUN,
            task_id=TASK,
            delivery_id=DELIVERY,
            schedule_id=SCHEDULE,
            step_id=ROW,
            invocation_id=ROW,
            snapshot_id=ROW,
            event_id=EVENT,
            job_id=JOB,
            message_id=MESSAGE,
            workflow_id="orders",
            task_type="approve",
            name="canary",
            input_json={"canary": 1},
            output_json={"canary": 1},
            payload={"canary": 1},
        )
        before = await _rows_of_the_other(connection)
    async with await _engine(installation, ADMIN) as engine:
        answers = [repr(await _answer(engine, ask)) for name, (_, ask) in OPERATIONS.items() if name not in WAITING]
    assert [answer for answer in answers if "canary" in answer or OTHER in answer] == []
    async with store.begin() as connection:
        assert await _rows_of_the_other(connection) == before


async def _answer(engine: Engine, ask: Ask) -> object:
    try:
        return await ask(engine)
    except EngineError as error:
        return error


async def _rows_of_the_other(connection: AsyncConnection) -> dict[str, list[str]]:
    return {
        table.name: list(
            (
                await connection.execute(
                    text(f"SELECT t::text FROM {table.name} AS t WHERE tenant = CAST(:other AS uuid)"), {"other": OTHER}
                )
            ).scalars()
        )
        for table in OF_TENANTS
        if table is not workflow_members
    }
