"""``transform.parse_json``, ``transform.query_json`` and ``transform.stringify_json``."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from engine.actions.builtin.text_room import require_room_for_json
from engine.actions.pure_action import PureAction, PureScope
from engine.actions.schema import WHOLE, ActionModel, CamelModel
from engine.errors import ACTION, EXPRESSION, StepFailure
from engine.expression import ExpressionFailure, compile_expression
from engine.values import javascript
from engine.values.json_size import is_deeper

JSON_PARSE_FAILED: Final = "JSON_PARSE_FAILED"

_MAX_DEPTH: Final = 900
"""What is deeper may be read here and not be written there: both take stack, of which there is more in one place than another."""

JsonType = Literal["object", "array", "string", "number", "boolean", "null"]


class ParseInput(CamelModel):
    source: str | list[Any] | dict[str, Any]


class ParseOutput(ActionModel):
    value: Any
    type: JsonType


class QueryInput(CamelModel):
    source: Any
    expression: Annotated[str, Field(min_length=1)]


class QueryOutput(ActionModel):
    value: Any


class StringifyInput(CamelModel):
    source: Any
    spacing: Annotated[int, Field(ge=0, le=8), WHOLE] = 0


class StringifyOutput(ActionModel):
    text: str


def parse(call: ParseInput, _scope: PureScope) -> dict[str, Any]:
    """A text parsed as JSON; an object or a list as it is. Numbers must be finite."""
    value = _parse_text(call.source) if isinstance(call.source, str) else call.source
    return {"value": value, "type": type_of(value)}


def _parse_text(source: str) -> Any:
    try:
        value = json.loads(source, parse_constant=_refuse_constant, parse_float=_finite_float, parse_int=_readable_int)
        if is_deeper(value, _MAX_DEPTH):
            raise RecursionError
        return value
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise StepFailure(ACTION, f"JSON parse failed: {reason}", code=JSON_PARSE_FAILED) from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _readable_int(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:
        # Python's own words name a setting of Python.
        raise ValueError(f"an integer has {len(digits):,} digits") from None


def _finite_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:40]} is too large")
    return value


def type_of(value: Any) -> JsonType:
    """The JSON name of a value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list | tuple) else "object"


def query(call: QueryInput, scope: PureScope) -> dict[str, Any]:
    """The expression's value, with ``source`` beside everything an expression of the step sees."""
    stage = "is not valid"
    try:
        expression = compile_expression(call.expression)
        stage = "could not be evaluated"
        context = {**scope.context, "source": call.source}
        return {"value": expression.evaluate(context, scope.now_iso, rounds=scope.earlier)}
    except ExpressionFailure as failure:
        raise StepFailure(
            EXPRESSION, f"The query expression {stage}: {failure.message}", code=failure.kind,
            details={"source": failure.source, "position": failure.position, "path": "/expression"},
        ) from None  # fmt: skip


def stringify(call: StringifyInput, _scope: PureScope) -> dict[str, Any]:
    """Compact JSON, or pretty with ``spacing`` spaces a level."""
    require_room_for_json(call.source, call.spacing)
    return {"text": javascript.json_text(call.source, call.spacing)}


JSON_ACTIONS: Final = (
    PureAction("transform.parse_json", 1, ParseInput, ParseOutput, parse, "Parse a text as JSON."),
    PureAction("transform.query_json", 1, QueryInput, QueryOutput, query, "Evaluate an expression on a value."),
    PureAction("transform.stringify_json", 1, StringifyInput, StringifyOutput, stringify, "Write a value as JSON."),
)
