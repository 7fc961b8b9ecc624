"""Sending what is due in the outbox: to a signed webhook, or to a program of the worker's own configuration."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import structlog

from engine.actions.builtin.http_exchange import Network, exchanged, place_of
from engine.actions.secrets import SecretResolver
from engine.errors import EngineError, StepFailure
from engine.operations.context import OperationContext
from engine.records import AlertTarget
from engine.store.alerts import outbox
from engine.store.alerts.outbox import DueMessage
from engine.store.database.transactions import writing
from engine.values.redaction.secret_address import shown_address

AT_ONCE: Final = 10
SECONDS: Final = 10.0
"""How long a receiver may take."""
TURN_SECONDS: Final = 20.0
"""After so long no further messages are taken: slow receivers must not keep what else is to be done."""
SIGNING_KEY: Final = "ALERT_SIGNING_KEY"
"""The secret that messages are signed with."""
SIGNATURE: Final = "runstudio-signature"
VARIABLE: Final = "RUNSTUDIO_ALERT_COMMANDS"

_LOG: Final = structlog.get_logger("runstudio.alerts")


class NotSent(Exception):
    """Why a message was not taken; one sentence that may be stored."""


@dataclass(frozen=True, slots=True)
class Sender:
    """What this worker may reach."""

    network: Network
    secrets: SecretResolver
    commands: Path | None
    """Directory of the programs that a rule may name."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What one turn did."""

    sent: int = 0
    failed: int = 0
    """Not taken, and tried again or given up."""


async def send_due(
    context: OperationContext,
    sender: Sender,
    keep_on: Callable[[], bool] = lambda: True,
    *,
    seconds: float = TURN_SECONDS,
) -> Sent:
    """Send what is due, each on its own, until nothing is or ``seconds`` have passed; the rest is left to the next turn.

    ``context``: a worker's. Raises ``Unavailable``.
    """
    deadline = time.monotonic() + seconds
    sent = failed = 0
    while keep_on():
        async with writing(context.store) as connection:
            due = await outbox.take_due(connection, AT_ONCE)
        if not due:
            break
        taken = await asyncio.gather(*(_send_one(context, sender, message) for message in due))
        sent, failed = sent + sum(taken), failed + len(taken) - sum(taken)
        if time.monotonic() >= deadline:
            break
    return Sent(sent, failed)


async def _send_one(context: OperationContext, sender: Sender, message: DueMessage) -> bool:
    why: str | None = None
    try:
        await _WAYS[message.target_kind](sender, message)
    except NotSent as error:
        why = str(error)
    except Exception as error:  # noqa: BLE001 - whatever one message meets stops no other, and is told like the rest
        _LOG.exception("alert cannot be sent", message=message.message_id)
        why = f"Sending it broke with {type(error).__name__}; the log of {context.actor.name} says where."
    if why is not None:
        async with writing(context.store) as connection:
            await outbox.mark_not_sent(connection, message.message_id, why)
        return False
    async with writing(context.store) as connection:
        await outbox.mark_sent(connection, message.message_id)
    return True


async def _to_webhook(sender: Sender, message: DueMessage) -> None:
    """Raises ``NotSent``."""
    body = _text_of(message)
    try:
        key = await _signing_key(sender, message.tenant)
        headers = {
            "content-type": "application/json",
            "user-agent": "runstudio",
            "idempotency-key": message.message_id,
            SIGNATURE: signature(key, body, int(time.time())),
        }
        request = httpx.Request("POST", message.target, content=body, headers=headers)
        async with (
            asyncio.timeout(SECONDS),
            exchanged(sender.network, request, tuple(headers), SECONDS) as answer,
        ):
            status = answer.response.status_code
    except (TimeoutError, httpx.InvalidURL, httpx.HTTPError, OSError) as error:
        raise NotSent(f"The receiver cannot be reached: {type(error).__name__}.") from error
    except (StepFailure, EngineError) as error:
        raise NotSent(str(error).replace(place_of(message.target), shown_address(message.target))) from error
    if not 200 <= status < 300:
        raise NotSent(f"The receiver answered {status}.")


async def _to_command(sender: Sender, message: DueMessage) -> None:
    """Raises ``NotSent``."""
    program = None if sender.commands is None else sender.commands / message.target
    if program is None or not program.is_file():
        where = (
            f"the directory {VARIABLE} names" if sender.commands is not None else f"this worker: {VARIABLE} is not set"
        )
        raise NotSent(f"There is no program {message.target} in {where}.")
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise NotSent(f"The program {message.target} cannot be run: {error.strerror or error}.") from error
    try:
        async with asyncio.timeout(SECONDS):
            await process.communicate(_text_of(message))
    except TimeoutError:
        raise NotSent(f"The program {message.target} did not end within {SECONDS:g} s.") from None
    finally:
        if process.returncode is None:
            # With what it has started: a shell does its work by other programs.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode != 0:
        raise NotSent(f"The program {message.target} ended with {process.returncode}.")


def signature(key: str, body: bytes, at: int) -> str:
    """``t=<seconds>,v1=<hex>``: HMAC-SHA256 of ``<seconds>.<body>``."""
    signed = hmac.new(key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


async def _signing_key(sender: Sender, tenant: str) -> str:
    resolved = await sender.secrets.resolve({"key": {"$secret": SIGNING_KEY}}, ["/key"], tenant)
    return str(resolved.value["key"])


def _text_of(message: DueMessage) -> bytes:
    return json.dumps(message.body, ensure_ascii=False, sort_keys=True).encode()


_WAYS: Final[dict[AlertTarget, Callable[[Sender, DueMessage], Awaitable[None]]]] = {
    AlertTarget.WEBHOOK: _to_webhook,
    AlertTarget.COMMAND: _to_command,
}
