"""The data converter for Temporal: plain JSON in the order it was made, large values by reference.

The SDK's own converter sorts object keys. Order is visible to authors (assignments are made in the order they are written),
so ours keeps it. Both write ``json/plain`` and read each other's payloads.
"""

from __future__ import annotations

import json
from typing import Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client
from temporalio.converter import (
    BinaryNullPayloadConverter,
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    EncodingPayloadConverter,
    JSONPlainPayloadConverter,
    JSONProtoPayloadConverter,
    PayloadConverter,
    SerializationContext,
)
from temporalio.exceptions import ApplicationError

from engine.contract import workflow_id_for
from engine.store.database.transactions import Store
from engine.temporal.payload_codec import LOST, UNREADABLE, ReadableOrSaid, codec_of
from engine.temporal.payload_keys import keys_of_process

PAYLOAD_LOST: Final = "PAYLOAD_LOST"
"""Code of a run that cannot go on, because Postgres was restored to before a value that its execution refers to."""
VALUE_LOST: Final = "A value that the run needs is lost:"
_RUN_PREFIX: Final = workflow_id_for("")
_RUNS_KEPT: Final = 4_096


class OrderedJson(JSONPlainPayloadConverter):
    """JSON values only: what crosses is made of plain data."""

    def to_payload(self, value: Any) -> Payload | None:
        """Raises ``TypeError`` or ``ValueError`` for what is no JSON."""
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        return Payload(metadata={"encoding": b"json/plain"}, data=text.encode())

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """The value as it is; the types of our signatures are shapes of plain data, and checking them costs more than reading."""
        return json.loads(payload.data)


class LostPayload(LookupError):
    """A value that a run needs is gone for good, or is not the run's own."""


class LostIsSaid(DefaultFailureConverter):
    """What cannot be done because a value is lost fails with ``PAYLOAD_LOST``: an activity for good, while a workflow task is
    repeated all the same. (The SDK's own failure is of no type, and to be repeated.)
    """

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """As the SDK does it, but for the above."""
        lost = exception if isinstance(exception, LostPayload) else exception.__cause__
        if isinstance(lost, LostPayload):
            message = f"{VALUE_LOST} {lost}"
            exception = ApplicationError(message, {"code": PAYLOAD_LOST}, type=PAYLOAD_LOST, non_retryable=True)
        super().to_failure(exception, payload_converter, failure)


class Unreadable(EncodingPayloadConverter):
    """What the codec could not read."""

    @property
    def encoding(self) -> str:
        """See the class."""
        return UNREADABLE.decode()

    def to_payload(self, value: Any) -> Payload | None:
        """Nothing is written so."""
        return None

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """Raises ``LookupError``, which says why: ``LostPayload`` when it is for good."""
        why = payload.data.decode(errors="replace")
        raise LostPayload(why) if LOST in payload.metadata else LookupError(why)


class SdkAnswers(JSONProtoPayloadConverter):
    """What the SDK itself answers with, such as the metadata of an execution, which Temporal's UI asks for."""

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """Raises ``KeyError``, as for any encoding that no value of a run has."""
        raise KeyError(f"Unknown payload encoding {self.encoding}")


class OrderedJsonPayloads(CompositePayloadConverter):
    """None, JSON, and answers of the SDK."""

    def __init__(self) -> None:
        super().__init__(BinaryNullPayloadConverter(), SdkAnswers(), OrderedJson(), Unreadable())


class RunDataConverter(DataConverter):
    """Knows whose values it converts. One converter per run is kept, because the SDK asks for it several times per step."""

    def __init__(self, store: Store) -> None:
        # Once: the settings are read anew each time, which costs more than converting what a run sends.
        keys = keys_of_process()
        super().__init__(OrderedJsonPayloads, codec_of(store, keys), LostIsSaid)
        object.__setattr__(self, "_store", store)
        object.__setattr__(self, "_keys", keys)
        object.__setattr__(self, "_of_runs", {})

    def with_context(self, context: SerializationContext) -> DataConverter:  # type: ignore[override] # a converter for one run is a plain one
        """The converter for the values of the run whose workflow or activity this is."""
        workflow_id: str = getattr(context, "workflow_id", None) or ""
        if not workflow_id.startswith(_RUN_PREFIX):
            return self
        of_runs: dict[str, DataConverter] = self.__dict__["_of_runs"]
        converter = of_runs.get(workflow_id)
        if converter is None:
            run_id = workflow_id.removeprefix(_RUN_PREFIX)
            codec = ReadableOrSaid(codec_of(self.__dict__["_store"], self.__dict__["_keys"], run_id))
            converter = DataConverter(OrderedJsonPayloads, codec, LostIsSaid)
            if len(of_runs) >= _RUNS_KEPT:
                del of_runs[next(iter(of_runs))]
            of_runs[workflow_id] = converter
        return converter


def data_converter(store: Store) -> DataConverter:
    """The converter of whoever runs workflows and activities, or reads their large values from Temporal.

    Raises ``Invalid`` when the keys of the settings cannot be used.
    """
    return RunDataConverter(store)


def speaking_to_runs(client: Client, store: Store) -> Client:
    """The client with this converter, whatever its own: what it sends a run has the form that the run's own values have."""
    config = client.config()
    config["data_converter"] = data_converter(store)
    return Client(**config)
