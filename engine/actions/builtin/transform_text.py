"""``transform.*`` on texts. Lengths are UTF-16 units; anything may be given where a text is expected, and is converted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from engine.actions.builtin.text_room import joined, require_room, too_large
from engine.actions.pure_action import PureAction, PureScope
from engine.actions.schema import WHOLE, ActionModel, CamelModel
from engine.values import javascript
from engine.values.request_limits import MAX_VALUE_BYTES


class TextOutput(ActionModel):
    text: str


class ItemsOutput(ActionModel):
    items: list[str]


class TextInput(CamelModel):
    text: Any = None


class TruncateInput(CamelModel):
    text: Any = None
    max_length: Annotated[int, Field(ge=0), WHOLE]
    strategy: Literal["end", "start", "middle"] = "end"
    ellipsis: str = "..."


class ConcatInput(CamelModel):
    values: list[Any] = Field(default_factory=list)
    separator: str = ""


class ReplaceInput(CamelModel):
    text: Any = None
    search: str
    replacement: str = ""
    replace_all: bool = True


class SplitInput(CamelModel):
    text: Any = None
    delimiter: str
    remove_empty: bool = False


class JoinInput(CamelModel):
    items: list[Any] = Field(default_factory=list)
    delimiter: str = ""


def truncate(call: TruncateInput, _scope: PureScope) -> dict[str, Any]:
    """At most ``maxLength`` units, the ellipsis counted; an ellipsis as long as the limit is itself cut."""
    text = javascript.text(call.text)
    total, limit = javascript.length(text), call.max_length
    if total <= limit:
        return {"text": text}
    room = limit - javascript.length(call.ellipsis)
    if room <= 0:
        return {"text": javascript.cut(call.ellipsis, 0, limit)}
    if call.strategy == "start":
        return {"text": call.ellipsis + javascript.cut(text, total - room, total)}
    if call.strategy == "end":
        return {"text": javascript.cut(text, 0, room) + call.ellipsis}
    head = (room + 1) // 2
    tail = room - head
    return {"text": javascript.cut(text, 0, head) + call.ellipsis + javascript.cut(text, total - tail, total)}


def concat(call: ConcatInput, _scope: PureScope) -> dict[str, Any]:
    """The values as texts, with the separator between them."""
    return {"text": joined(call.separator, call.values)}


def replace(call: ReplaceInput, _scope: PureScope) -> dict[str, Any]:
    """Literal search. Only a single replacement knows JavaScript's ``$`` tokens, as ``String.replace`` does."""
    text = javascript.text(call.text)
    if call.search == "":
        return {"text": text}
    if call.replace_all:
        require_room(len(text) + text.count(call.search) * (len(call.replacement) - len(call.search)))
        return {"text": text.replace(call.search, call.replacement)}
    before, found, after = text.partition(call.search)
    if not found:
        return {"text": text}
    try:
        replaced = javascript.expand_replacement(call.replacement, before, found, after, most=MAX_VALUE_BYTES)
    except javascript.TextTooLong:
        raise too_large() from None
    return {"text": before + replaced + after}


def split(call: SplitInput, _scope: PureScope) -> dict[str, Any]:
    """Literal delimiter; an empty one gives the characters."""
    text = javascript.text(call.text)
    items = text.split(call.delimiter) if call.delimiter else list(text)
    return {"items": [item for item in items if item] if call.remove_empty else items}


def join(call: JoinInput, _scope: PureScope) -> dict[str, Any]:
    """The items as texts, with the delimiter between them."""
    return {"text": joined(call.delimiter, call.items)}


def _each(change: Callable[[str], str]) -> Callable[[TextInput, PureScope], dict[str, Any]]:
    return lambda call, _scope: {"text": change(javascript.text(call.text))}


TEXT_ACTIONS: Final = (
    PureAction("transform.truncate_text", 1, TruncateInput, TextOutput, truncate, "Cut a text to a length."),
    PureAction("transform.concat_text", 1, ConcatInput, TextOutput, concat, "Put values together as one text."),
    PureAction("transform.replace_text", 1, ReplaceInput, TextOutput, replace, "Replace a literal text."),
    PureAction("transform.split_text", 1, SplitInput, ItemsOutput, split, "Split a text at a delimiter."),
    PureAction("transform.join_text", 1, JoinInput, TextOutput, join, "Join items with a delimiter."),
    PureAction("transform.lowercase_text", 1, TextInput, TextOutput, _each(str.lower), "Lower case."),
    PureAction("transform.uppercase_text", 1, TextInput, TextOutput, _each(str.upper), "Upper case."),
    PureAction(
        "transform.trim_text", 1, TextInput, TextOutput, _each(lambda text: text.strip(javascript.WHITESPACE)),
        "Remove white space at both ends.",
    ),
)  # fmt: skip
