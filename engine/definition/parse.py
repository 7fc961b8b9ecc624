"""From JSON to a Definition, with errors that say where and what was expected."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic import ValidationError as ModelError

from engine.definition.models import Definition
from engine.definition.sites import KNOWN_TYPES
from engine.errors import Invalid
from engine.values.json_pointer import pointer_of
from engine.values.json_size import is_deeper
from engine.values.request_limits import MAX_JSON_DEPTH

_BRANCHES: Final = ("steps", "then", "else", "try", "catch", "body")
_MAX_ISSUES: Final = 50
_PLAIN: Final = {
    "missing": "required, but missing",
    "extra_forbidden": "unknown key",
    "model_type": "expected an object",
    "dict_type": "expected an object",
    "list_type": "expected a list",
    "string_type": "expected text",
    "string_too_short": "expected text that is not empty",
    "union_tag_not_found": "expected an object with a type",
    "model_attributes_type": "expected an object with a type",
}
"""pydantic's words where they speak of Python instead of JSON."""


@dataclass(frozen=True, slots=True)
class ShapeIssue:
    """One violation of the language's shape."""

    path: str
    """JSON pointer into the definition, ``/steps/0/then/1/config/state``."""
    step_path: str
    """The innermost step around it, ``root.steps[0].then.steps[1]``, or ``root``."""
    step_id: str | None
    step_type: str | None
    in_config: bool
    """Whether it lies in the configuration of a node step or wait."""
    kind: str
    """``unknown-type`` for a step type that does not exist, else ``shape``."""
    message: str


def parse_definition(source: Any, *, lenient: bool = False) -> Definition:
    """Read a definition.

    ``lenient`` is for running what was published by an earlier, less careful system: a node step that cannot be read becomes
    a BrokenStep, which fails when (and only when) it is reached. Raises Invalid (``INVALID_WORKFLOW_DEFINITION``) with
    ``details["issues"]``, a list of ShapeIssue as objects.
    """
    # Before any reader that recurses sees it.
    if is_deeper(source, MAX_JSON_DEPTH):
        raise _invalid(
            [ShapeIssue("", "root", None, None, False, "shape", f"nested deeper than {MAX_JSON_DEPTH} levels")]
        )
    try:
        return Definition.model_validate(source, context={"lenient": lenient})
    except ModelError as failure:
        errors = failure.errors(include_url=False, include_context=False, include_input=False)
        raise _invalid([_issue(source, error["loc"], error["type"], error["msg"]) for error in errors]) from failure


def _invalid(issues: list[ShapeIssue]) -> Invalid:
    first = issues[0]
    more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
    return Invalid(
        "INVALID_WORKFLOW_DEFINITION",
        f"{first.path or '/'}: {first.message}{more}.",
        "Correct the definition at the paths named in the issues.",
        {"issues": [asdict(issue) for issue in issues[:_MAX_ISSUES]]},
    )


def _issue(source: Any, loc: tuple[int | str, ...], kind: str, message: str) -> ShapeIssue:
    """Translate a pydantic location: drop the tags of unions, and remember the innermost step passed on the way."""
    current = source
    pointer, step_path, step_path_here = "", "root", "root"
    step: dict[str, Any] = {}
    in_config = False
    for part in loc:
        if isinstance(part, str) and isinstance(current, dict) and part not in current and part == current.get("type"):
            step, step_path = current, step_path_here
            continue
        if isinstance(current, dict) and part in _BRANCHES:
            step_path_here = f"{step_path}.{part}.steps" if part != "steps" else f"{step_path}.steps"
        elif isinstance(current, list) and isinstance(part, int):
            step_path_here = f"{step_path_here}[{part}]"
        in_config = in_config or (part == "config" and current is step)
        pointer += pointer_of(part)
        if isinstance(current, dict | list):
            current = _child(current, part)
    unknown_type = kind == "union_tag_invalid"
    if (unknown_type or kind == "union_tag_not_found") and isinstance(current, dict):
        step, step_path, pointer = current, step_path_here, f"{pointer}/type"
    if unknown_type and step_path != "root":
        message = f"unknown step type {step.get('type')}; expected one of {', '.join(sorted(KNOWN_TYPES))}"
    step_id, step_type = step.get("id"), step.get("type")
    return ShapeIssue(
        path=pointer,
        step_path=step_path,
        step_id=step_id if isinstance(step_id, str) else None,
        step_type=step_type if isinstance(step_type, str) else None,
        in_config=in_config,
        kind="unknown-type" if unknown_type and step_path != "root" else "shape",
        message=message if unknown_type else _plain(kind, message),
    )


def _plain(kind: str, message: str) -> str:
    if kind == "model_type" and "Expr" in message:
        return 'expected an expression, {"$expr": "..."}'
    return _PLAIN.get(kind, message[:1].lower() + message[1:]).removeprefix("value error, ")


def _child(container: dict[str, Any] | list[Any], part: int | str) -> Any:
    if isinstance(container, list):
        return container[part] if isinstance(part, int) and part < len(container) else None
    return container.get(str(part))
