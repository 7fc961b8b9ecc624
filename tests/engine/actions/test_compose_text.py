"""transform.compose_text: documents of the step's config as markdown."""

from __future__ import annotations

from typing import Any

import pytest

from engine.actions.pure import run_pure
from engine.errors import StepFailure

CONTEXT = {
    "payload": {"name": "Ann", "lines": [{"sku": "S-1"}], "total": 12.0, "gone": None},
    "vars": {"note": "one\ntwo"},
    "index": 4,
}


def text(content: str, *marks: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": content, **({"marks": list(marks)} if marks else {}), **more}


def reference(path: str) -> dict[str, Any]:
    return {"type": "reference", "path": path, "label": f"label of {path}"}


def block(kind: str, *children: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": kind, "children": list(children), **more}


def output(*blocks: dict[str, Any], key: str = "body", label: str = "Body") -> dict[str, Any]:
    return {"id": key, "label": label, "stableKey": key, "document": {"version": 1, "blocks": list(blocks)}}


def compose(*outputs: Any) -> Any:
    return run_pure(
        "transform.compose_text", 1, {}, step_config={"outputs": list(outputs)}, context=CONTEXT, now_iso=lambda: ""
    )


def test_blocks_are_joined_by_blank_lines_and_lists_hold_together() -> None:
    composed = compose(
        output(
            block("heading", text("Order"), level=2),
            block("paragraph", text("Dear "), reference("payload.name"), text(",")),
            block("bullet_list_item", text("x")),
            block("bullet_list_item", text("y")),
            block("ordered_list_item", text("first")),
            block("ordered_list_item", text("second")),
            block("blockquote", text("said\nso")),
            {"type": "code_block", "text": "a = 1"},
            {"type": "code_block", "text": "```"},
        )
    )
    assert composed == {
        "body": "## Order\n\nDear Ann,\n\n- x\n- y\n\n1. first\n2. second\n\n> said  \n> so\n\n```\na = 1\n```\n\n````\n```\n````"
    }


def test_marks_nest_from_code_outwards_and_a_link_is_outermost() -> None:
    marked = block("paragraph", text("b", "link", "italic", "bold", "code", href="https://x.example"))
    assert compose(output(marked)) == {"body": "[***`b`***](https://x.example)"}
    assert compose(output(block("paragraph", text("i", "italic")))) == {"body": "*i*"}


def test_references_give_texts_as_they_are_and_the_rest_as_json() -> None:
    paths = ["vars.note", "payload.total", "payload.gone", "payload.lines[0]", "payload.lines[0].sku", "$index"]
    children = [child for path in paths for child in (reference(path), text("|"))]
    assert compose(output(block("paragraph", *children))) == {"body": 'one\ntwo|12|null|{"sku":"S-1"}|S-1|4|'}


@pytest.mark.parametrize("path", ["payload.nothing", "payload.lines[7]", "payload.name.first", "nowhere"])
def test_a_missing_reference_fails_with_where_it_is_used(path: str) -> None:
    with pytest.raises(StepFailure) as failed:
        compose(output(block("paragraph", reference(path)), key="mail"))
    assert (failed.value.category, failed.value.code) == ("ValidationError", "MISSING_REFERENCE")
    assert failed.value.details == {"outputKey": "mail", "referencePath": path, "referenceLabel": f"label of {path}"}


PARAGRAPH = block("paragraph", text("x"))


@pytest.mark.parametrize(
    "outputs",
    [
        [],
        [output(PARAGRAPH, key="a", label="One"), output(PARAGRAPH, key="b", label="ONE")],
        [output(PARAGRAPH, key="a", label="One"), output(PARAGRAPH, key="a", label="Two")],
        [output(PARAGRAPH, key="Upper")],
        [output(block("heading", text("x"), level=4))],
        [output(block("paragraph", text("x", "link")))],
        [output(block("paragraph", text("x", href="https://x.example")))],
        [output(block("paragraph", reference("payload.items[0]()")))],
        [output(block("paragraph", reference("payload..a")))],
        [output({"type": "table", "children": []})],
        [{**output(PARAGRAPH), "document": {"version": 2, "blocks": []}}],
    ],
)  # fmt: skip
def test_a_wrong_config_is_refused(outputs: list[Any]) -> None:
    with pytest.raises(StepFailure) as failed:
        compose(*outputs)
    assert (failed.value.category, failed.value.code) == ("ValidationError", "INVALID_COMPOSE_TEXT_CONFIG")
    assert failed.value.details["issues"]


def test_the_input_must_be_empty() -> None:
    with pytest.raises(StepFailure, match="input of transform"):
        run_pure(
            "transform.compose_text", 1, {"a": 1}, step_config={"outputs": [output(PARAGRAPH)]}, context={}, now_iso=lambda: ""
        )  # fmt: skip
