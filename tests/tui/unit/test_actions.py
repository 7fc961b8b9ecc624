"""The action table."""

from __future__ import annotations

import pytest

from runstudio_tui.actions import ACTIONS, BY_ID, Scope, Situation, footer, of_scope, refusal
from runstudio_tui.domain.catalog import Level
from runstudio_tui.domain.models import RunId, RunRow, RunStatus
from runstudio_tui.screens.palette import ranked

RUN = RunRow(RunId("r"), "w", "w", 1, RunStatus.RUNNING, None)
ENDED = RunRow(RunId("r"), "w", "w", 1, RunStatus.SUCCEEDED, None)
HISTORY = RunRow(RunId("r"), "w", "w", 1, RunStatus.RUNNING, None, engine=None)


def test_ids_are_unique_and_named_after_their_place() -> None:
    assert len(BY_ID) == len(ACTIONS)
    assert {action.id.partition(".")[0] for action in ACTIONS} == {"runs", "run", "list", "dialog", "app"}


@pytest.mark.parametrize("scope", [Scope.RUNS, Scope.RUN])
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


def test_every_refusal_says_why() -> None:
    cancel = BY_ID["runs.cancel"]
    assert "admin level" in refusal(cancel, Situation(level=Level.OPERATE, run=RUN))
    assert refusal(cancel, Situation(level=Level.ADMIN, run=RUN)) == ""
    assert "is over: succeeded" in refusal(cancel, Situation(level=Level.ADMIN, run=ENDED))
    assert "before the cutover" in refusal(cancel, Situation(level=Level.ADMIN, run=HISTORY))
    assert "no run" in refusal(cancel, Situation(level=Level.ADMIN))
    assert refusal(cancel, Situation(level=Level.ADMIN, run=ENDED, marked=2)) == ""


def test_whatever_changes_something_needs_a_level_and_danger_is_marked() -> None:
    assert {action.id for action in ACTIONS if action.needs > Level.READ} == {"runs.start", "runs.cancel", "run.cancel"}
    assert {action.id for action in ACTIONS if action.danger} == {"runs.cancel", "run.cancel"}


def test_the_line_of_keys_has_only_what_works_now() -> None:
    reader = [action.id for action in footer(Scope.RUNS, Situation(level=Level.READ, run=RUN))]
    assert reader == ["runs.open", "runs.why", "runs.filter", "runs.mark", "app.help", "app.quit"]
    admin = [action.id for action in footer(Scope.RUNS, Situation(level=Level.ADMIN, run=RUN, preview=True))]
    assert admin[:4] == ["runs.open", "runs.start", "runs.cancel", "runs.why"]
    assert "runs.preview" in admin
    assert "app.back" in [action.id for action in footer(Scope.RUN, Situation())]


def test_the_palette_ranks_the_closest_first() -> None:
    assert ranked(ACTIONS, "cancel")[0].label == "cancel"
    assert ranked(ACTIONS, "time range")[0].id == "runs.range"
    assert ranked(ACTIONS, "zzzz") == []
    assert len(ranked(ACTIONS, "")) == len(ACTIONS)
