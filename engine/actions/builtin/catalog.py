"""All built-in actions that run in activities. (The pure ones are in ``engine.actions.pure``.)"""

from __future__ import annotations

from collections.abc import Iterator

from engine.actions.builtin.regex import REGEX_ACTIONS
from engine.actions.declaration import RegisteredAction, declarations_of
from engine.settings import Settings


def builtin_actions(settings: Settings) -> Iterator[RegisteredAction]:
    """The regex, store, link and HTTP actions; ``settings`` say which hosts may be called."""
    for handler in (*REGEX_ACTIONS,):
        yield from declarations_of(handler)
