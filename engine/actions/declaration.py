"""``@action``: how a function says that it is an action, and what the engine must know of it.

Everything that can be wrong in a declaration is found here, when the module is imported, and not when a run gets there.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import JsonSchemaMode

from engine.actions.context import StepIdentity
from engine.actions.raised import is_routine
from engine.actions.schema import issues_of
from engine.definition.models import RetryPolicy
from engine.errors import Invalid
from engine.interpreter.effects import ActionTraits
from engine.values.request_limits import MAX_NAME_CHARACTERS, MAX_VERSION

QUICK_TIMEOUT_SECONDS: Final = 5.0
DEFAULT_TIMEOUT_SECONDS: Final = 600.0
MAX_TIMEOUT_SECONDS: Final = 7 * 24 * 3600.0

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*")
_MARK: Final = "__runstudio_action__"

Handler = Callable[[Any, Any], Any]
"""``(input, ctx) -> output``, async or plain; a plain one runs in a thread."""
KeyFunction = Callable[[Any, StepIdentity], str | None]
"""``(input, step) -> key``; None leaves the key to the engine."""
AnyHandler = TypeVar("AnyHandler", bound=Handler)


@dataclass(frozen=True, slots=True)
class RegisteredAction:
    """One version of one action."""

    id: str
    version: int
    input_model: type[BaseModel]
    output_model: type[BaseModel]
    traits: ActionTraits
    handler: Handler | None
    """None for a pure action: it runs inside the workflow, see ``engine.actions.pure``."""
    idempotency_key: KeyFunction | None = None
    accepts_secrets: bool = False
    """Whether it may be given secrets. It does not show them then, nor store them where people read."""
    description: str = ""

    @property
    def label(self) -> str:
        """``id@version``, as people write it."""
        return f"{self.id}@{self.version}"

    @property
    def pure(self) -> bool:
        """Whether the action runs inside the workflow, without an activity."""
        return self.handler is None

    def input_schema(self) -> dict[str, Any]:
        """JSON schema of the input, with the names a definition uses. Shared: not to be changed."""
        return _schema_of(self.input_model, "validation")

    def output_schema(self) -> dict[str, Any]:
        """JSON schema of the output. Shared: not to be changed."""
        return _schema_of(self.output_model, "serialization")


@lru_cache(maxsize=4096)
def _schema_of(model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, Any]:
    # Every publish asks for the schemas of all actions, and one takes milliseconds to make.
    return model.model_json_schema(by_alias=True, mode=mode)


def action(
    action_id: str,
    *,
    input: type[BaseModel],
    output: type[BaseModel],
    version: int = 1,
    side_effects: bool = True,
    quick: bool = False,
    transaction: bool = False,
    timeout: float | None = None,
    retry: Mapping[str, Any] | None = None,
    idempotency_key: KeyFunction | None = None,
    accepts_secrets: bool = False,
) -> Callable[[AnyHandler], AnyHandler]:
    """Declares ``handler(input, ctx)`` as version ``version`` of an action. The function itself is unchanged.

    ``quick``: ends within a second, and never runs longer than 5 s (its timeout then, and the longest allowed).
    ``transaction``: works on the engine's database through ``ctx.transaction``, in one commit with its outcome; only for quick
    async actions. ``timeout``: seconds, 600 by default. ``retry``: default policy in the language's own shape,
    ``{"maxAttempts": 3, "backoffMs": 500}``; a step's own policy wins. ``idempotency_key``: see ``engine.actions.idempotency``.
    ``accepts_secrets``: may be given secrets, because it shows them to nobody; a step that gives another action one fails.
    The docstring's first line is the description. Raises ``Invalid`` (``ACTION_DECLARATION_INVALID``).
    """

    def declare(handler: AnyHandler) -> AnyHandler:
        declared = RegisteredAction(
            id=action_id,
            version=version,
            input_model=input,
            output_model=output,
            traits=ActionTraits(
                quick=quick,
                transaction=transaction,
                timeout_seconds=_timeout(timeout, quick),
                side_effects=side_effects,
                retry=None if retry is None else dict(retry),
            ),
            handler=handler,
            idempotency_key=idempotency_key,
            accepts_secrets=accepts_secrets,
            description=(inspect.getdoc(handler) or "").partition("\n")[0],
        )
        problems = problems_of(declared)
        if problems:
            raise Invalid(
                "ACTION_DECLARATION_INVALID",
                f"The action {action_id!r} version {version} is declared wrongly: {'; '.join(problems)}.",
                f"Correct @action of {getattr(handler, '__qualname__', handler)!s}; docs/actions.md tells the rules.",
            )
        setattr(handler, _MARK, (*declarations_of(handler), declared))
        return handler

    return declare


def declarations_of(handler: object) -> tuple[RegisteredAction, ...]:
    """What ``@action`` declared on the object: several, when one function is several versions; empty for anything else."""
    marked = getattr(handler, _MARK, ()) if is_routine(handler) else ()
    return marked if isinstance(marked, tuple) else ()


def problems_of(declared: RegisteredAction) -> list[str]:
    """What is wrong with a declaration, in words; empty when nothing is."""
    traits, handler = declared.traits, declared.handler
    problems: list[str] = []
    if not isinstance(declared.id, str) or not _ID.fullmatch(declared.id):
        problems.append(
            "the id must be names of letters, digits and underscores with points between, such as crm.create_ticket"
        )
    elif len(declared.id) > MAX_NAME_CHARACTERS:
        problems.append(f"the id must have at most {MAX_NAME_CHARACTERS} characters")
    version = declared.version
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= MAX_VERSION:
        problems.append(f"the version must be a whole number from 1 to {MAX_VERSION}")
    for name, model in (("input", declared.input_model), ("output", declared.output_model)):
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            problems.append(f"{name} must be a pydantic model class, which gives its schema")
    limit = QUICK_TIMEOUT_SECONDS if traits.quick else MAX_TIMEOUT_SECONDS
    if not 0 < traits.timeout_seconds <= limit:
        kind = "a quick action's timeout" if traits.quick else "the timeout"
        problems.append(f"{kind} must be above 0 and at most {limit:g} seconds")
    if traits.transaction and not traits.quick:
        problems.append("transaction=True needs quick=True: a transaction must not stay open for long")
    if traits.transaction and not inspect.iscoroutinefunction(handler):
        problems.append("transaction=True needs an async function: the connection belongs to the event loop")
    if not callable(handler) or not _takes_two(handler):
        problems.append("the function must take (input, ctx)")
    if declared.idempotency_key is not None and not _takes_two(declared.idempotency_key):
        problems.append("idempotency_key must be a function of (input, step)")
    if traits.retry is not None:
        problems += _retry_problems(traits.retry)
    return problems


def _timeout(timeout: float | None, quick: bool) -> float:
    if timeout is None:
        return QUICK_TIMEOUT_SECONDS if quick else DEFAULT_TIMEOUT_SECONDS
    return float(timeout)


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    return True


def _retry_problems(retry: Mapping[str, Any]) -> list[str]:
    try:
        RetryPolicy.model_validate(retry)
    except ValidationError as error:
        return [f"retry{issue['path']}: {issue['message']}" for issue in issues_of(error)]
    return []
