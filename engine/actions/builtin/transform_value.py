"""``transform.*`` on objects and lists."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from engine.actions.pure_action import PureAction, PureScope
from engine.actions.schema import ActionModel, CamelModel
from engine.values import javascript


class ObjectOutput(ActionModel):
    object: dict[str, Any]


class ItemsOutput(ActionModel):
    items: list[Any]


class CoalesceInput(CamelModel):
    candidates: list[Any] = Field(default_factory=list)
    treat_empty_string_as_missing: bool = True


class CoalesceOutput(CamelModel):
    value: Any = None
    matched_index: int | None


class FieldEntry(CamelModel):
    key: Annotated[str, Field(min_length=1)]
    value: Any = None


class BuildObjectInput(CamelModel):
    fields_: list[FieldEntry] = Field(alias="fields", default_factory=list)


class PickFieldsInput(CamelModel):
    source: dict[str, Any] | None = Field(default_factory=dict)
    fields_: list[str] = Field(alias="fields", default_factory=list)


class Rename(CamelModel):
    from_: Annotated[str, Field(alias="from")]
    to: str


class RenameFieldsInput(CamelModel):
    source: dict[str, Any] = Field(default_factory=dict)
    renames: list[Rename] = Field(default_factory=list)


class AppendArrayInput(CamelModel):
    items: list[Any]
    values: list[Any]


class BuildArrayInput(CamelModel):
    items: list[Any]


def coalesce(call: CoalesceInput, _scope: PureScope) -> dict[str, Any]:
    """The first candidate that is there. Without one, ``value`` is absent and ``matchedIndex`` null."""
    for index, candidate in enumerate(call.candidates):
        blank = isinstance(candidate, str) and not candidate.strip(javascript.WHITESPACE)
        if candidate is not None and not (blank and call.treat_empty_string_as_missing):
            return {"value": candidate, "matchedIndex": index}
    return {"matchedIndex": None}


def build_object(call: BuildObjectInput, _scope: PureScope) -> dict[str, Any]:
    """An object of the fields; the last of equal keys wins. A field without a value is left out."""
    return {"object": {entry.key: entry.value for entry in call.fields_ if "value" in entry.model_fields_set}}


def pick_fields(call: PickFieldsInput, _scope: PureScope) -> dict[str, Any]:
    """The named fields that exist, in the order they are named."""
    source = call.source or {}
    return {"object": {name: source[name] for name in call.fields_ if name in source}}


def rename_fields(call: RenameFieldsInput, _scope: PureScope) -> dict[str, Any]:
    """The renames one after the other; a field that is not there is passed over, a target is overwritten."""
    result = dict(call.source)
    for rename in call.renames:
        if rename.from_ in result:
            result[rename.to] = result.pop(rename.from_)
    return {"object": result}


def append_array(call: AppendArrayInput, _scope: PureScope) -> dict[str, Any]:
    """Both lists, one after the other."""
    return {"items": [*call.items, *call.values]}


def build_array(call: BuildArrayInput, _scope: PureScope) -> dict[str, Any]:
    """The items as a list."""
    return {"items": call.items}


VALUE_ACTIONS: Final = (
    PureAction(
        "transform.coalesce_value", 1, CoalesceInput, CoalesceOutput, coalesce, "The first value that is not missing."
    ),
    PureAction("transform.build_object", 1, BuildObjectInput, ObjectOutput, build_object, "Build an object."),
    PureAction(
        "transform.pick_fields", 1, PickFieldsInput, ObjectOutput, pick_fields, "Keep some fields of an object."
    ),
    PureAction("transform.rename_fields", 1, RenameFieldsInput, ObjectOutput, rename_fields, "Rename fields."),
    PureAction("transform.append_array", 1, AppendArrayInput, ItemsOutput, append_array, "Put two lists together."),
    PureAction("transform.build_array", 1, BuildArrayInput, ItemsOutput, build_array, "Build a list."),
)
