"""The connection to Temporal: quick to give up, silent, and gone before the interpreter is."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from engine.devstack.processes import free_port
from engine.devstack.temporal_server import TemporalServer
from engine.errors import Invalid, Unavailable
from engine.settings import Settings
from engine.temporal.connection import RPC_TIMEOUT, TemporalConnection, is_not_found, is_refusal, unavailable

PROGRAM = """
import asyncio, sys
from engine.temporal.connection import RPC_TIMEOUT, TemporalConnection
from engine.settings import Settings
from temporalio.service import RPCError

async def main():
    connection = TemporalConnection.from_settings(Settings.load(temporal_address=sys.argv[1]))
    try:
        client = await connection.client()
        await client.get_workflow_handle("unknown").describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        print(error.status.name)
    finally:
        await connection.close()

asyncio.run(main())
"""


async def test_a_process_that_used_it_ends_in_good_order(temporal_address: str) -> None:
    for _ in range(6):
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROGRAM,
            temporal_address,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await child.communicate()
        assert (child.returncode, output, errors) == (0, b"NOT_FOUND\n", b"")


async def test_one_client_for_everybody(temporal_address: str) -> None:
    connection = TemporalConnection.from_settings(Settings.load(temporal_address=temporal_address))
    first, second = await asyncio.gather(connection.client(), connection.client())
    assert first is second


async def test_nobody_there_is_unavailable_and_later_it_may_be_there(
    temporal_server: TemporalServer, tmp_path: Path
) -> None:
    port = free_port()
    connection = TemporalConnection.from_settings(Settings.load(temporal_address=f"127.0.0.1:{port}"))
    with pytest.raises(Unavailable, match="TEMPORAL_UNAVAILABLE"):
        await connection.client()
    late = TemporalServer(temporal_server.program, tmp_path / "late.db", log=tmp_path / "late.log", port=port)
    await asyncio.to_thread(late.start)
    try:
        client = await connection.client()
        await asyncio.to_thread(late.kill)
        began = time.monotonic()
        with pytest.raises(RPCError) as caught:
            await client.get_workflow_handle("x").describe(rpc_timeout=RPC_TIMEOUT)
        assert not is_refusal(caught.value)
        assert time.monotonic() - began < 10
    finally:
        await asyncio.to_thread(late.kill)


async def test_a_configuration_that_cannot_work_is_no_outage() -> None:
    with pytest.raises(Invalid, match="TEMPORAL_ADDRESS_MISSING"):
        await TemporalConnection.from_settings(Settings.load()).client()


@pytest.mark.parametrize("address", ["a b:7233", "127.0.0.1:99999", "[::1:7233"])
async def test_an_address_that_is_none_is_told_as_the_other_variables_are(address: str) -> None:
    with pytest.raises(Invalid, match="TEMPORAL_CONFIG_INVALID"):
        await TemporalConnection.from_settings(Settings.load(temporal_address=address)).client()


async def test_an_unknown_namespace_is_not_an_unknown_run(temporal_address: str) -> None:
    elsewhere = await Client.connect(temporal_address, namespace="nowhere")
    with pytest.raises(RPCError) as caught:
        await elsewhere.get_workflow_handle("x").describe(rpc_timeout=RPC_TIMEOUT)
    assert is_refusal(caught.value)
    assert not is_not_found(caught.value)
    assert unavailable(caught.value, "describe the run").code == "TEMPORAL_REFUSED"


async def test_an_unknown_run_is_not_found(temporal: Client) -> None:
    with pytest.raises(RPCError) as caught:
        await temporal.get_workflow_handle("unknown").describe()
    assert is_not_found(caught.value)


def test_overload_is_not_a_refusal() -> None:
    overload = RPCError("too many", RPCStatusCode.RESOURCE_EXHAUSTED, b"")
    assert not is_refusal(overload)
    assert unavailable(overload, "start the run").code == "TEMPORAL_UNAVAILABLE"
