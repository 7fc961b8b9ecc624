"""The payload codec: a payload above 256 KiB is kept in ``workflow_payloads``, and history holds its id.

Done at the codec, once for everything that crosses: inputs and outputs of activities, a definition, the state carried over a
continue-as-new, the result of a child. The workflow sees values and never references, so its code has no second path, and a
replay on any worker reads the same bytes. While Postgres is away a workflow task that needs such a value is repeated.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from engine.store.database.transactions import Store
from engine.store.trace.payloads import INLINE_BYTES, put_text, read_text

ENCODING: Final = b"json/runstudio-reference"
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
        """See the class. Raises ``LookupError`` when the stored value is gone, ``ForgedPayload`` when it is not the run's own."""
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
        reference = json.loads(payload.data)
        # Whoever can write to Temporal could name the payload of another run.
        run_id = self._run_id or reference.get("run")
        body = await read_text(self._store, reference["payload_id"], run_id=run_id, sha256=reference.get("sha256"))
        return Payload(metadata={"encoding": _PLAIN}, data=body.encode())
