"""Values too large for the row they belong to: kept once per run in ``workflow_payloads``, and named by reference."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text

from engine.ids import derived_id
from engine.settings import DEFAULT_TENANT
from engine.store.database.single_statement import execute_alone
from engine.store.database.transactions import Connection, Store
from engine.store.tables import workflow_payloads
from engine.values.json_policy import canonical_json, dumps_for_storage
from engine.values.jsonb_order import as_stored

INLINE_BYTES: Final = 256 * 1024
"""Above this many bytes of JSON a value is kept by reference."""

# Nothing is written over but what somebody has put there who could compute the id beforehand.
_INSERT: Final = text("""
    INSERT INTO workflow_payloads AS p (payload_id, tenant, run_id, value_json, size_bytes)
    SELECT CAST(:payload_id AS uuid),
        coalesce((SELECT r.tenant FROM workflow_runs AS r WHERE r.run_id = CAST(:run_id AS uuid)), CAST(:default_tenant AS uuid)),
        CAST(:run_id AS uuid), CAST(:value AS jsonb), :size
    ON CONFLICT (payload_id) DO UPDATE
    SET tenant = excluded.tenant, run_id = excluded.run_id, value_json = excluded.value_json, size_bytes = excluded.size_bytes
    WHERE (p.tenant, p.run_id) IS DISTINCT FROM (excluded.tenant, excluded.run_id) OR p.value_json <> excluded.value_json
""")
_TEXT: Final = text("""
    SELECT p.value_json AS body, p.run_id::text AS run_id,
        NOT EXISTS (SELECT FROM workflow_runs AS r WHERE r.run_id = p.run_id AND r.tenant <> p.tenant) AS own
    FROM workflow_payloads AS p WHERE p.payload_id = CAST(:payload_id AS uuid)
""")


@dataclass(frozen=True, slots=True)
class Sized:
    """A value as JSON text, with its size in UTF-8."""

    text: str
    size: int

    @property
    def value(self) -> Any:
        """The value as a reader of the row will see it."""
        return as_stored(json.loads(self.text))

    @property
    def large(self) -> bool:
        """Whether it goes by reference."""
        return self.size > INLINE_BYTES


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a value is: inline as JSON text, or in the payload store. One of both, or none for no value."""

    inline: str | None
    ref: str | None
    size: int | None


KEPT: Final = select(
    workflow_payloads.c.run_id,
    workflow_payloads.c.tenant,
    workflow_payloads.c.value_json,
    workflow_payloads.c.size_bytes,
)
"""What ``verified`` looks at."""
FORGED: Final = "PAYLOAD_FORGED"
_WITH_DIGEST: Final = 8
_EXACT: Final = 2**53


def sized(value: Any) -> Sized:
    """``value`` as Postgres will store it. Raises ``Invalid`` for what is no JSON (see ``json_policy``)."""
    spelled = dumps_for_storage(value)
    return Sized(spelled, len(spelled) if spelled.isascii() else len(spelled.encode()))


def final_scopes_id(run_id: str) -> str:
    """Id of the payload that holds the final scopes of a child run, or of a run whose vars are too large for its row."""
    return derived_id("final-scopes", run_id)


