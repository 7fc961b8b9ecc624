"""The fields of a form, one a line, with what is wrong with each below it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from engine.records import Json
from runstudio_tui.domain.form import Field, FieldKind, Filled, choice_text
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import cut, width
from runstudio_tui.widgets.choice import Choice
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line import Line, Span, line

_NOT_GIVEN: Final = "–"
_MAX_LABEL: Final = 30
_HINTS: Final = {FieldKind.JSON: "JSON", FieldKind.INTEGER: "whole number", FieldKind.NUMBER: "number"}
"""What may be typed, of fields that do not show it."""


class FormFields(VerticalScroll, can_focus=False):
    """A field is a ``LineInput``, or a ``Choice`` whose first option is that it is not given."""

    DEFAULT_CSS = """
    FormFields .form-line { height: 1; }
    FormFields .problem { height: 1; display: none; }
    FormFields .problem.-shown { display: block; }
    """

    @dataclass
    class Edited(Message):
        """A choice was made. What is typed is told by ``Input.Changed``."""

        form: FormFields

    def __init__(self, fields: Sequence[Field]) -> None:
        super().__init__()
        self._fields = tuple(fields)
        self._rest: dict[str, Json] = {}
        self._texts: dict[str, tuple[str, ...]] = {}
        """Texts of a choice's options."""
        longest = max((width(self._label(field)) for field in self._fields), default=0)
        self._label_cells = min(longest, _MAX_LABEL) + 1

    def compose(self) -> ComposeResult:
        """One line a field, and one for its problem."""
        for place, field in enumerate(self._fields):
            with Horizontal(classes="form-line"):
                yield Bar(id=f"label-{place}")
                yield self._editor(field, place)
            yield Bar(id=f"problem-{place}", classes="problem")
        yield Bar(id="rest", classes="problem")

    def _editor(self, field: Field, place: int) -> Widget:
        if field.kind is not FieldKind.CHOICE:
            return LineInput(id=f"field-{place}", placeholder=_HINTS.get(field.kind, ""))
        return Choice(id=f"field-{place}")

    def on_mount(self) -> None:
        """Draw the labels."""
        for place, field in enumerate(self._fields):
            label = self.query_one(f"#label-{place}", Bar)
            label.styles.width = self._label_cells
            text, tone = self._label(field), "strong" if field.required else "text"
            label.show(partial(_cut_line, text, tone, 1))

    @staticmethod
    def _label(field: Field) -> str:
        return safe(f"{field.label}{' *' if field.required else ''}")

    # --- values -------------------------------------------------------------------------------------------------------

    def put(self, filled: Filled) -> None:
        """Show an object."""
        self._rest = dict(filled.rest)
        for place, field in enumerate(self._fields):
            text = filled.texts.get(field.pointer, "")
            if field.kind is FieldKind.CHOICE:
                self._offer(field, place, text)
            else:
                self.query_one(f"#field-{place}", LineInput).value = text
        rest = self.query_one("#rest", Bar)
        names = ", ".join(safe(name) for name in self._rest)
        rest.set_class(bool(names), "-shown")
        rest.show(lambda cells: [line(Span(cut(f"also sent, to be seen with ctrl+j: {names}", cells), "attention"))])

    def _offer(self, field: Field, place: int, text: str) -> None:
        texts = ("", *(_option_text(choice) for choice in field.choices))
        self._texts[field.pointer] = texts
        names = [_NOT_GIVEN, *(safe(choice_text(choice)) for choice in field.choices)]
        self.query_one(f"#field-{place}", Choice).set_options(names, texts.index(text) if text in texts else 0)

    @property
    def filled(self) -> Filled:
        """What is typed."""
        texts: dict[str, str] = {}
        for place, field in enumerate(self._fields):
            editor: Any = self.query_one(f"#field-{place}")
            chosen = isinstance(editor, Choice)
            texts[field.pointer] = self._texts[field.pointer][editor.chosen] if chosen else editor.value
        return Filled(texts, self._rest)

    @on(Choice.Chosen)
    def _chosen(self, event: Choice.Chosen) -> None:
        event.stop()
        self.post_message(self.Edited(self))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.screen.focus_next()

    # --- what is said -------------------------------------------------------------------------------------------------

    def complain(self, problems: Mapping[str, str]) -> None:
        """Show what is wrong, by pointer of the field; what was shown before goes."""
        first: Widget | None = None
        for place, field in enumerate(self._fields):
            text = problems.get(field.pointer, "")
            bar = self.query_one(f"#problem-{place}", Bar)
            bar.set_class(bool(text), "-shown")
            told = " " * self._label_cells + f"✖ {safe(text)}"
            bar.show(partial(_cut_line, told, "failed", 0))
            if text and first is None:
                first = self.query_one(f"#field-{place}")
        if first is not None:
            first.scroll_visible(animate=False)

    def focus_first(self) -> None:
        """Go to the first field."""
        if self._fields:
            self.query_one("#field-0").focus()

    def about(self, focused: Widget | None) -> str:
        """What the schema says of the field that has the focus; empty for none."""
        for place, field in enumerate(self._fields):
            if focused is not None and focused.id == f"field-{place}":
                return field.description or _HINTS.get(field.kind, "")
        return ""


def _cut_line(text: str, tone: str, margin: int, cells: int) -> list[Line]:
    return [line(Span(cut(text, max(cells - margin, 0)), tone))]


def _option_text(choice: Json) -> str:
    return json.dumps(choice, ensure_ascii=False)
