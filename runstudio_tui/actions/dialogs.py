"""Actions of dialogs."""

from __future__ import annotations

from typing import Final

from runstudio_tui.actions.kinds import Action, Scope


def _dialog(
    name: str, keys: tuple[str, ...], label: str, help_: str, *, cli: str = "", not_in_console: str = ""
) -> Action:
    return Action(
        f"dialog.{name}", keys, label, help_, Scope.DIALOG, cli=cli, not_in_console=not_in_console, palette=False
    )


DIALOGS: Final = (
    _dialog("confirm", ("ctrl+s", "f10"), "confirm", "Do what the dialog is about."),
    _dialog("choose", ("enter",), "choose", "In a list: take what is under the cursor."),
    _dialog("next", ("tab",), "next", "To the next field."),
    _dialog("complete", ("tab",), "complete", "Command line: complete what is typed."),
    _dialog(
        "editor",
        ("ctrl+e",),
        "editor",
        "Edit the JSON in your own editor.",
        not_in_console="it starts no other program",
    ),
    _dialog(
        "preview",
        ("ctrl+t",),
        "preview",
        "Replay: say what it would do, before anything is sent; then the text again.",
        cli="runstudio runs replay {run} --preview",
    ),
    _dialog(
        "raw",
        ("ctrl+j",),
        "form or JSON",
        "Answering a task: the answer as JSON text, and back to the form.",
        cli="runstudio tasks complete TASK --response FILE",
    ),
    _dialog("copy", ("ctrl+y",), "copy", "Copy what is shown: targets and their results, a text."),
    _dialog("close", ("escape",), "close", "Close the dialog; asks first when something was typed."),
)
