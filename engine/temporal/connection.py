"""The one Temporal client of a process, and what its failures mean for an operation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import cache
from typing import Final

from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RetryConfig, RPCError, RPCStatusCode

from engine.errors import Invalid, Unavailable
from engine.settings import Settings
from engine.temporal.client import connect_temporal
from engine.wording import sentence

RPC_TIMEOUT: Final = timedelta(seconds=3)
"""Longest one try of a call may take."""

# An operator, or a service with a request to answer, is waiting. (Cancelling a call instead would leave it behind in the SDK,
# which repeats it on and cannot let the process end.)
RETRY: Final = RetryConfig(
    initial_interval_millis=100, max_interval_millis=500, max_elapsed_time_millis=2000, max_retries=5
)
"""How long a call is repeated before Temporal counts as unreachable: two seconds."""

SETTLE_SECONDS: Final = 0.1
ASK_AGAIN_SECONDS: Final = 60.0
"""A Temporal that did not answer is not asked again, only to be known, for so long."""


REFUSALS: Final = frozenset(
    {
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.NOT_FOUND,
        RPCStatusCode.PERMISSION_DENIED,
        RPCStatusCode.UNAUTHENTICATED,
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.OUT_OF_RANGE,
        RPCStatusCode.UNIMPLEMENTED,
    }
)
"""Answers that say no. Everything else (unavailable, deadline, overload, internal) may be yes at another time."""
_OF_WHAT_WAS_ASKED: Final = frozenset({RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.OUT_OF_RANGE})

Check = Callable[[Client], Awaitable[None]]
"""What a client must pass before anybody gets it: raises ``Unavailable`` or ``WrongTemporal``."""


class WrongTemporal(Unavailable):
    """This Temporal is not the one that the database belongs to; nothing was written."""

    retryable = False


class TemporalConnection:
    """Connects on first use and keeps the client; the client itself reconnects after an interruption."""

    def __init__(
        self, connect: Callable[[], Awaitable[Client]], *, check: Check | None = None, used: bool = False
    ) -> None:
        """``check``: what a client must pass before anybody gets it. ``used``: somebody else in this process uses Temporal
        already, so that ``close`` counts from the start.
        """
        self._connect = connect
        self._check = check
        self._passed = False
        self._ask_again = 0.0
        self._client: Client | None = None
        self._used = used
        self._lock = asyncio.Lock()

    @classmethod
    def from_settings(cls, settings: Settings, check: Check | None = None) -> TemporalConnection:
        """For programs that only ask: nothing of the SDK is printed, which would tear a full-screen terminal."""
        return cls(lambda: connect_temporal(settings, runtime=_silent_runtime(), retry=RETRY), check=check)

    @classmethod
    def from_client(cls, client: Client) -> TemporalConnection:
        """For a process that has its client already, such as a worker."""

        async def same() -> Client:
            return client

        return cls(same, used=True)

    async def close(self) -> None:
        """Call this before a process ends that has used Temporal.

        The SDK gives an answer to Python a moment before it has let go of Python's objects; an interpreter that ends within
        that moment crashes (one process in six, measured with temporalio 1.35.0).
        """
        if self._used:
            await asyncio.sleep(SETTLE_SECONDS)

    async def client(self) -> Client:
        """The client. Raises ``Unavailable`` (TEMPORAL_UNAVAILABLE, TEMPORAL_REFUSED), ``WrongTemporal``, and ``Invalid`` for a
        configuration that cannot work.
        """
        client = await self.any_client()
        if not self._passed:
            await self._pass(client)
        return client

    async def any_client(self) -> Client:
        """A client of whatever Temporal the configuration names, be it the right one or not. Raises as ``client``."""
        self._used = True
        async with self._lock:
            if self._client is None:
                self._client = await self._connect()
            return self._client

    async def confirm(self) -> None:
        """Check anew that this is the right Temporal: before its not knowing something is believed. Raises as ``client``."""
        await self._pass(await self.any_client())

    async def refuse_wrong(self) -> None:
        """Raises ``WrongTemporal``, before an operation writes what Temporal is to be told of. One that is away is no refusal."""
        if self._passed or self._check is None or time.monotonic() < self._ask_again:
            return
        try:
            await self.client()
        except WrongTemporal:
            raise
        except (Unavailable, Invalid):
            self._ask_again = time.monotonic() + ASK_AGAIN_SECONDS

    async def _pass(self, client: Client) -> None:
        self._passed = False
        if self._check is not None:
            await self._check(client)
        self._passed = True


@cache
def _silent_runtime() -> Runtime:
    return Runtime(telemetry=TelemetryConfig(logging=None))


def is_refusal(error: RPCError) -> bool:
    """Whether Temporal said no, as opposed to not answering."""
    return error.status in REFUSALS


def is_final(error: RPCError) -> bool:
    """Whether Temporal refused what was asked, and would again. A namespace, right, key or certificate can come right later."""
    return error.status in _OF_WHAT_WAS_ASKED and not _about_the_namespace(error)


def is_not_found(error: RPCError) -> bool:
    """Whether Temporal does not know the execution asked for. An unknown namespace is not that."""
    return error.status is RPCStatusCode.NOT_FOUND and not _about_the_namespace(error)


def _about_the_namespace(error: RPCError) -> bool:
    return "namespace" in error.message.lower()


def unavailable(error: RPCError, doing: str) -> Unavailable:
    """What an operation answers when ``doing`` could not be done. ``doing`` continues "Temporal could not"."""
    if is_refusal(error):
        return Unavailable(
            "TEMPORAL_REFUSED",
            sentence(f"Temporal could not {doing}: {error.message}"),
            "Check TEMPORAL_NAMESPACE, the API key and its rights.",
            {"status": error.status.name},
        )
    return Unavailable(
        "TEMPORAL_UNAVAILABLE",
        sentence(f"Temporal could not {doing}, it does not answer: {error.message}"),
        "Try again; `runstudio doctor` shows whether it can be reached.",
        {"status": error.status.name},
    )
