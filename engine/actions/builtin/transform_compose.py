"""``transform.compose_text``: the step's ``outputs`` (documents of blocks) rendered as markdown texts.

The documents are part of the definition, not of the input, so they are read from the step's config. References in them
are plain paths into the expression context: nothing is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator

from engine.actions.builtin.text_room import Room, require_room_for_json
from engine.actions.pure_action import PureAction, PureScope
from engine.actions.schema import WHOLE, CamelModel, issues_of
from engine.errors import VALIDATION, StepFailure
from engine.values import javascript

MISSING_REFERENCE: Final = "MISSING_REFERENCE"
INVALID_CONFIG: Final = "INVALID_COMPOSE_TEXT_CONFIG"

_PATH = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*|\$index)(?:\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]+\])*")
_PART = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+")
_ABSENT: Final = object()


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Text(_Strict):
    type: Literal["text"]
    text: str
    marks: list[Literal["bold", "italic", "code", "link"]] = []
    href: str | None = None

    @model_validator(mode="after")
    def _href_with_link(self) -> Self:
        if ("link" in self.marks) != (self.href is not None):
            raise ValueError("href goes with the mark link, and only with it")
        return self


class Reference(_Strict):
    type: Literal["reference"]
    path: str
    label: str

    @model_validator(mode="after")
    def _plain_path(self) -> Self:
        if not _PATH.fullmatch(self.path):
            raise ValueError("a reference path is a name followed by .name or [n], such as payload.lines[0].sku")
        return self


Inline = Annotated[Text | Reference, Field(discriminator="type")]


class Flow(_Strict):
    type: Literal["paragraph", "bullet_list_item", "ordered_list_item", "blockquote"]
    children: list[Inline]


class Heading(_Strict):
    type: Literal["heading"]
    level: Annotated[int, Field(ge=1, le=3), WHOLE]
    children: list[Inline]


class CodeBlock(_Strict):
    type: Literal["code_block"]
    text: str


Block = Annotated[Flow | Heading | CodeBlock, Field(discriminator="type")]


class Document(_Strict):
    version: Annotated[Literal[1], WHOLE]
    blocks: list[Block]


class ComposeOutput(_Strict):
    id: str
    label: str
    stable_key: Annotated[str, Field(alias="stableKey", pattern=r"^[a-z_][a-z0-9_]*$")]
    document: Document


class ComposeOutputs(RootModel[Annotated[list[ComposeOutput], Field(min_length=1)]]):
    """``config.outputs`` of the step."""

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for name, values in (
            ("label", [output.label.casefold() for output in self.root]),
            ("stableKey", [output.stable_key for output in self.root]),
        ):
            repeated = {value for value in values if values.count(value) > 1}
            if repeated:
                raise ValueError(f"{name} must be unique: {', '.join(sorted(repeated))}")
        return self


class ComposeInput(CamelModel):
    model_config = ConfigDict(extra="forbid")


class ComposedTexts(RootModel[dict[str, str]]):
    """Markdown by stable key."""


def compose(_call: ComposeInput, scope: PureScope) -> dict[str, Any]:
    """One markdown text per output.

    Raises ``StepFailure`` (``ValidationError``): ``INVALID_COMPOSE_TEXT_CONFIG`` with the issues, or ``MISSING_REFERENCE``
    with ``{outputKey, referencePath, referenceLabel}``.
    """
    config = scope.step_config if isinstance(scope.step_config, Mapping) else {}
    outputs, room = parse_outputs(config.get("outputs")), Room()
    return {output.stable_key: _markdown(output, scope.context, room) for output in outputs}


def parse_outputs(value: Any) -> Sequence[ComposeOutput]:
    """``config.outputs``, validated; for publish checks too. Raises ``INVALID_COMPOSE_TEXT_CONFIG``."""
    try:
        return ComposeOutputs.model_validate(value).root
    except ValidationError as error:
        issues = issues_of(error)
        said = "; ".join(f"outputs{issue['path']}: {issue['message']}" for issue in issues)
        raise StepFailure(
            VALIDATION, f"The outputs of compose_text are not valid: {said}", code=INVALID_CONFIG,
            details={"issues": issues},
        ) from None  # fmt: skip


def _markdown(output: ComposeOutput, context: Mapping[str, Any], room: Room) -> str:
    def inline(children: Iterable[Text | Reference]) -> str:
        return "".join([room.take(_inline(child, output.stable_key, context)) for child in children])

    rendered: list[str] = []
    for kind, group in groupby(output.document.blocks, key=lambda block: block.type):
        blocks = [_block(block, number, inline) for number, block in enumerate(group, start=1)]
        # Items of one list stand on following lines; every other block is set off by a blank line.
        rendered += ["\n".join(blocks)] if kind.endswith("_list_item") else blocks
    return "\n\n".join(rendered)


def _block(block: Flow | Heading | CodeBlock, number: int, inline: Any) -> str:
    if isinstance(block, CodeBlock):
        fence = "````" if "```" in block.text else "```"
        return f"{fence}\n{block.text}\n{fence}"
    body: str = inline(block.children)
    if isinstance(block, Heading):
        return f"{'#' * block.level} {body}"
    if block.type == "bullet_list_item":
        return f"- {body}"
    if block.type == "ordered_list_item":
        return f"{number}. {body}"
    if block.type == "blockquote":
        return "\n".join(f"> {line}" for line in body.split("\n"))
    return body


def _inline(node: Text | Reference, output_key: str, context: Mapping[str, Any]) -> str:
    if isinstance(node, Reference):
        value = _look_up(node.path, context)
        if value is _ABSENT:
            raise StepFailure(
                VALIDATION, f"compose_text needs {node.path} ({node.label}), which is not there.",
                code=MISSING_REFERENCE,
                details={"outputKey": output_key, "referencePath": node.path, "referenceLabel": node.label},
            )  # fmt: skip
        if isinstance(value, str):
            return value
        require_room_for_json(value, 0)
        return javascript.json_text(value)
    body = _hard_breaks(node.text)
    for mark, around in (("code", "`"), ("bold", "**"), ("italic", "*")):
        if mark in node.marks:
            body = f"{around}{body}{around}"
    return f"[{body}]({node.href})" if "link" in node.marks else body


def _hard_breaks(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "  \n")


def _look_up(path: str, context: Mapping[str, Any]) -> Any:
    value: Any = context
    for part in _PART.findall(path.replace("$index", "index", 1)):
        if isinstance(value, Mapping):
            value = value.get(part, _ABSENT)
        elif isinstance(value, list | tuple) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _ABSENT
    return value


COMPOSE_ACTIONS: Final = (
    PureAction(
        "transform.compose_text", 1, ComposeInput, ComposedTexts, compose, "Render documents of the step as markdown."
    ),
)
