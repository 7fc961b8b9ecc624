"""The workflow language as pydantic models: strict (unknown keys refused), one model per step type, told apart by ``type``.

Field names are snake case here and camel case in JSON. The models say what a definition may look like; what only makes sense
in a running system (known actions, schemas, called workflows, assignment targets) is checked by publish validation.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic import ValidationError as ModelError
from pydantic.alias_generators import to_camel

from engine.definition.mappings import InputMapping, Scalar

Name = Annotated[str, StringConstraints(min_length=1)]
PositiveInt = Annotated[int, Field(gt=0)]
SafeMilliseconds = Annotated[int, Field(gt=0, le=9_007_199_254_740_991)]


class LanguageModel(BaseModel):
    """Strict in both senses: no unknown keys, and no conversion between JSON types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


class Expr(BaseModel):
    """``{"$expr": source}``. Other keys are dropped, and null means empty: a draft may hold an unfinished expression."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    source: str = Field(alias="$expr")

    @model_validator(mode="before")
    @classmethod
    def _unfinished(cls, value: Any) -> Any:
        return {"$expr": ""} if isinstance(value, dict) and "$expr" in value and value["$expr"] is None else value


ExprMap = dict[str, Expr]


class RetryPolicy(LanguageModel):
    """How a failed attempt is repeated. Delays in milliseconds; the cap holds after jitter."""

    max_attempts: PositiveInt
    backoff_ms: Annotated[int, Field(ge=0)]
    backoff_multiplier: Annotated[float, Field(gt=0)] = 2.0
    jitter: bool = True
    max_delay_ms: PositiveInt | None = None
    retry_on: list[str] | None = None
    """Error categories that may be repeated; absent or empty means all."""


class OnError(LanguageModel):
    """What a step does with its own failure, after its retries."""

    policy: Literal["fail", "continue"]


# --- triggers ---------------------------------------------------------------------------------------------------------


class EventTrigger(LanguageModel):
    """Start a run for every event of this name."""

    type: Literal["event"]
    event_name: Name
    source_payload_schema_ref: Name | None = None
    payload_mapping: InputMapping | None = None


class ScheduleTrigger(LanguageModel):
    """Start one run, once."""

    type: Literal["schedule"]
    run_at: Name


class RecurringTrigger(LanguageModel):
    """Start runs by a five-field cron expression in a time zone."""

    type: Literal["recurring"]
    cron: Name
    timezone: Name


Trigger = Annotated[EventTrigger | ScheduleTrigger | RecurringTrigger, Field(discriminator="type")]


# --- configurations of node steps and waits ---------------------------------------------------------------------------


class StateSetConfig(LanguageModel):
    """Writes ``meta.state``."""

    state: Name


class AssignConfig(LanguageModel):
    """Targets and expressions, in order; all of them take effect or none."""

    assign: ExprMap


class ActionCallConfig(LanguageModel):
    """Which action, with which input, and where its output goes. The designer's own keys are kept and ignored."""

    action_id: Name
    version: PositiveInt
    input_mapping: InputMapping = Field(default_factory=dict)
    outputs: list[Any] | None = None
    """Documents of ``transform.compose_text``, checked by that action."""
    save_as: str | None = None
    on_error: OnError | None = None
    idempotency_key: Expr | None = None
    designer_group_key: str | None = None
    designer_tile_kind: Literal["core-object", "transform", "app", "ai"] | None = None
    designer_app_key: str | None = None
    ai_output_schema_mode: Literal["simple", "advanced"] | None = None
    ai_output_schema: dict[str, Any] | None = None
    ai_output_schema_text: str | None = None


class HumanTaskConfig(LanguageModel):
    """A question to a person. The form belongs to the task type, not to the definition."""

    task_type: Name
    title: Expr
    description: Expr | None = None
    context_data: ExprMap | None = None
    assign: ExprMap | None = None


class ParseEmailConfig(LanguageModel):
    """Texts to parse as an e-mail reply."""

    text: Expr | None = None
    html: Expr | None = None
    save_as: str = "payload.parsedEmail"


class RenderCommentConfig(LanguageModel):
    """Texts to turn into the blocks of a comment."""

    html: Expr | None = None
    text: Expr | None = None
    save_as: str = "payload.commentBlocks"


FilterOperator = Literal[
    "=", "!=", "in", "not_in", "exists", "not_exists", ">", ">=", "<", "<=", "contains", "starts_with", "ends_with"
]
_WITHOUT_VALUE: Final = ("exists", "not_exists")
_WITH_LIST: Final = ("in", "not_in")
_WITH_TEXT: Final = ("contains", "starts_with", "ends_with")


class Filter(LanguageModel):
    """A condition on the payload of an event, such as ``{"path": "a.b", "op": ">", "value": 5}``."""

    path: Name
    op: FilterOperator
    value: Scalar | list[Scalar] = None

    @model_validator(mode="after")
    def _value_fits_operator(self) -> Filter:
        given = "value" in self.model_fields_set
        if self.op in _WITHOUT_VALUE:
            if given:
                raise ValueError(f"operator {self.op} takes no value")
        elif not given:
            raise ValueError(f"operator {self.op} needs a value")
        elif self.op in _WITH_LIST:
            if not isinstance(self.value, list):
                raise ValueError(f"operator {self.op} needs a list of values")
        elif isinstance(self.value, list):
            raise ValueError(f"operator {self.op} needs one value, not a list")
        elif self.op in _WITH_TEXT and not isinstance(self.value, str):
            raise ValueError(f"operator {self.op} needs text")
        return self


