"""The action table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import typer

from engine.records import Level, RunRow, RunStatus
from runstudio_tui.actions import ACTIONS, BY_ID, PLACE_NAMES, Scope, Situation, footer, of_scope, refusal
from runstudio_tui.commands.root import app
from runstudio_tui.screens.palette import ranked

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
RUN = RunRow("r", "w", "w", 1, RunStatus.RUNNING, NOW, NOW)
ENDED = replace(RUN, status=RunStatus.SUCCEEDED)
HISTORY = replace(RUN, engine=None)


def test_ids_are_unique_and_named_after_their_place() -> None:
    assert len(BY_ID) == len(ACTIONS)
    names = {"lists": "list", "values": "json", "fields": "field", "dialogs": "dialog", "everywhere": "app"}
    for action in ACTIONS:
        assert action.id.partition(".")[0] == names.get(action.scope.value, action.scope.value)


@pytest.mark.parametrize("scope", [Scope.RUN, Scope.VERSION, *(Scope(name) for name in PLACE_NAMES)])
def test_no_key_means_two_things_on_one_screen(scope: Scope) -> None:
    seen: dict[str, str] = {}
    for action in of_scope(scope, Scope.EVERYWHERE):
        for key in action.keys:
            if action.id in ("run.steps", "run.pan"):  # the lists' own keys, named for the line of keys
                continue
            assert key not in seen, f"{key}: {seen.get(key)} and {action.id}"
            seen[key] = action.id


def test_forbidden_words_name_nothing() -> None:
    for action in ACTIONS:
        for word in ("retry", "resume", "requeue"):
            assert word not in f"{action.id} {action.label} {action.help}".lower()
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # it is a group
    assert not {"retry", "resume", "requeue"} & {*commands, *commands["runs"].commands}


def test_every_refusal_says_why() -> None:
    cancel = BY_ID["runs.cancel"]
    assert "admin level" in refusal(cancel, Situation(level=Level.OPERATE, run=RUN))
    assert refusal(cancel, Situation(level=Level.ADMIN, run=RUN)) == ""
    assert "is over: succeeded" in refusal(cancel, Situation(level=Level.ADMIN, run=ENDED))
    assert "before the cutover" in refusal(cancel, Situation(level=Level.ADMIN, run=HISTORY))
    assert "no run" in refusal(cancel, Situation(level=Level.ADMIN))
    assert refusal(cancel, Situation(level=Level.ADMIN, run=ENDED, marked=2)) == ""


@pytest.mark.parametrize("run", [RUN, ENDED, HISTORY])
def test_a_run_in_any_state_can_be_replayed_when_its_input_was_stored(run: RunRow) -> None:
    for replay in (BY_ID["runs.replay"], BY_ID["run.replay"]):
        assert refusal(replay, Situation(level=Level.ADMIN, run=run)) == ""
        assert "admin level" in refusal(replay, Situation(level=Level.OPERATE, run=run))
        assert "never stored" in refusal(replay, Situation(level=Level.ADMIN, run=run, has_input=False))
        assert refusal(replay, Situation(level=Level.ADMIN, marked=2)) == ""
        assert "no run" in refusal(replay, Situation(level=Level.ADMIN))


def test_whatever_changes_something_needs_a_level_and_danger_is_marked() -> None:
    of_runs = [action for action in ACTIONS if action.scope in (Scope.RUNS, Scope.RUN)]
    cancel_and_replay = {"runs.cancel", "run.cancel", "runs.replay", "run.replay"}
    go_on = {"runs.go_on", "run.go_on"}
    changing = {"runs.start", "runs.job", *go_on, *cancel_and_replay}
    assert {action.id for action in of_runs if action.needs > Level.READ} == changing
    assert {action.id for action in of_runs if action.danger} == {"runs.go_on", "runs.job", *cancel_and_replay}
    assert all(action.needs is Level.ADMIN for action in of_runs if action.danger)


def test_the_line_of_keys_has_only_what_works_now() -> None:
    reader = [action.id for action in footer(Scope.RUNS, Situation(level=Level.READ, run=RUN))]
    assert reader == ["runs.open", "runs.why", "runs.filter", "runs.mark", "app.help", "app.quit"]
    admin = [action.id for action in footer(Scope.RUNS, Situation(level=Level.ADMIN, run=RUN, preview=True))]
    assert admin[:5] == ["runs.open", "runs.start", "runs.cancel", "runs.replay", "runs.why"]
    assert "runs.preview" in admin
    assert "app.back" in [action.id for action in footer(Scope.RUN, Situation())]


def test_the_palette_ranks_the_closest_first() -> None:
    assert ranked(ACTIONS, "cancel")[0].label == "cancel"
    assert ranked(ACTIONS, "time range")[0].id == "runs.range"
    assert ranked(ACTIONS, "zzzz") == []


@pytest.mark.parametrize(
    ("scope", "wanted", "first"),
    [
        (Scope.RUNS, "stuck", {"runs.status"}),
        (Scope.RUN, "stuck", {"run.why"}),
        (Scope.RUNS, "exit", {"app.quit", "app.leave"}),
        (Scope.TASKS, "exit", {"app.quit", "app.leave"}),
        (Scope.RUNS, "log", {"app.messages"}),
        (Scope.RUN, "log", {"run.logs", "run.level"}),
        (Scope.RUN, "zoom", {"run.zoom_in", "run.zoom_out"}),
        (Scope.RUNS, "W", {"runs.workflow"}),
        (Scope.RUNS, "w", {"runs.why"}),
        (Scope.RUNS, "ctrl+r", {"app.refresh"}),
        (Scope.RUN, "?", {"app.help"}),
        (Scope.RUNS, "search", {"runs.filter"}),
    ],
)
def test_s28_a_word_and_a_key_find_what_they_name(scope: Scope, wanted: str, first: set[str]) -> None:
    found = [action.id for action in ranked([a for a in of_scope(scope, Scope.EVERYWHERE) if a.palette], wanted)]
    assert set(found[: len(first)]) == first, found


def test_without_a_word_everything_is_there() -> None:
    assert len(ranked(ACTIONS, "")) == len(ACTIONS)


def test_every_command_named_in_the_table_exists() -> None:
    root: Any = typer.main.get_command(app)
    for action in ACTIONS:
        if not action.cli:
            continue
        program, *words = action.cli.split()
        assert program == "runstudio"
        command = root
        while commands := getattr(command, "commands", None):
            assert words[0] in commands, f"{action.id}: {action.cli}"
            command = commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        for word in words:
            assert not word.startswith("--") or word in known, f"{action.id}: {action.cli}"
