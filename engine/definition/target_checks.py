"""Where steps write: assignment targets, ``saveAs``, ``captureErrorAs``, and the variables of loops."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from engine.definition.assign_paths import FORBIDDEN_SEGMENTS, Target, parse_target
from engine.definition.issues import Issue
from engine.definition.schema_paths import SchemaNode
from engine.definition.sites import Site
from engine.errors import StepFailure
from engine.values.json_pointer import segment
from engine.wording import clause

RESERVED_NAMES: Final = ("payload", "vars", "meta", "error", "local", "system")
"""What a loop's variable cannot be called: these names always mean the scopes."""
_LOOP_FIELDS: Final = ("item", "index", "length", "isFirst", "isLast")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def target_issues(site: Site, payload: SchemaNode | None) -> Iterator[Issue]:
    """INVALID_ASSIGN_PATH and ASSIGN_PATH_UNKNOWN for every target of a step, and the findings about its loop variable."""
    for pointer, text, bare in _targets(site):
        try:
            target = parse_target(text, bare=bare)
        except StepFailure as refused:
            yield site.place.error(
                "INVALID_ASSIGN_PATH", f"{pointer}: {clause(refused.message)}.", _suggestion(text, bare)
            )
            continue
        if payload is not None and target.root == "payload" and payload.refuses(target.segments):
            message = f"{pointer}: The payload schema does not know {'.'.join(target.segments)}."
            yield site.place.warning("ASSIGN_PATH_UNKNOWN", message, "Check the name, or write to vars.")
    if site.type == "control.forEach":
        yield from _variable_issues(site)


def _targets(site: Site) -> Iterator[tuple[str, str, bool]]:
    """Pointer, text, and whether an unscoped name is allowed (it means vars)."""
    step, config = site.step, site.config
    if site.type == "control.tryCatch":
        yield from _single(step, "captureErrorAs", "")
    elif site.type == "control.callWorkflow":
        yield from _keys(step.get("outputMapping"), "/outputMapping", bare=True)
    elif site.type == "action.call":
        # The designer leaves an empty saveAs behind; it means no saveAs.
        yield from _single(config, "saveAs", "/config", blank_is_none=True)
    elif site.type in ("email.parseBody", "email.renderCommentBlocks"):
        yield from _single(config, "saveAs", "/config")
    else:
        yield from _keys(config.get("assign"), "/config/assign", bare=False)


def _single(
    holder: dict[str, Any], name: str, pointer: str, *, blank_is_none: bool = False
) -> Iterator[tuple[str, str, bool]]:
    text = holder.get(name)
    if isinstance(text, str) and (text.strip() or not blank_is_none):
        yield f"{pointer}/{name}", text, True


def _keys(assignments: Any, pointer: str, *, bare: bool) -> Iterator[tuple[str, str, bool]]:
    for text in assignments if isinstance(assignments, dict) else ():
        yield f"{pointer}/{segment(text)}", text, bare


def _suggestion(text: str, bare: bool) -> str | None:
    name = text.strip()
    if bare or not name:
        return None
    candidate = f"vars.{name}"
    return (
        f"Did you mean {candidate}?" if _is_target(candidate) and not name.startswith(("error.", "system.")) else None
    )


def _is_target(text: str) -> bool:
    try:
        return isinstance(parse_target(text, bare=False), Target)
    except StepFailure:
        return False


def _variable_issues(site: Site) -> Iterator[Issue]:
    name = site.step.get("itemVar")
    if not isinstance(name, str) or not name:
        return
    if name in RESERVED_NAMES or name in FORBIDDEN_SEGMENTS:
        message = f"/itemVar: {name} is reserved and cannot be the name of a loop's variable."
        yield site.place.error("RESERVED_VARIABLE_NAME", message, "Call it by what an item is, such as order.")
    elif name in _LOOP_FIELDS:
        message = f"/itemVar: {name} is also a field of every loop, which the variable would hide."
        yield site.place.warning("VARIABLE_HIDES_LOOP_FIELD", message, "Call it by what an item is, such as order.")
    elif not _PLAIN_NAME.fullmatch(name):
        message = f"/itemVar: {name} is not a plain name; expressions must write it between backquotes."
        yield site.place.warning("VARIABLE_NEEDS_QUOTES", message, "Use letters, digits and underscores.")
