"""Actions that work on every screen."""

from __future__ import annotations

from typing import Final

from runstudio_tui.actions.kinds import Action, Scope

EVERYWHERE: Final = (
    Action("app.runs", ("1",), "Runs", "Go to the runs.", Scope.EVERYWHERE),
    Action("app.events", ("2",), "Events", "Go to the events.", Scope.EVERYWHERE),
    Action("app.tasks", ("3",), "Tasks", "Go to the human tasks.", Scope.EVERYWHERE),
    Action("app.workflows", ("4",), "Workflows", "Go to the workflows.", Scope.EVERYWHERE),
    Action("app.attention", ("5",), "Attention", "Go to what needs attention.", Scope.EVERYWHERE),
    Action("app.system", ("6",), "System", "Go to the parts of the system.", Scope.EVERYWHERE),
    Action(
        "app.help",
        ("question_mark", "f1"),
        "help",
        "Show what every key does here.",
        Scope.EVERYWHERE,
        90,
        words=("keys", "shortcuts"),
    ),
    Action(
        "app.command",
        ("colon",),
        "command",
        "Type a command: the name of an action, run ID, or filter WORDS.",
        Scope.EVERYWHERE,
        palette=False,
    ),
    Action("app.palette", ("ctrl+p",), "palette", "Find an action by its name.", Scope.EVERYWHERE, palette=False),
    Action(
        "app.messages",
        ("m",),
        "messages",
        "Everything that was said in this session.",
        Scope.EVERYWHERE,
        words=("log", "history", "notices"),
    ),
    Action(
        "app.refresh",
        ("ctrl+r", "f5"),
        "refresh",
        "Read everything on the screen again now.",
        Scope.EVERYWHERE,
        words=("reload",),
    ),
    Action(
        "app.pause", ("P",), "pause", "Stop reading new data, or go on.", Scope.EVERYWHERE, words=("freeze", "stop")
    ),
    Action("app.theme", ("T",), "theme", "Next colour theme.", Scope.EVERYWHERE, words=("colour", "dark", "light")),
    Action(
        "app.suspend",
        ("ctrl+z",),
        "suspend",
        "Put the studio into the background (fg brings it back).",
        Scope.EVERYWHERE,
        not_in_console="there is no shell behind it",
        words=("background", "shell"),
    ),
    Action(
        "app.back",
        ("escape",),
        "back",
        "Go back: out of a search, a pane, marks, the filter, then the screen.",
        Scope.EVERYWHERE,
        85,
        palette=False,
        footer_in=Scope.RUN,
    ),
    Action(
        "app.quit",
        ("q",),
        "quit",
        "Go back one screen, or leave the studio.",
        Scope.EVERYWHERE,
        95,
        footer_in=Scope.RUNS,
        words=("exit", "leave"),
    ),
    Action(
        "app.leave",
        ("ctrl+q", "ctrl+c"),
        "leave",
        "Leave the studio at once.",
        Scope.EVERYWHERE,
        words=("exit", "quit"),
    ),
)
