"""How values cross to Temporal: plain JSON in the order it was made, large values by reference.

The SDK's own converter sorts object keys. Order is visible to authors (assignments are made in the order they are written),
so ours keeps it. Both write ``json/plain`` and read each other's payloads.
"""

from __future__ import annotations

import json
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import (
    BinaryNullPayloadConverter,
    CompositePayloadConverter,
    DataConverter,
    JSONPlainPayloadConverter,
)

from engine.activities.payload_codec import LargePayloads
from engine.store.transactions import Store


class OrderedJson(JSONPlainPayloadConverter):
    """JSON values only: what crosses is made of plain data."""

    def to_payload(self, value: Any) -> Payload | None:
        """Raises ``TypeError`` or ``ValueError`` for what is no JSON."""
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        return Payload(metadata={"encoding": b"json/plain"}, data=text.encode())


class OrderedJsonPayloads(CompositePayloadConverter):
    """None, and JSON."""

    def __init__(self) -> None:
        super().__init__(BinaryNullPayloadConverter(), OrderedJson())


def data_converter(store: Store) -> DataConverter:
    """The converter of whoever runs workflows and activities, or reads their large values from Temporal."""
    return DataConverter(payload_converter_class=OrderedJsonPayloads, payload_codec=LargePayloads(store))


def speaking_to_runs(client: Client, store: Store) -> Client:
    """The client with this converter, whatever its own: what it sends a run has the form that the run's own values have."""
    config = client.config()
    config["data_converter"] = data_converter(store)
    return Client(**config)
