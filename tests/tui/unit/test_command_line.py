"""The command line: what a line means, and what it could become."""

from __future__ import annotations

import pytest

from runstudio_tui.actions import ACTIONS, Scope, of_scope
from runstudio_tui.domain.command_line import Command, completions, names_of, read_command
from runstudio_tui.screens.palette import ranked

HERE = [action for action in of_scope(Scope.RUNS, Scope.EVERYWHERE) if action.palette]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("events", Command(action="app.events")),
        ("  Attention ", Command(action="app.attention")),
        ("runs cancel", Command(action="runs.cancel")),
        ("mark all", Command(action="runs.mark_all")),
        ("run 0198c2aa", Command(name="run", value="0198c2aa")),
        ("filter status:failed wf:billing", Command(name="filter", value="status:failed wf:billing")),
        ("refr", Command(action="app.refresh")),
    ],
)
def test_a_line_means_one_thing(text: str, meant: Command) -> None:
    assert read_command(text, HERE) == meant


@pytest.mark.parametrize(("text", "said"), [("", "no command"), ("frobnicate", "no command"), ("m", "can mean")])
def test_a_line_that_means_nothing_or_several_things_says_so(text: str, said: str) -> None:
    answer = read_command(text, HERE)
    assert isinstance(answer, str)
    assert said in answer


def test_every_action_can_be_named_by_its_command() -> None:
    for action in ACTIONS:
        if action.palette and action.cli:
            assert any(name in action.cli for name in names_of(action)), action.id


def test_completion_begins_with_what_was_typed() -> None:
    assert completions("ev", HERE)[0] == "events"
    assert "filter WORDS" in completions("fil", HERE)
    assert completions("no such thing", HERE) == []


@pytest.mark.parametrize(
    ("wanted", "first"),
    [("c", "runs.cancel"), ("stuck", "runs.status"), ("leave", "app.leave"), ("events", "app.events")],
)
def test_the_palette_ranks_by_key_and_by_word(wanted: str, first: str) -> None:
    assert ranked(HERE, wanted)[0].id == first
