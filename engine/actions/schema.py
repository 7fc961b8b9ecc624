"""Inputs and outputs of actions as pydantic models: parsing, and what is said when a value does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from engine.errors import ACTION, StepFailure
from engine.values.json_pointer import pointer_of

INPUT_INVALID: Final = "ACTION_INPUT_INVALID"
OUTPUT_INVALID: Final = "ACTION_OUTPUT_INVALID"

_ISSUES_SHOWN: Final = 20

Model = TypeVar("Model", bound=BaseModel)


def _whole_float_to_int(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE: Final = BeforeValidator(_whole_float_to_int)
"""Last in ``Annotated[int, Field(ge=..), WHOLE]``: an integer of JSON, where ``2`` and ``2.0`` are the same number."""


class ActionModel(BaseModel):
    """Base of the built-in models: JSON types are taken as they are (``"5"`` is no number); unknown keys are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class CamelModel(ActionModel):
    """An ``ActionModel`` whose fields are written in camelCase in definitions, as those of ``transform.*`` are."""

    model_config = ConfigDict(alias_generator=to_camel)


def parse_input(label: str, model: type[Model], value: Any) -> Model:
    """``value`` as an instance of ``model``.

    Raises ``StepFailure`` (``ActionError``, code ``ACTION_INPUT_INVALID``) with ``details.issues``: a list of
    ``{path, message, kind}``, path a JSON pointer. The values themselves are not repeated: they may hold a secret.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        issues = issues_of(error)
        raise StepFailure(
            ACTION, f"The input of {label} is not valid: {_sentence(issues)}", code=INPUT_INVALID,
            details={"issues": issues},
        ) from None  # fmt: skip
    except BaseException as error:  # noqa: BLE001 - validators are code of whoever wrote the action, and raise what they like
        reason = (
            "it is nested too deeply" if isinstance(error, RecursionError) else f"a check raised {type(error).__name__}"
        )
        raise StepFailure(
            ACTION, f"The input of {label} is not valid: {reason}.", code=INPUT_INVALID, details={"issues": []}
        ) from None


def output_json(label: str, model: type[BaseModel], value: Any) -> Any:
    """What a handler returned, validated and as a JSON value.

    Raises ``StepFailure`` (``ActionError``, code ``ACTION_OUTPUT_INVALID``) with ``details.issues`` as ``parse_input`` does.
    """
    try:
        # A model's own instance is validated too: its fields may have been assigned after it was made.
        fields = value.model_dump(by_alias=True) if isinstance(value, BaseModel) else value
        output = model.model_validate(fields)
        # Written as JSON, pydantic turns some of these numbers to null without a word.
        issues = list(_not_finite(output.model_dump(by_alias=True), ()))[:_ISSUES_SHOWN]
        written = None if issues else output.model_dump(mode="json", by_alias=True)
    except ValidationError as error:
        issues, written = issues_of(error), None
    except BaseException as error:  # noqa: BLE001 - validators and serializers of the model raise what they like
        # What is said of it may quote the value.
        issues, written = [_unwritable(error)], None
    if issues:
        raise StepFailure(
            ACTION, f"The output of {label} is not valid: {_sentence(issues)}", code=OUTPUT_INVALID,
            details={"issues": issues},
        )  # fmt: skip
    return written


def _unwritable(error: BaseException) -> dict[str, str]:
    message = "it holds something that is no JSON, or is nested too deeply"
    return {"path": "", "message": message, "kind": type(error).__name__}


def _not_finite(value: Any, location: tuple[int | str, ...]) -> Iterator[dict[str, str]]:
    if isinstance(value, float | Decimal) and not isfinite(value):
        yield {
            "path": pointer_of(*location),
            "message": "JSON has no NaN and no infinite numbers",
            "kind": "finite_number",
        }
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _not_finite(item, (*location, str(key)))
    elif isinstance(value, list | tuple | set | frozenset):
        for place, item in enumerate(value):
            yield from _not_finite(item, (*location, place))


def issues_of(error: ValidationError) -> list[dict[str, str]]:
    """The problems of a pydantic error as ``{path, message, kind}``, at most 20 of them."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [
        {"path": pointer_of(*item["loc"]), "message": item["msg"], "kind": item["type"]}
        for item in found[:_ISSUES_SHOWN]
    ]


def _sentence(issues: list[dict[str, str]]) -> str:
    return "; ".join(f"{issue['path'].lstrip('/') or 'value'}: {issue['message']}" for issue in issues)