async def place(connection: Connection, run_id: str, value: Sized) -> Placed:
    """Keep a large value in the payload store, in the caller's transaction; a small one stays inline."""
    if not value.large:
        return Placed(value.text, None, value.size)
    payload_id = reference_of(run_id, json.loads(value.text))
    await put(connection, run_id, payload_id, value)
    return Placed(None, payload_id, value.size)


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of the payload store, as ``verified`` looks at it."""

    run_id: str | None
    """None: there is no row."""
    tenant: str | None
    value_json: Any


def reference_of(run_id: str, value: Any) -> str:
    """The id under which a value of a run is kept: made of both, so that who reads it can tell whether it is the one (UUIDv8)."""
    spelled = canonical_json(_even(value)).encode()
    made = UUID(derived_id("value", run_id, hashlib.sha256(spelled).hexdigest()))
    return str(UUID(int=(made.int & ~(0xF << 76)) | (_WITH_DIGEST << 76)))


def verified(reference: str, run_id: str, tenant: str, row: Any) -> Any:
    """The value of a row with ``run_id``, ``tenant`` and ``value_json``, to which a row of this run refers.

    Raises ``ForgedPayload`` when it belongs to another run or tenant, or is not the value that was kept under this id. An id
    from before there were digests in it, which has another version, says nothing of the value.
    """
    told = str(row.run_id) == str(run_id) and str(row.tenant) == str(tenant)
    if told and UUID(reference).version == _WITH_DIGEST:
        told = reference_of(run_id, row.value_json) == reference
    if not told:
        raise ForgedPayload(
            f"The payload {reference} is not what its reference says: it belongs to another run or tenant, or was changed."
        )
    return row.value_json


def _even(value: Any) -> Any:
    """Numbers as they are read again: jsonb tells 1e22 from 10000000000000000000000 no more than 5.0 from 5."""
    if isinstance(value, dict):
        return {key: _even(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_even(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        near = float(value)
    except OverflowError:
        return value
    return int(near) if near.is_integer() and abs(near) < _EXACT else near


async def put(connection: Connection, run_id: str, payload_id: str, value: Sized) -> None:
    """Store a value under an id; the same value again changes nothing."""
    await connection.execute(_INSERT, _parameters(run_id, payload_id, value))


async def read(connection: Connection, payload_id: str, *, run_id: str, tenant: str) -> Any:
    """The value that a row of the run refers to. Raises ``PayloadGone`` when it is gone, and as ``verified``."""
    row = (await connection.execute(KEPT.where(workflow_payloads.c.payload_id == payload_id))).first()
    if row is None:
        raise _gone(payload_id)
    return verified(payload_id, run_id, tenant, row)


@dataclass(frozen=True, slots=True)
class TextRef:
    """Names a text that is kept for a run, and what it must be."""

    payload_id: str
    run_id: str
    sha256: str


class PayloadGone(LookupError):
    """A value is not where its reference says; no worker will find it."""


class ForgedPayload(ValueError):
    """A stored text is not the one that was put there for this run."""


async def put_text(store: Store, run_id: str, body: str) -> TextRef:
    """Store a text to the byte (jsonb does not keep the spelling of objects)."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    reference = TextRef(_text_id(run_id, digest), run_id, digest)
    await execute_alone(store, _INSERT, _parameters(run_id, reference.payload_id, sized(body)))
    return reference


async def read_text(store: Store, payload_id: str, *, run_id: str | None, sha256: str | None) -> str:
    """The inverse of ``put_text``. ``run_id``, ``sha256``: of the reference; None in one that says nothing of it.

    Raises ``PayloadGone`` when it is gone, and ``ForgedPayload`` when it belongs to another run or tenant, or is another text.
    """
    row = await execute_alone(store, _TEXT, {"payload_id": payload_id})
    if row is None:
        raise _gone(payload_id)
    digest = hashlib.sha256(str(row.body).encode()).hexdigest()
    expected = _text_id(row.run_id, digest)
    if payload_id != expected or run_id not in {None, row.run_id} or sha256 not in {None, digest} or not row.own:
        raise ForgedPayload(
            f"The payload {payload_id} is not what its reference says: it belongs to another run or tenant, or was changed."
        )
    return str(row.body)


def _text_id(run_id: str, digest: str) -> str:
    return derived_id("text", run_id, digest)


def _gone(payload_id: str) -> PayloadGone:
    return PayloadGone(f"The payload {payload_id} is not in workflow_payloads.")


def _parameters(run_id: str, payload_id: str, value: Sized) -> dict[str, Any]:
    return {
        "payload_id": payload_id,
        "run_id": run_id,
        "default_tenant": DEFAULT_TENANT,
        "value": value.text,
        "size": value.size,
    }
