"""Temporal connections that end the launch at an exact place, the way a process that dies there would."""

from __future__ import annotations

from typing import Any

from temporalio.client import Client, Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from engine.errors import Unavailable
from engine.temporal.connection import TemporalConnection


class Crash(BaseException):
    """Nothing catches it, so nothing after it happens."""


def crashing_before_start() -> TemporalConnection:
    """Dies after the row is committed, before Temporal is told."""

    async def connect() -> Client:
        raise Crash

    return TemporalConnection(connect)


async def crashing_after_start(address: str) -> TemporalConnection:
    """Dies after Temporal has started the workflow, before the row says so."""
    return TemporalConnection.from_client(await Client.connect(address, interceptors=[_AfterStart(Crash())]))


async def refusing(
    address: str,
    status: RPCStatusCode = RPCStatusCode.INVALID_ARGUMENT,
    message: str = "Blob data size exceeds limit",
) -> TemporalConnection:
    """Temporal says no to every start."""
    refusal = RPCError(message, status, b"")
    return TemporalConnection.from_client(await Client.connect(address, interceptors=[_InsteadOfStart(refusal)]))


def unreachable() -> TemporalConnection:
    """Nobody answers."""

    async def connect() -> Client:
        raise Unavailable("TEMPORAL_UNAVAILABLE", "Temporal does not answer.", "Start it.")

    return TemporalConnection(connect)


class _AfterStart(Interceptor):
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        error = self._error

        class Outbound(OutboundInterceptor):
            async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
                await super().start_workflow(input)
                raise error

        return Outbound(next)


class _InsteadOfStart(Interceptor):
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        error = self._error

        class Outbound(OutboundInterceptor):
            async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
                raise error

        return Outbound(next)
