"""The command line ``:``: names of actions, the words of their commands, and two that take a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from runstudio_tui.actions import Action

RUN: Final = "run"
FILTER: Final = "filter"
WITH_VALUE: Final = {RUN: "run ID", FILTER: "filter WORDS"}
"""Commands that take what follows: open a run, set the filter of the list."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a command line means."""

    action: str = ""
    """Id of an action of the table; empty for a command with a value."""
    name: str = ""
    value: str = ""


def names_of(action: Action) -> tuple[str, ...]:
    """What an action may be called: its label, its id's words, and its command without the program's name and arguments."""
    words = [word for word in action.cli.removeprefix("runstudio ").split() if word.isalpha() and word.islower()]
    own = action.id.partition(".")[2].replace("_", " ")
    return tuple(dict.fromkeys((action.label.lower(), own, *([" ".join(words)] if words else []))))


def completions(text: str, actions: Sequence[Action]) -> list[str]:
    """Whole lines that ``text`` could become, those that begin with it first."""
    wanted = text.strip().lower()
    known = [*WITH_VALUE.values(), *(name for action in actions for name in names_of(action))]
    first = [name for name in known if name.lower().startswith(wanted)]
    return list(dict.fromkeys([*first, *(name for name in known if wanted in name.lower())]))


def read_command(text: str, actions: Sequence[Action]) -> Command | str:
    """What a line means; a sentence when it means nothing, or more than one thing."""
    line = " ".join(text.split())
    word, _, value = line.partition(" ")
    if word.lower() in WITH_VALUE and value:
        return Command(name=word.lower(), value=value)
    exact = [action for action in actions if line.lower() in names_of(action)]
    begun = exact or [action for action in actions if any(name.startswith(line.lower()) for name in names_of(action))]
    if not line or not begun:
        return f"there is no command {line!r}: tab completes, ? lists every key"
    if len(begun) > 1 and not exact:
        return f"{line!r} can mean {', '.join(action.label for action in begun[:4])}"
    return Command(action=begun[0].id)
