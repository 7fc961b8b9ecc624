"""docs/cli.md names every command there is, and every command answers --help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from runstudio_tui.commands.root import app
from tests.commands.conftest import ROOT, Stack

PEOPLE_ONLY = {"run", "serve", "worker", "dev studio"}
"""They open the studio, serve it, or run until they are stopped: there is nothing to answer."""


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command that is no group, with the words that name it."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path), command
        return
    for name, below in inner.items():
        yield from commands(below, (*path, name))


ALL = dict(commands(typer.main.get_command(app)))


def test_the_page_names_every_command() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    named = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| `runstudio")]
    for command in ALL:
        *group, last = command.split()
        # Several commands of a group may share a line: `runstudio dev up`, `down`, `status`.
        wanted = f"`runstudio {' '.join([*group, ''])}"
        assert any(line.find(wanted) >= 0 and last in line.replace("`", " ").split() for line in named), command


def test_every_command_can_answer_as_json() -> None:
    without = {name for name, command in ALL.items() if "--json" not in [o for p in command.params for o in p.opts]}
    assert without == PEOPLE_ONLY


def test_every_command_that_needs_actions_has_the_same_option() -> None:
    options = {name: [p for p in command.params if "--actions" in p.opts] for name, command in ALL.items()}
    having = {name: found[0] for name, found in options.items() if found}
    assert having.keys() == {"publish", "bundle import", "simulate", "worker", "dev up", "dev studio"}
    assert {(option.help, option.metavar, option.multiple) for option in having.values()} == {
        (having["worker"].help, "MODULE", True)
    }


def test_every_command_helps(runstudio: Stack) -> None:
    for command in ALL:
        helped = runstudio(*command.split(), "--help")
        assert (helped.code, helped.err) == (0, ""), command
        assert helped.out.startswith(f"Usage: runstudio {command}")


def test_no_control_has_a_word_that_names_none() -> None:
    # (`quota resume` is what the design calls asking paused runs to go on.)
    words = {word for command in ALL for word in command.split()}
    assert not words & {"retry", "requeue"}
