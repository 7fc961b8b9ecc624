"""Whether a Temporal is the one that the database belongs to, by the ids of its cluster and namespace; and whether the database
is the one that Temporal executes, and not a copy of it."""

from __future__ import annotations

from typing import Final

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetClusterInfoRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from engine.contract import workflow_id_for
from engine.store.database.transactions import Store, writing
from engine.store.tenant.installation import (
    Recorded,
    TemporalIdentity,
    load_installation,
    remember_installation,
    runs_to_prove_by,
)
from engine.store.tenant.place import Places, load_places, remember_place
from engine.temporal.connection import RPC_TIMEOUT, Check, WrongTemporal, is_not_found, unavailable

_NOT_TOLD: Final = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED})
_MOVE: Final = (
    "To move the database there deliberately: `runstudio installation move --reason TEXT`;"
    " a development stack: `runstudio dev up --move`."
)


async def identity_of(client: Client) -> TemporalIdentity:
    """Which Temporal the client speaks to. Raises ``Unavailable`` (TEMPORAL_UNAVAILABLE, TEMPORAL_REFUSED)."""
    service = client.workflow_service
    try:
        described = await service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace), timeout=RPC_TIMEOUT
        )
        return TemporalIdentity(described.namespace_info.name, described.namespace_info.id, await _cluster_id(client))
    except RPCError as error:
        raise unavailable(error, f"describe the namespace {client.namespace}") from error


def same_installation(store: Store) -> Check:
    """A check that a client speaks to the Temporal that the database remembers; passed when it remembers none yet.

    It raises ``WrongTemporal`` (INSTALLATION_OTHER, DATABASE_COPIED), and ``Unavailable`` when one of the two cannot be asked.
    """

    async def check(client: Client) -> None:
        async with writing(store) as connection:
            recorded = await load_installation(connection)
            places = await load_places(connection)
        if recorded is not None:
            _require_same(recorded, await identity_of(client))
            _require_original(recorded, places)

    return check


def remembered_installation(store: Store, by: str) -> Check:
    """As ``same_installation``; the first client is remembered, and where the database is, on record as ``by``.

    Where runs are open, it must know one of them: it raises ``WrongTemporal`` (INSTALLATION_UNPROVEN) too.
    """

    async def check(client: Client) -> None:
        found = await identity_of(client)
        async with writing(store) as connection:
            recorded = await load_installation(connection)
            open_runs = [] if recorded is not None else await runs_to_prove_by(connection)
            places = await load_places(connection)
        if recorded is None:
            await _require_one_known(client, found, open_runs)
            async with writing(store) as connection:
                await remember_installation(connection, found, by)
                recorded = await load_installation(connection)
        if recorded is not None:
            _require_same(recorded, found)
            _require_original(recorded, places)
        if not places.known:
            async with writing(store) as connection:
                await remember_place(connection, places.here, by)

    return check


def require_same_name(recorded: Recorded | None, namespace: str) -> None:
    """What is known without asking Temporal. Raises ``WrongTemporal`` (INSTALLATION_OTHER)."""
    if recorded is not None and recorded.temporal.namespace != namespace:
        raise _other(recorded, f"namespace {namespace}")


def _require_same(recorded: Recorded, found: TemporalIdentity) -> None:
    if not recorded.temporal.is_same(found):
        raise _other(recorded, str(found))


def _require_original(recorded: Recorded, places: Places) -> None:
    if places.is_copy:
        raise WrongTemporal(
            "DATABASE_COPIED",
            f"This is {places.here}, a copy: Temporal's {recorded.temporal} executes the runs of {places.known[-1]}.",
            "Give a copy a Temporal of its own. If the database is here now, and nothing uses the other one any more:"
            " `runstudio installation move --reason TEXT`, which either needs.",
        )


def _other(recorded: Recorded, found: str) -> WrongTemporal:
    return WrongTemporal(
        "INSTALLATION_OTHER",
        f"The database belongs to Temporal's {recorded.temporal}, and this is {found}.",
        f"Correct TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, or DATABASE_URL. {_MOVE}",
    )


async def _require_one_known(client: Client, found: TemporalIdentity, open_runs: list[str]) -> None:
    for run_id in open_runs:
        try:
            await client.get_workflow_handle(workflow_id_for(run_id)).describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if not is_not_found(error):
                raise unavailable(error, "describe a run") from error
        else:
            return
    if open_runs:
        raise WrongTemporal(
            "INSTALLATION_UNPROVEN",
            f"The database has open runs, and Temporal's {found} knows none of the last {len(open_runs)}.",
            f"Correct TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, or DATABASE_URL. {_MOVE}",
        )


async def _cluster_id(client: Client) -> str | None:
    try:
        told = await client.workflow_service.get_cluster_info(GetClusterInfoRequest(), timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status in _NOT_TOLD:
            return None
        raise
    return told.cluster_id or None
