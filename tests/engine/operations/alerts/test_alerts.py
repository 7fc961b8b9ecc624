"""Alerts: one message per group and hour, signed, tried again until it is taken, and nothing of a payload in it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine.actions.builtin.http_exchange import Network
from engine.actions.builtin.http_hosts import AllowedHosts
from engine.actions.secrets import EnvironmentSecrets, SecretResolver
from engine.errors import Invalid, NotFound
from engine.ids import new_id
from engine.operations.alerts import alerts
from engine.operations.alerts.sending import Sender, Sent, send_due
from engine.operations.context import OperationContext
from engine.records import Alert, AlertKind, AlertTarget, MessageState
from engine.store.alerts import outbox
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import Execute, Query, until

WHY = "somebody should know"
KEY = "signing-key-canary"
SECRETS = SecretResolver([EnvironmentSecrets({"RUNSTUDIO_SECRET_ALERT_SIGNING_KEY": KEY})])


@dataclass
class Receiver:
    """An HTTP server that answers each request with the next status."""

    port: int
    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@asynccontextmanager
async def receiving(*statuses: int) -> AsyncIterator[Receiver]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        receiver.requests.append((headers, await reader.readexactly(int(headers["content-length"]))))
        status = receiver.statuses.pop(0)
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    receiver = Receiver(server.sockets[0].getsockname()[1], list(statuses))
    try:
        yield receiver
    finally:
        server.close()
        await server.wait_closed()


async def fail(execute: Execute, *codes: str, minutes: int = 5) -> list[str]:
    """Runs that failed with these codes; their ids."""
    ids = []
    for code in codes:
        ids.append(new_id())
        await execute(
            "INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine, last_error_code, input_json,"
            " error_json, completed_at, updated_at) VALUES (:run, 'orders', 1, 'FAILED', 'temporal', :code,"
            ' \'{"note": "canary"}\', \'{"message": "canary"}\', now() - :m * interval \'1 minute\', now())',
            run=ids[-1],
            code=code,
            m=minutes,
        )
    return ids


async def test_the_url_of_a_webhook_is_shown_to_nobody(context: OperationContext, query: Query) -> None:
    """Whoever has it may post there."""
    urls = {
        "path": "https://chat.example/services/T00ab/zK9qLm27xWvT",
        "query": "https://chat.example/hook?code=zK9qLm27xWvT#zK9qLm27xWvT",
        "plain": "https://on-call.example:8443/our-alerts/night",
    }
    for name, url in urls.items():
        await alerts.set_alert(context, Alert(name, AlertKind.FAILED, AlertTarget.WEBHOOK, url), WHY)
    await alerts.set_alert(context, Alert("run", AlertKind.FAILED, AlertTarget.COMMAND, "page-us-2"), WHY)
    listed = {one.alert.name: one.alert.target for one in await alerts.list_alerts(context)}
    assert listed == {
        "path": "https://chat.example/services/T00ab/[REDACTED]",
        "query": "https://chat.example/hook?[REDACTED]",
        "plain": urls["plain"],
        "run": "page-us-2",
    }
    assert await query("SELECT 1 FROM workflow_audit_log WHERE details_json::text LIKE '%zK9q%'") == []
    assert await alerts.try_alert(context, "path")
    sender = Sender(Network(AllowedHosts([])), SECRETS, None)
    assert await send_due(context, sender) == Sent(0, 1)
    assert "zK9q" not in repr(await alerts.alert_messages(context))


async def test_a_group_is_told_once_an_hour_by_a_signed_message(
    context: OperationContext, execute: Execute, query: Query
) -> None:
    async with receiving(500, 200) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/told"
        await alerts.set_alert(
            context, Alert("many", AlertKind.FAILED, AlertTarget.WEBHOOK, url, "orders", more_than=1), WHY
        )
        [*_, latest] = await fail(execute, "TIMEOUT", "TIMEOUT")
        await fail(execute, "OTHER")
        await fail(execute, "OLD", "OLD", minutes=61)
        assert [(await alerts.find_and_put(context)).put for _ in range(2)] == [1, 0]
        sender = Sender(Network(AllowedHosts(["127.0.0.1"])), SECRETS, None)
        assert await send_due(context, sender) == Sent(0, 1)
        [message] = await alerts.alert_messages(context)
        assert (message.state, message.attempts) == (MessageState.PENDING, 1)
        assert message.last_error == "The receiver answered 500."
        # Not before the pause is over.
        assert await send_due(context, sender) == Sent(0, 0)
        await execute("UPDATE workflow_alert_outbox SET next_attempt_at = now()")
        assert await send_due(context, sender) == Sent(1, 0)
        first, second = receiver.requests
    headers, body = second
    assert first[1] == body
    told = json.loads(body)
    assert (told["alert"], told["count"], told["code"], told["workflowId"]) == ("many", 2, "TIMEOUT", "orders")
    assert told["command"] == f"runstudio run {told['runId']}"
    assert told["runId"] in {latest, *(row["run_id"] for row in await query("SELECT run_id FROM workflow_runs"))}
    assert b"canary" not in body
    stamp, _, digest = headers["runstudio-signature"].partition(",v1=")
    signed = hmac.new(KEY.encode(), f"{stamp.removeprefix('t=')}.".encode() + body, hashlib.sha256).hexdigest()
    assert (digest, headers["idempotency-key"]) == (signed, message.message_id)
    [message] = await alerts.alert_messages(context, state=MessageState.SENT)
    assert message.settled_at is not None


async def test_every_kind_finds_what_it_is_about_and_nothing_else(context: OperationContext, execute: Execute) -> None:
    old = "now() - interval '2 hours'"
    stuck, waiting = new_id(), new_id()
    await execute(
        "INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine, started_at) VALUES"
        f" (:stuck, 'orders', 1, 'RUNNING', 'temporal', {old}), (:waiting, 'bills', 1, 'WAITING', 'temporal', {old})",
        stuck=stuck,
        waiting=waiting,
    )
    await execute(
        "INSERT INTO workflow_human_tasks (task_id, run_id, task_type, title, created_at) VALUES"
        f" (gen_random_uuid(), :run, 'approve', 'canary', {old}), (gen_random_uuid(), :run, 'sign', 'canary', now())",
        run=waiting,
    )
    await execute(
        "INSERT INTO workflow_event_deliveries (delivery_id, event_id, event_name, target_kind, target, status, updated_at)"
        " VALUES (gen_random_uuid(), 'e', 'order.paid', 'launch', 'orders', 'failed', now()),"
        f" (gen_random_uuid(), 'f', 'order.old', 'launch', 'orders', 'failed', {old})"
    )
    await execute(
        "INSERT INTO workflow_definitions (workflow_id, name, payload_schema_ref, draft_definition)"
        " VALUES ('nightly', 'n', 'x', '{}'), ('daily', 'd', 'x', '{}')"
    )
    await execute(
        "INSERT INTO workflow_schedules (schedule_id, workflow_id, workflow_version, name, trigger_type, status,"
        " next_fire_at) VALUES"
        f" (gen_random_uuid(), 'nightly', 1, 'n', 'recurring', 'scheduled', {old}),"
        " (gen_random_uuid(), 'daily', 1, 'd', 'recurring', 'scheduled', now() + interval '1 hour')"
    )
    for kind in AlertKind:
        await alerts.set_alert(context, Alert(kind.value, kind, AlertTarget.COMMAND, "tell"), WHY)
    assert (await alerts.find_and_put(context)).put == 4
    told = {(message.alert, message.group) for message in await alerts.alert_messages(context)}
    assert told == {("stuck", "orders"), ("task", "approve"), ("delivery", "order.paid"), ("schedule", "nightly")}


async def test_a_command_is_one_of_the_workers_own(
    context: OperationContext, tmp_path: Path, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    commands = tmp_path / "commands"
    commands.mkdir()
    for name, body in (("tell", f"cat > {told}"), ("broken", "exit 3")):
        (commands / name).write_text(f"#!/bin/sh\n{body}\n")
        (commands / name).chmod(0o755)
    sender = Sender(Network(AllowedHosts([])), SECRETS, commands)
    cases: dict[str, Any] = {"tell": "", "broken": "ended with 3", "missing": "no program missing"}
    for name in cases:
        await alerts.set_alert(context, Alert(name, AlertKind.STUCK, AlertTarget.COMMAND, name), WHY)
        await alerts.try_alert(context, name)
    url = Alert("url", AlertKind.STUCK, AlertTarget.WEBHOOK, "http://127.0.0.1:9/")
    await alerts.set_alert(context, url, WHY)
    await alerts.try_alert(context, "url")
    assert await send_due(context, sender) == Sent(1, 3)
    found = {message.alert: message for message in await alerts.alert_messages(context)}
    assert json.loads(told.read_text())["test"] is True
    assert (found["tell"].state, found["tell"].last_error) == (MessageState.SENT, None)
    for name, error in {**cases, "url": "127.0.0.1"}.items():
        assert error in (found[name].last_error or "")
    # After the last attempt it is given up, and says so.
    monkeypatch.setattr(outbox, "MAX_ATTEMPTS", 2)
    await execute("UPDATE workflow_alert_outbox SET next_attempt_at = now()")
    assert await send_due(context, replace(sender, commands=None)) == Sent(0, 3)
    given_up = await alerts.alert_messages(context, state=MessageState.FAILED)
    assert {message.alert for message in given_up} == {"broken", "missing", "url"}
    assert "RUNSTUDIO_ALERT_COMMANDS is not set" in (found_error(given_up, "broken") or "")


def found_error(messages: tuple[Any, ...], name: str) -> str | None:
    return next(message.last_error for message in messages if message.alert == name)


async def test_what_cannot_be_an_alert_is_refused(context: OperationContext) -> None:
    good: dict[str, Any] = {
        "name": "a", "kind": AlertKind.FAILED, "target_kind": AlertTarget.WEBHOOK, "target": "https://x.example/"
    }  # fmt: skip
    for wrong in (
        {"name": "A b"},
        {"more_than": -1},
        {"minutes": 0},
        {"target": "ftp://x"},
        {"target": "https://user:word@x.example/"},
        {"target": "https://[::1"},
        {"target_kind": AlertTarget.COMMAND, "target": "../tell"},
        {"kind": AlertKind.STUCK, "code": "X"},
        {"kind": AlertKind.DELIVERY, "workflow": "orders"},
        {"workflow": "\0"},
        {"minutes": True},
        {"minutes": 1.5},
        {"more_than": True},
        {"more_than": "1"},
        {"workflow": 5},
        {"code": "c" * 301},
        {"name": 5},
        {"target": 5},
        {"kind": "never"},
        {"target_kind": "command", "target": "../tell"},
    ):
        with pytest.raises(Invalid) as refused:
            Alert(**{**good, **wrong})
        assert refused.value.code == "ALERT_INVALID"
    assert Alert(**{**good, "kind": "failed"}).kind is AlertKind.FAILED
    for asked in (alerts.try_alert(context, "nothing"), alerts.remove_alert(context, "nothing", WHY)):
        with pytest.raises(NotFound):
            await asked


async def test_a_command_that_is_ended_takes_what_it_started_with_it(context: OperationContext, tmp_path: Path) -> None:
    started = tmp_path / "started"
    (tmp_path / "tell").write_text(
        f"#!/bin/sh\nsleep 1000 &\necho $! > {started}.new\nmv {started}.new {started}\nwait\n"
    )
    (tmp_path / "tell").chmod(0o755)
    await alerts.set_alert(context, Alert("a", AlertKind.FAILED, AlertTarget.COMMAND, "tell"), WHY)
    await alerts.try_alert(context, "a")
    sending = asyncio.create_task(send_due(context, Sender(Network(AllowedHosts([])), SECRETS, tmp_path)))

    async def is_started() -> bool:
        return started.exists()

    async def is_gone() -> bool:
        return not is_at_work(started.read_text().strip())

    await until(is_started)
    sending.cancel()
    await until(is_gone)


def is_at_work(pid: str) -> bool:
    """Whether there is such a process, and its end is not only waiting to be asked for."""
    with suppress(FileNotFoundError):
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    return False


async def test_a_url_that_is_longer_as_it_is_shown_breaks_no_list(context: OperationContext) -> None:
    url = "https://x.example" + "/12345678" * 200
    await alerts.set_alert(context, Alert("a", AlertKind.FAILED, AlertTarget.WEBHOOK, url), WHY)
    [stored] = await alerts.list_alerts(context)
    assert stored.alert.target.startswith("https://x.example/")


async def test_a_rule_that_breaks_leaves_the_others_alone(
    context: OperationContext, execute: Execute, query: Query
) -> None:
    for name in ("another-release", "broken", "good"):
        await alerts.set_alert(context, Alert(name, AlertKind.FAILED, AlertTarget.COMMAND, "tell"), WHY)
    await execute(
        "UPDATE workflow_alerts SET conditions_json = conditions_json || '{\"of_tomorrow\": 1}' WHERE name = 'another-release'"
    )
    await execute(
        "UPDATE workflow_alerts SET conditions_json = conditions_json || '{\"more_than\": true}' WHERE name = 'broken'"
    )
    await fail(execute, "TIMEOUT")
    found = await alerts.find_and_put(context)
    assert found == alerts.Found(1, (f"{context.tenant} another-release", f"{context.tenant} broken"))
    assert [message.alert for message in await alerts.alert_messages(context)] == ["good"]


async def test_a_message_that_breaks_leaves_the_others_alone_and_is_given_up(
    context: OperationContext, execute: Execute
) -> None:
    async with receiving(200) as receiver:
        for name, url in (("broken", "http://xn--a/"), ("good", f"http://127.0.0.1:{receiver.port}/")):
            await alerts.set_alert(context, Alert(name, AlertKind.FAILED, AlertTarget.WEBHOOK, url), WHY)
            await alerts.try_alert(context, name)
        sender = Sender(Network(AllowedHosts(["*", "127.0.0.1"])), SECRETS, None)
        assert await send_due(context, sender) == Sent(1, 1)
    [message] = await alerts.alert_messages(context, state=MessageState.PENDING)
    assert (message.alert, message.attempts) == ("broken", 1)
    assert (message.last_error or "").startswith("Sending it broke with ")
    # A worker that ends with the message tells nothing of it; that has an end, too.
    await execute(
        "UPDATE workflow_alert_outbox SET attempts = :most, last_error = NULL, next_attempt_at = now() WHERE state = 'pending'",
        most=outbox.MAX_ATTEMPTS,
    )
    assert await send_due(context, sender) == Sent(0, 0)
    [given_up] = await alerts.alert_messages(context, state=MessageState.FAILED)
    assert given_up.last_error == "The worker that tried it told nothing of it."


async def test_a_message_whose_row_somebody_holds_keeps_no_other(
    context: OperationContext, store: Store, execute: Execute, tmp_path: Path
) -> None:
    program = tmp_path / "page-us"
    program.write_text("#!/bin/sh\ncat > /dev/null\n")
    program.chmod(0o755)
    for name in ("tried", "last"):
        await alerts.set_alert(context, Alert(name, AlertKind.FAILED, AlertTarget.COMMAND, "page-us"), WHY)
        await alerts.try_alert(context, name)
    [held] = [message for message in await alerts.alert_messages(context) if message.alert == "last"]
    await execute(
        "UPDATE workflow_alert_outbox SET attempts = :most WHERE message_id = :message",
        most=outbox.MAX_ATTEMPTS,
        message=held.message_id,
    )
    sender = Sender(Network(AllowedHosts([])), SECRETS, tmp_path)
    async with store.begin() as theirs:
        lock = "SELECT 1 FROM workflow_alert_outbox WHERE message_id = :message FOR UPDATE"
        await theirs.execute(text(lock), {"message": held.message_id})
        assert await send_due(context, sender) == Sent(1, 0)
    assert await send_due(context, sender) == Sent(0, 0)
    assert [one.alert for one in await alerts.alert_messages(context, state=MessageState.FAILED)] == ["last"]
