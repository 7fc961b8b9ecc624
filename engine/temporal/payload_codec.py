"""The payload codecs: a payload above 256 KiB is kept in ``workflow_payloads``, and history holds its id.

Done at the codec, once for everything that crosses: inputs and outputs of activities, a definition, the state carried over a
continue-as-new, the result of a child. The workflow sees values and never references, so its code has no second path, and a
replay on any worker reads the same bytes. While Postgres is away a workflow task that needs such a value is repeated.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from engine.store.database.transactions import Store
from engine.store.trace.payloads import INLINE_BYTES, ForgedPayload, PayloadGone, put_text, read_text
from engine.temporal.payload_keys import PayloadKeys

ENCODING: Final = b"json/runstudio-reference"
ENCRYPTED: Final = b"binary/runstudio-encrypted"
UNREADABLE: Final = b"text/runstudio-unreadable"
"""In memory only: why a payload cannot be read, in its place."""
LOST: Final = "lost"
"""Beside it: no other worker can read it either."""
_PLAIN: Final = b"json/plain"


class LargePayloads(PayloadCodec):
    """Replaces large JSON payloads by ``{"payload_id", "bytes", "run", "sha256"}`` and back; leaves all others alone."""

    def __init__(self, store: Store, run_id: str | None = None) -> None:
        """``run_id``: the run whose payloads these are; without one nothing is stored, only read."""
        self._store = store
        self._run_id = run_id

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See the class."""
        return [await self._out(payload) if len(payload.data) > INLINE_BYTES else payload for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See the class. Raises ``PayloadGone`` for what is gone, ``ForgedPayload`` for what is not the run's own."""
        return [
            await self._back(payload) if payload.metadata.get("encoding") == ENCODING else payload
            for payload in payloads
        ]

    async def _out(self, payload: Payload) -> Payload:
        if self._run_id is None or payload.metadata.get("encoding") != _PLAIN:
            return payload
        stored = await put_text(self._store, self._run_id, payload.data.decode())
        reference = {
            "payload_id": stored.payload_id,
            "bytes": len(payload.data),
            "run": stored.run_id,
            "sha256": stored.sha256,
        }
        return Payload(metadata={"encoding": ENCODING}, data=json.dumps(reference).encode())

    async def _back(self, payload: Payload) -> Payload:
        reference = _reference(payload.data)
        # Whoever can write to Temporal could name the payload of another run.
        run_id = self._run_id or reference.get("run")
        body = await read_text(self._store, reference["payload_id"], run_id=run_id, sha256=reference.get("sha256"))
        return Payload(metadata={"encoding": _PLAIN}, data=body.encode())


def _reference(data: bytes) -> dict[str, str]:
    """Its texts, the id as Postgres spells it. Raises ``ForgedPayload`` for what we have not written."""
    try:
        found = json.loads(data)
        payload_id = str(UUID(found["payload_id"]))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ForgedPayload("A payload is said to be a reference, and is none.") from None
    return {**{name: value for name, value in found.items() if isinstance(value, str)}, "payload_id": payload_id}


class EncryptedPayloads(PayloadCodec):
    """Encrypts every payload, the references of large ones included, bound to its run; reads what is not encrypted as it is."""

    def __init__(self, inner: PayloadCodec, keys: PayloadKeys, run_id: str | None = None) -> None:
        self._inner = inner
        self._keys = keys
        self._run_id = run_id

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See the class."""
        return [self._hidden(payload) for payload in await self._inner.encode(payloads)]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See the class. Raises ``LookupError`` for a key that is not there, ``ForgedPayload`` for what is of another run."""
        shown = [
            self._shown(payload) if payload.metadata.get("encoding") == ENCRYPTED else payload for payload in payloads
        ]
        return await self._inner.decode(shown)

    def _hidden(self, payload: Payload) -> Payload:
        run = (self._run_id or "").encode()
        name, data = self._keys.encrypt(payload.SerializeToString(), run)
        return Payload(metadata={"encoding": ENCRYPTED, "key": name.encode(), "run": run}, data=data)

    def _shown(self, payload: Payload) -> Payload:
        run = payload.metadata.get("run", b"")
        if run and self._run_id is not None and run != self._run_id.encode():
            raise ForgedPayload(
                f"A payload of run {run.decode(errors='replace')[:64]} was given to run {self._run_id}."
            )
        name = payload.metadata.get("key", b"").decode(errors="replace")
        return Payload.FromString(self._keys.decrypt(name, payload.data, run))


class ReadableOrSaid(PayloadCodec):
    """What cannot be read for good is left to whoever converts it, who knows what it was for: a signal is dropped then, while a
    codec that raises stops the whole workflow task, again and again.
    """

    def __init__(self, inner: PayloadCodec) -> None:
        self._inner = inner

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """As the inner one."""
        return await self._inner.encode(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See the class. Raises when Postgres is away."""
        return [await self._one(payload) for payload in payloads]

    async def _one(self, payload: Payload) -> Payload:
        try:
            [read] = await self._inner.decode([payload])
        except (PayloadGone, ForgedPayload) as error:
            return Payload(metadata={"encoding": UNREADABLE, LOST: b"1"}, data=str(error).encode())
        except LookupError as error:
            return Payload(metadata={"encoding": UNREADABLE}, data=str(error).encode())
        return read


def codec_of(store: Store, keys: PayloadKeys | None, run_id: str | None = None) -> PayloadCodec:
    """The codec for the payloads of a run. ``keys``: None when they are not encrypted."""
    large = LargePayloads(store, run_id)
    return large if keys is None else EncryptedPayloads(large, keys, run_id)
