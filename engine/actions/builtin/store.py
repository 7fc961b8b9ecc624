"""``store.*``: values a workflow keeps beyond its run. Quick and transactional: written exactly once, with the step."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import Field, FiniteFloat

from engine.actions.builtin.fields import (
    CONFLICT,
    VALIDATION_ERROR,
    Name,
    PageSize,
    Prefix,
    check_size,
    decode_cursor,
    encode_cursor,
)
from engine.actions.context import ActionContext
from engine.actions.declaration import action
from engine.actions.schema import WHOLE, ActionModel
from engine.errors import ACTION, VALIDATION, StepFailure
from engine.store.data import data_store
from engine.values.timestamps import iso_milliseconds

MAX_TTL_SECONDS: Final = 31_536_000

ValueType = Literal["string", "number", "boolean", "json"]
Number = int | FiniteFloat


class KeyInput(ActionModel):
    namespace: Name
    key: Name


class WriteInput(KeyInput):
    idempotency_key: str | None = None
    """Kept for definitions of the earlier system. A step's writes are exactly once without it."""


class GetOutput(ActionModel):
    found: bool
    value: Any = None
    value_type: ValueType | None = None
    revision: int | None = None
    expires_at: str | None = None


class SetInput(WriteInput):
    value: Any
    value_type: ValueType = "json"
    ttl_seconds: Annotated[int, Field(ge=1, le=MAX_TTL_SECONDS), WHOLE] | None = None
    if_revision: Annotated[int, Field(ge=0), WHOLE] | None = None


class SetOutput(ActionModel):
    revision: int
    created: bool


class DeleteOutput(ActionModel):
    deleted: bool


class IncrementInput(WriteInput):
    by: Number = 1
    initial: Number = 0


class IncrementOutput(ActionModel):
    value: Number
    revision: int


class ListInput(ActionModel):
    namespace: Name
    prefix: Prefix | None = None
    limit: PageSize = 100
    cursor: str | None = None


class ListItem(ActionModel):
    key: str
    value: Any
    value_type: ValueType
    revision: int
    expires_at: str | None


class ListOutput(ActionModel):
    items: list[ListItem]
    next_cursor: str | None


class NamespacesInput(ActionModel):
    pass


class StoreNamespace(ActionModel):
    namespace: str
    key_count: int


class NamespacesOutput(ActionModel):
    namespaces: list[StoreNamespace]


@action("store.get", input=KeyInput, output=GetOutput, side_effects=False, quick=True, transaction=True)
async def get(call: KeyInput, ctx: ActionContext) -> dict[str, Any]:
    """Read a value; one that has expired is not there."""
    stored = await data_store.get(ctx.transaction, _slot(call, ctx))
    return {"found": False} if stored is None else {"found": True, **_fields(stored)}


@action("store.set", input=SetInput, output=SetOutput, quick=True, transaction=True)
async def put(call: SetInput, ctx: ActionContext) -> dict[str, Any]:
    """Write a value; without a time to live it never expires."""
    _check_type(call)
    check_size("value", call.value)
    try:
        revision = await data_store.put(
            ctx.transaction,
            _slot(call, ctx),
            call.value,
            value_type=call.value_type,
            ttl=None if call.ttl_seconds is None else timedelta(seconds=call.ttl_seconds),
            if_revision=call.if_revision,
            run_id=ctx.run_id,
        )
    except data_store.RevisionConflict as conflict:
        found = "it is not there" if conflict.current is None else f"it is at revision {conflict.current}"
        wanted = "new" if conflict.expected == 0 else f"at revision {conflict.expected}"
        raise StepFailure(
            ACTION,
            f"{call.namespace}/{call.key} was expected to be {wanted}, but {found}. Read it again and decide anew.",
            code=CONFLICT,
            details={"expectedRevision": conflict.expected, "revision": conflict.current},
        ) from None
    return {"revision": revision, "created": revision == 1}


@action("store.delete", input=WriteInput, output=DeleteOutput, quick=True, transaction=True)
async def delete(call: WriteInput, ctx: ActionContext) -> dict[str, Any]:
    """Delete a value."""
    return {"deleted": await data_store.remove(ctx.transaction, _slot(call, ctx))}


@action("store.increment", input=IncrementInput, output=IncrementOutput, quick=True, transaction=True)
async def increment(call: IncrementInput, ctx: ActionContext) -> dict[str, Any]:
    """Add to a number, atomically; the first time it is initial + by."""
    try:
        stored = await data_store.increment(
            ctx.transaction, _slot(call, ctx), call.by, initial=call.initial, run_id=ctx.run_id
        )
    except data_store.NotANumber:
        raise StepFailure(
            VALIDATION,
            f"{call.namespace}/{call.key} does not hold a number, so it cannot be incremented.",
            code=VALIDATION_ERROR,
            details={"namespace": call.namespace, "key": call.key},
        ) from None
    return {"value": stored.value, "revision": stored.revision}


@action("store.list", input=ListInput, output=ListOutput, side_effects=False, quick=True, transaction=True)
async def list_values(call: ListInput, ctx: ActionContext) -> dict[str, Any]:
    """Values of a namespace in the order of their keys, page by page."""
    after = None if call.cursor is None else decode_cursor(call.cursor, 1)[0]
    found = await data_store.page(
        ctx.transaction, ctx.tenant, call.namespace, prefix=call.prefix or "", after=after, limit=call.limit + 1
    )
    shown = found[: call.limit]
    return {
        "items": [{"key": stored.key, **_fields(stored)} for stored in shown],
        "next_cursor": encode_cursor(shown[-1].key) if len(found) > call.limit else None,
    }


@action(
    "store.list_namespaces", input=NamespacesInput, output=NamespacesOutput, side_effects=False, quick=True, transaction=True
)  # fmt: skip
async def list_namespaces(_call: NamespacesInput, ctx: ActionContext) -> dict[str, Any]:
    """The namespaces that have values, and how many."""
    found = await data_store.namespaces(ctx.transaction, ctx.tenant)
    return {"namespaces": [{"namespace": name, "key_count": count} for name, count in found]}


def _slot(call: KeyInput, ctx: ActionContext) -> data_store.Slot:
    return data_store.Slot(ctx.tenant, call.namespace, call.key)


def _fields(stored: data_store.StoredValue) -> dict[str, Any]:
    return {
        "value": stored.value,
        "value_type": stored.value_type,
        "revision": stored.revision,
        "expires_at": None if stored.expires_at is None else iso_milliseconds(stored.expires_at),
    }


def _check_type(call: SetInput) -> None:
    value = call.value
    fits = {
        "string": isinstance(value, str),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "json": True,
    }
    if not fits[call.value_type]:
        raise StepFailure(
            VALIDATION,
            f"value is not a {call.value_type}, as value_type says.",
            code=VALIDATION_ERROR,
            details={"field": "value"},
        )


STORE_ACTIONS: Final = (get, put, delete, increment, list_values, list_namespaces)
