"""Answering a task: in a form of its schema, or as JSON text. What was typed goes over from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Final

from textual import events, on
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Input, TextArea

from engine.errors import EngineError
from engine.records import Json, Level, SchemaIssue, TaskClosed, TaskDetail
from runstudio_tui.bindings import bindings_named
from runstudio_tui.domain.form import defaults_of, field_of, fields_of, fill, read
from runstudio_tui.domain.json_text import Mistake, parse_json
from runstudio_tui.domain.jsonview import pretty
from runstudio_tui.screens.dialogs.editing import InEditor, TextDialog
from runstudio_tui.screens.tasks.form_fields import FormFields
from runstudio_tui.store.session import Studio
from runstudio_tui.store.targets import reason_problem
from runstudio_tui.store.task_flows import complete
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.json_editor import JsonEditor
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.text_button import TextButton

_ISSUES: Final = 4


class AnswerDialog(TextDialog[TaskClosed]):
    """Gives how the task was closed."""

    NOTHING = "the task stays open"
    BINDINGS: ClassVar[list[BindingType]] = bindings_named("dialog.raw", "dialog.editor", priority=True)
    DEFAULT_CSS = """
    AnswerDialog FormFields { height: 1fr; }
    AnswerDialog.-raw FormFields { display: none; }
    AnswerDialog JsonEditor { display: none; }
    AnswerDialog.-raw JsonEditor { display: block; }
    AnswerDialog #issues { height: auto; max-height: 4; }
    AnswerDialog #reason-line { height: 1; display: none; }
    AnswerDialog.-refused #reason-line { display: block; }
    AnswerDialog #reason-line .label { width: 19; }
    AnswerDialog #about { height: 1; }
    """

    def __init__(self, studio: Studio, task: TaskDetail, in_editor: InEditor) -> None:
        super().__init__(studio, in_editor)
        self._asked = task
        self._schema_fields = fields_of(task.form)
        self._begun: Json = defaults_of(task.form)
        self._form = FormFields(self._schema_fields)
        self._issues: tuple[SchemaIssue, ...] = ()

    # --- parts --------------------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        yield self._form
        yield JsonEditor(id="editor")
        yield Bar(id="issues")
        with Horizontal(id="reason-line"):
            yield Bar(classes="label", id="reason-label")
            yield LineInput(id="reason", placeholder="why it is accepted all the same; it is audited", max_length=500)
        yield Bar(id="about")

    def buttons(self) -> Iterable[Any]:
        """See Dialog."""
        yield TextButton("Close", id="close")
        yield TextButton("Answer", key="ctrl+s", id="go")

    def keys(self) -> Sequence[str]:
        """See Dialog."""
        raw = ("dialog.raw",) if self._schema_fields else ()
        editor = ("dialog.editor",) if self._raw else ()
        return ("dialog.confirm", "dialog.next", *raw, *editor, "dialog.close")

    def confirming(self) -> str:
        """See Dialog."""
        return "override" if self._overriding else "answer"

    def handlers(self) -> dict[str, Callable[[], object]]:
        """See Dialog."""
        return {**super().handlers(), "dialog.raw": self.switch_raw}

    def on_mount(self) -> None:
        """The form, begun with the defaults of its schema; the JSON text where there is no form."""
        self.query_one("#reason-label", Bar).show(lambda _: [line("Override, because")])
        self._form.put(fill(self._schema_fields, self._begun))
        if self._schema_fields:
            self.call_after_refresh(self._form.focus_first)
        else:
            self._show_raw(self._begun)
        self._judge()

    @property
    def _raw(self) -> bool:
        return self.has_class("-raw")

    # --- what is typed ------------------------------------------------------------------------------------------------

    def _value(self) -> Json | Mistake:
        """What would be sent; the first mistake when it is none, with what is wrong shown at its field."""
        if self._raw:
            return parse_json(self.query_one(JsonEditor).text)
        value, problems = read(self._schema_fields, self._form.filled)
        if problems:
            self._form.complain({problem.pointer: problem.message for problem in problems})
            return Mistake(f"{problems[0].pointer}: {problems[0].message}", 1, 1)
        return value

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(FormFields.Edited)
    def _text_changed(self) -> None:
        self.typed()
        if self._issues:
            self._issues = ()
            self._form.complain({})
        self._judge()

    def switch_raw(self) -> None:
        """ctrl+j: the same answer as JSON text, or in the form."""
        if self._sending or not self._schema_fields:
            self.tell("this task type has no form: the answer is JSON text", "attention")
            return
        value = self._value()
        if isinstance(value, Mistake):
            self.tell(str(value) if self._raw else value.message, "attention")
        elif not self._raw:
            self._show_raw(value)
        elif not isinstance(value, dict):
            self.tell("only an object can be shown in the form", "attention")
        else:
            self._form.put(fill(self._schema_fields, value))
            self.remove_class("-raw")
            self._form.focus_first()
        self._show_issues()

    def _show_raw(self, value: Json) -> None:
        editor = self.query_one(JsonEditor)
        before = parse_json(editor.text)
        # The text as it was typed is kept, blanks and all, when it says the same.
        if isinstance(before, Mistake) or pretty(before) != pretty(value):
            editor.put(pretty(value))
        self.add_class("-raw")
        editor.focus()

    def edit_outside(self) -> None:
        """See Dialog: of the JSON text."""
        if self._raw:
            super().edit_outside()
        else:
            self.tell("ctrl+j first: your editor edits the JSON text", "attention")

    @on(events.DescendantFocus)
    def _focused(self) -> None:
        about = self._form.about(self.focused)
        self.query_one("#about", Bar).show(lambda _: [line(Span(safe(about), "dim"))])

    # --- drawing ------------------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        self.set_title(f"Answer: {safe(self._asked.row.title)}", "JSON" if self._raw else "form")
        label = "Answering…" if self._sending else "Override" if self._overriding else "Answer"
        self.query_one("#go", TextButton).set_label(label, enabled=not self._sending)
        self._show_issues()
        self.tell("")

    @property
    def _overriding(self) -> bool:
        return self.has_class("-refused") and bool(self.query_one("#reason", LineInput).value.strip())

    def _show_issues(self) -> None:
        """Findings at their fields; those of no field, and all of them beside the JSON text, below."""
        at_fields: dict[str, str] = {}
        others: list[SchemaIssue] = []
        for issue in self._issues:
            field = None if self._raw else field_of(self._schema_fields, issue.pointer, issue.message)
            if field is None:
                others.append(issue)
            else:
                known = at_fields.get(field.pointer)
                at_fields[field.pointer] = f"{known}; {issue.message}" if known else issue.message
        if self._issues:
            self._form.complain(at_fields)
        shown: list[Line] = [
            line(Span(f"✖ {safe(issue.pointer) or 'answer'}: ", "failed"), safe(issue.message))
            for issue in others[:_ISSUES]
        ]
        if len(others) > _ISSUES:
            shown[-1] = line(Span(f"✖ and {len(others) - _ISSUES + 1} more", "failed"))
        bar = self.query_one("#issues", Bar)
        bar.styles.height = len(shown)
        bar.show(lambda _: shown)

    # --- sending ------------------------------------------------------------------------------------------------------

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
        value = self._value()
        reason = self.query_one("#reason", LineInput).value if self._overriding else None
        if isinstance(value, Mistake):
            self.tell(str(value) if self._raw else value.message, "failed")
        elif reason is not None and reason_problem(reason):
            self.tell(reason_problem(reason), "failed")
        else:
            self._sending = True
            self._judge()
            self.spawn(self._send(value, reason))

    async def _send(self, value: Json, reason: str | None) -> None:
        try:
            closed = await complete(self._studio.backend, self._asked.row.task_id, value, reason)
        except EngineError as error:
            self._sending = False
            self._issues = tuple(SchemaIssue(**issue) for issue in error.details.get("issues", ()))
            self.set_class(bool(self._issues) and self._studio.level >= Level.ADMIN, "-refused")
            self._judge()
            self.tell(error.sentences, "failed")
        else:
            self.dismiss(closed)

    def unsaved(self) -> str:
        """See TextDialog."""
        value = self._value()
        return "the answer" if isinstance(value, Mistake) or pretty(value) != pretty(self._begun) else ""
