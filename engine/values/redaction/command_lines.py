"""Passwords in command lines: ``--api-key ...``, ``curl -u user:...``, and the short options of well-known clients."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from engine.values.redaction.secret_names import is_secret_name
from engine.values.redaction.value_ends import Span, value_at

_OPTION: Final = re.compile(r"(?:^|\s)--?([A-Za-z][\w-]{1,60})\s+(?=[^\s-])")
_LOGIN: Final = re.compile(r"(?:^|\s)(?:-u|--user|--proxy-user)[ =]?['\"]?[^\s:'\"]+:([^\s'\"]+)")


def long_options(text: str) -> Iterator[Span]:
    """Of long options with a blank before their value."""
    for found in _OPTION.finditer(text):
        if is_secret_name(found[1]):
            yield value_at(text, found.end())


def logins(text: str) -> Iterator[Span]:
    """Of a name and a password with a colon between them."""
    return (found.span(1) for found in _LOGIN.finditer(text))
