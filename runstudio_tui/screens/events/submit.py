"""Submitting an event: name, key, id, schema and payload. The same id is taken once, so sending it again is harmless."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from textual import on
from textual.containers import Horizontal
from textual.widgets import Input, TextArea

from engine.errors import EngineError
from engine.records import EventReceipt
from runstudio_tui.domain.json_text import Mistake, parse_json
from runstudio_tui.screens.dialogs.editing import InEditor, TextDialog
from runstudio_tui.store.event_flows import NewEvent, submit
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.json_editor import JsonEditor
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.text_button import TextButton

_EMPTY: Final = "{}"
_FIELDS: Final = {
    "name": ("Name", "order.paid"),
    "key": ("Key", "empty: the keys of the payload, by the tenant's paths"),
    "id": ("Event id", "the same id is taken once"),
    "schema": ("Schema", "name of the payload's schema, payload.Order.v1; may be empty"),
}
_FIELD_OF_CODE: Final = {
    "EVENT_NAME_INVALID": "name",
    "KEY_INVALID": "key",
    "EVENT_ID_INVALID": "id",
    "SCHEMA_REF_INVALID": "schema",
}
"""Where a refusal belongs; every other one is about the payload when it is an invalid one."""


class SubmitDialog(TextDialog[EventReceipt]):
    """Gives the receipt."""

    NOTHING = "nothing was submitted"
    DEFAULT_CSS = """
    SubmitDialog .problem { height: 1; display: none; }
    SubmitDialog .problem.-shown { display: block; }
    """

    def __init__(self, studio: Studio, in_editor: InEditor) -> None:
        super().__init__(studio, in_editor)
        self._event_id = studio.clock.unique()

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        for name, (_, hint) in _FIELDS.items():
            with Horizontal(classes="field"):
                yield Bar(classes="label", id=f"label-{name}")
                yield LineInput(id=f"field-{name}", placeholder=hint)
            yield Bar(id=f"problem-{name}", classes="problem")
        yield JsonEditor(id="editor")
        yield Bar(id="problem-payload", classes="problem")

    def buttons(self) -> Iterable[Any]:
        """See Dialog."""
        yield TextButton("Close", id="close")
        yield TextButton("Submit", key="ctrl+s", id="go")

    def confirming(self) -> str:
        """See Dialog."""
        return "submit"

    def on_mount(self) -> None:
        """An empty payload, and an id of its own."""
        self.set_title("Submit an event")
        for name, (label, _) in _FIELDS.items():
            self.query_one(f"#label-{name}", Bar).show(partial(_label, label))
        self._field("id").value = self._event_id
        self.query_one(JsonEditor).put(_EMPTY)
        self._field("name").focus()
        self._judge()

    def _field(self, name: str) -> LineInput:
        return self.query_one(f"#field-{name}", LineInput)

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _text_changed(self) -> None:
        self.typed()
        for name in (*_FIELDS, "payload"):
            self._complain(name, "")
        self._judge()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.focus_next()

    def _problem(self) -> tuple[str, str]:
        """Where something is missing, and what; two empty texts for nothing."""
        if not self._field("name").value.strip():
            return "name", "an event needs a name"
        value = parse_json(self.query_one(JsonEditor).text)
        if isinstance(value, Mistake):
            return "payload", str(value)
        return ("", "") if isinstance(value, dict) else ("payload", "the payload must be a JSON object")

    def _judge(self) -> None:
        label = "Submitting…" if self._sending else "Submit"
        self.query_one("#go", TextButton).set_label(label, enabled=not self._sending)
        _, problem = self._problem()
        self.tell(problem)

    def _complain(self, name: str, text: str) -> None:
        bar = self.query_one(f"#problem-{name}", Bar)
        bar.set_class(bool(text), "-shown")
        bar.show(lambda _: [line(" " * 9, Span(f"✖ {safe(text)}", "failed"))])

    @on(TextButton.Pressed, "#go")
    def _pressed(self) -> None:
        self.confirm()

    @on(TextButton.Pressed, "#close")
    def _close_pressed(self) -> None:
        self.close()

    def confirm(self) -> None:
        """See Dialog."""
        if self._sending:
            return
        place, problem = self._problem()
        if problem:
            self._complain(place, problem)
            return
        texts = {name: self._field(name).value.strip() for name in _FIELDS}
        payload = parse_json(self.query_one(JsonEditor).text)
        self._sending = True
        self._judge()
        self.spawn(self._send(NewEvent(texts["name"], texts["key"], texts["id"], texts["schema"], payload)))

    async def _send(self, event: NewEvent) -> None:
        try:
            receipt = await submit(self._studio.backend, event)
        except EngineError as error:
            self._sending = False
            self._judge()
            payload = "payload" if error.code.startswith(("PAYLOAD_", "JSON_")) else ""
            place = _FIELD_OF_CODE.get(error.code, payload)
            if place:
                self._complain(place, error.message)
            self.tell(error.sentences, "failed")
        else:
            self.dismiss(receipt)

    def unsaved(self) -> str:
        """See TextDialog."""
        typed = any(self._field(name).value for name in ("name", "key", "schema"))
        return "the event" if typed or self.query_one(JsonEditor).text != _EMPTY else ""


def _label(text: str, _: int) -> list[Line]:
    return [line(text)]