class EventWaitConfig(LanguageModel):
    """Wait for an event of this name and key that passes every filter; for ever without ``timeoutMs``."""

    event_name: Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
    correlation_key: Expr
    filters: list[Filter] | None = None
    timeout_ms: SafeMilliseconds | None = None
    assign: ExprMap | None = None


class TimeWaitConfig(LanguageModel):
    """Wait for a duration, or until an ISO-8601 time."""

    mode: Literal["duration", "until"]
    duration_ms: SafeMilliseconds | Expr | None = None
    until: Expr | None = None
    assign: ExprMap | None = None

    @model_validator(mode="after")
    def _mode_has_its_field(self) -> TimeWaitConfig:
        if self.mode == "duration" and self.duration_ms is None:
            raise ValueError("mode duration needs durationMs")
        if self.mode == "until" and self.until is None:
            raise ValueError("mode until needs until")
        return self


# --- steps ------------------------------------------------------------------------------------------------------------


class _Step(LanguageModel):
    id: Name


class _NodeStep(_Step):
    name: str | None = None
    retry: RetryPolicy | None = None
    on_error: OnError | None = None


class StateSetStep(_NodeStep):
    type: Literal["state.set"]
    config: StateSetConfig


class AssignStep(_NodeStep):
    type: Literal["transform.assign"]
    config: AssignConfig


class ActionCallStep(_NodeStep):
    type: Literal["action.call"]
    config: ActionCallConfig


class HumanTaskStep(_NodeStep):
    type: Literal["human.task"]
    config: HumanTaskConfig


class ParseEmailStep(_NodeStep):
    type: Literal["email.parseBody"]
    config: ParseEmailConfig = Field(default_factory=ParseEmailConfig)


class RenderCommentStep(_NodeStep):
    type: Literal["email.renderCommentBlocks"]
    config: RenderCommentConfig = Field(default_factory=RenderCommentConfig)


class EventWaitStep(_NodeStep):
    type: Literal["event.wait"]
    config: EventWaitConfig


class TimeWaitStep(_NodeStep):
    type: Literal["time.wait"]
    config: TimeWaitConfig


class IfStep(_Step):
    type: Literal["control.if"]
    condition: Expr
    then: list[Step]
    else_: Annotated[list[Step], Field(alias="else")] = Field(default_factory=list)


class ForEachStep(_Step):
    type: Literal["control.forEach"]
    items: Expr
    item_var: Name
    concurrency: Literal[1] | None = None
    """Iterations are strictly sequential; any other value is refused."""
    body: list[Step]
    on_item_error: Literal["continue", "fail"] | None = None


class TryCatchStep(_Step):
    type: Literal["control.tryCatch"]
    try_: Annotated[list[Step], Field(alias="try")]
    catch: list[Step]
    capture_error_as: Name | None = None


class CallWorkflowStep(_Step):
    type: Literal["control.callWorkflow"]
    workflow_id: Name
    workflow_version: PositiveInt
    input_mapping: ExprMap | None = None
    output_mapping: ExprMap | None = None
    retry: RetryPolicy | None = None
    on_error: OnError | None = None


class ReturnStep(_Step):
    type: Literal["control.return"]


class BrokenStep(_Step):
    """A step that could not be read on its own, in a definition that is otherwise sound. Only lenient parsing makes one."""

    type: str
    problem: str
    code: Literal["INVALID_CONFIG", "UNKNOWN_NODE_TYPE"]
    on_error: OnError | None = None


NODE_TYPES: Final = (
    "state.set",
    "transform.assign",
    "action.call",
    "human.task",
    "event.wait",
    "time.wait",
    "email.parseBody",
    "email.renderCommentBlocks",
)
CONTROL_TYPES: Final = (
    "control.if",
    "control.forEach",
    "control.tryCatch",
    "control.callWorkflow",
    "control.return",
)


def _tolerate(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """In lenient parsing, replace an unreadable node step by a BrokenStep; control blocks stay strict."""
    try:
        return handler(value)
    except ModelError as failure:
        if not (info.context or {}).get("lenient") or not isinstance(value, dict):
            raise
        step_id, step_type = value.get("id"), value.get("type")
        readable = isinstance(step_id, str) and step_id and isinstance(step_type, str) and step_type
        if not readable or str(step_type).startswith("control."):
            raise
        on_error = value.get("onError")
        first = failure.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part != step_type)
        known = step_type in NODE_TYPES
        return BrokenStep.model_construct(
            id=step_id,
            type=step_type,
            problem=f"{where}: {first['msg']}" if known else f"unknown step type {step_type}",
            code="INVALID_CONFIG" if known else "UNKNOWN_NODE_TYPE",
            on_error=OnError(policy="continue") if on_error == {"policy": "continue"} else None,
        )


NodeStep = (
    StateSetStep
    | AssignStep
    | ActionCallStep
    | HumanTaskStep
    | ParseEmailStep
    | RenderCommentStep
    | EventWaitStep
    | TimeWaitStep
)
ControlStep = IfStep | ForEachStep | TryCatchStep | CallWorkflowStep | ReturnStep
Step = Annotated[
    Annotated[NodeStep | ControlStep, Field(discriminator="type")],
    WrapValidator(_tolerate),
]


class Definition(LanguageModel):
    """A whole workflow definition."""

    id: Name
    version: PositiveInt
    name: Name
    description: str | None = None
    payload_schema_ref: Name
    trigger: Trigger | None = None
    steps: list[Step]


for _model in (IfStep, ForEachStep, TryCatchStep, Definition):
    _model.model_rebuild()
