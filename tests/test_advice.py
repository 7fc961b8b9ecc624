"""What is advised can be done: its key and its command exist, and nothing advises in words alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import engine
import runstudio_tui
from engine import advice
from engine.advice import Way
from runstudio_tui.actions import ACTIONS, BY_ID, PLACE_NAMES, Action, Scope, key_text
from runstudio_tui.commands.root import app

WAYS = {name: value for name, value in vars(advice).items() if isinstance(value, Way)}
ROOTS = (Path(engine.__file__).parent, Path(runstudio_tui.__file__).parent)
COMMANDS = typer.main.get_command(app)
DEEDS = "[Rr]eplay|[Cc]ancel|[Rr]edeliver|[Cc]laim|[Rr]elease|[Uu]npause|[Pp]ublish|[Cc]omplete|[Aa]nswer|[Ss]ubmit|[Rr]esume"
DONE_BY_A_WAY = re.compile(
    rf"((?:[.;:,] |\bor )|^(?=[A-Z]))({DEEDS}|[Rr]aise|[Ss]ee|[Ii]mport) "
    r"(it|them|one|the (run|runs|task|event|limit|workflow|delivery)|a version|`?runstudio|doctor|Events|System|with force)\b"
)
COMMAND = re.compile(r"\brunstudio ((?:[a-z]+ ?)+)")


def literals() -> Iterator[tuple[str, str]]:
    """Every text of the sources that is no docstring and not given to ``Way.to``, and where it stands."""
    for root in ROOTS:
        for path in sorted(root.rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            skipped = set()
            for node in ast.walk(tree):
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                    skipped.add(node.value)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "to":
                    skipped |= {part for argument in node.args for part in ast.walk(argument)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
                    yield f"{path.relative_to(root.parent)}:{node.lineno}", node.value


def command_of(words: list[str]) -> Any:
    """A command, or a group of commands, by its words; None when there is none."""
    found: Any = COMMANDS
    for word in words:
        children = getattr(found, "commands", None)
        if children is None or word not in children:
            return None
        found = children[word]
    return found


def parameters_of(words: list[str]) -> set[str] | None:
    """The options of a command by its words; None when there is no such command."""
    found = command_of(words)
    return None if found is None else {option for parameter in found.params for option in parameter.opts}


@pytest.mark.parametrize("name", WAYS)
def test_s22_the_command_of_a_way_exists_with_its_options(name: str) -> None:
    words = WAYS[name].command.split()
    if not words:
        return
    named = [word for word in words if re.fullmatch(r"[a-z]+", word)]
    options = parameters_of(named)
    assert options is not None, named
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("name", WAYS)
def test_s22_the_key_of_a_way_exists_where_it_is_said_to_work(name: str) -> None:
    way = WAYS[name]
    assert way.key or way.command
    if not way.key:
        return
    scopes = (Scope.RUNS, Scope.RUN, Scope.EVERYWHERE)
    if way.screen:
        place, _, number = way.screen.removesuffix(")").partition(" (")
        assert PLACE_NAMES[int(number) - 1] == place.lower()
        assert key_text(BY_ID[f"app.{place.lower()}"].keys[0]) == number
        scopes = (Scope(place.lower()),)

    def is_meant(action: Action) -> bool:
        return action.scope in scopes and way.key in {key_text(key) for key in action.keys}

    meant = [action for action in ACTIONS if is_meant(action)]
    assert meant
    if way.command:
        first = way.command.split()[0]
        assert any(first in action.cli or action.scope is Scope.EVERYWHERE for action in meant), meant


def test_a_sentence_names_key_and_command() -> None:
    assert advice.REPLAY.to("Replay it", run="r-1") == (
        "Replay it: key r, or `runstudio runs replay r-1 --reason TEXT`."
    )
    assert advice.ANSWER.to("Answer the task").startswith("Answer the task: key a in Tasks (3), or `runstudio tasks ")
    assert advice.WORKER.to("Start a worker") == "Start a worker: `runstudio worker`."
    assert advice.SNAPSHOTS.to("Look at its snapshots") == "Look at its snapshots: key s."


def test_s22_nothing_is_advised_in_words_alone() -> None:
    helps = {action.help for action in ACTIONS}
    found = []
    for place, text in literals():
        if text in helps or "/commands/" in place or not DONE_BY_A_WAY.search(text):
            continue
        if not COMMAND.search(text):
            found.append(f"{place}: {text!r}")
    assert found == []


def test_every_command_that_a_text_names_exists() -> None:
    for place, text in literals():
        for match in COMMAND.finditer(text):
            words = match[1].split()
            while words and parameters_of(words) is None:
                words.pop()
            assert words or match[1].split()[0] not in {"runs", "tasks", "events", "quota", "workflows"}, (
                f"{place}: {text}"
            )
            if "`" in text or "--" in text:
                assert words, f"{place}: {text}"
                # A word behind the name of a group is meant as one of its commands.
                assert words == match[1].split() or not hasattr(command_of(words), "commands"), f"{place}: {text}"
