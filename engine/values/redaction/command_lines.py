"""Passwords in command lines: ``--api-key ...``, ``curl -u user:...``, and the short options of well-known clients."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import Any, Final

import re2

from engine.values.redaction.first_look import may_be_in
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.secret_names import is_secret_name
from engine.values.redaction.value_ends import Span, value_at

_OPTION: Final = re.compile(r"(?:^|[\s'\"])--?([A-Za-z][\w-]{1,60})(?:\s+(?=[^\s-])|['\"](?:,\s?|\s)(?=['\"]))")
_LOGIN: Final = re.compile(
    r"(?:^|\s)(?:https? -a|-[uU]|--auth|--cert|--user|--proxy-user)[ =]?['\"]?"
    r"(?!\d+:\d+(?!\S)|[A-Za-z]:[/\\])[^\s:'\"]+:([^\s'\"]+)"
)
"""Two numbers are those of a user and a group; a letter before a slash is a drive."""
_OF_A_GROUP: Final = re.compile(r"\b(?:docker|nerdctl|podman|rsync)\b")
_OTHER_COMMAND: Final = re.compile(r"\b(?:curl|https?|login|wget)\b|[\n;|&]")
_BEFORE: Final = 300
"""Characters before a login in which its command is looked for."""
_LOGGING_IN: Final = re2.compile(r"(?:^|[^!-~])(?:https? -a|-[uU]|--auth|--cert|--user|--proxy-user)")
"""A text without it has no such login."""
ORACLES: Final = ("sqlplus", "sqlldr", "expdp", "impdp")
_OF_ORACLE: Final = re.compile(
    rf"\b(?:{'|'.join(ORACLES)})\s{{1,8}}(?:-\S{{1,40}}\s{{1,8}}){{0,3}}[^\s/@-][^\s/@]{{0,60}}/([^\s@/]+)"
)

_CLIENTS: Final = {
    "p": r"mysql(?:admin|check|dump|import|show|slap)?|mariadb(?:-\w{1,20})?|"
    r"mongo(?:sh|dump|export|files|import|restore|stat|top)?|sshpass|login|cqlsh|7z[ar]?|(?:un)?rar|psexec\d{0,2}",
    "a": r"redis-cli",
    "c": r"snmp(?:bulk)?(?:get|getnext|set|table|trap|walk)",
    "E": r"curl",
    "w": r"ldap(?:add|compare|delete|modify|modrdn|passwd|search|whoami)",
    "P": r"sqlcmd|bcp|isql|osql|(?:un)?zip|mosquitto_[a-z]{3,4}",
}
"""By the letter of the option that takes a password."""
_CLIENT: Final = re.compile(
    "|".join(rf"(?<![\w-])(?P<{letter}>{names})(?:\.exe)?(?![\w-])" for letter, names in _CLIENTS.items())
)
_GIVEN: Final = {
    letter: re.compile(rf"[\s'\"]-{letter}(?:['\"](?:,\s?|\s)(?=['\"])|[ \t]+(?![-|><&;])|(?=[^\s-]))")
    for letter in _CLIENTS
}
_OPTIONS: Final = re2.compile(rf"(?:[^!-~]|['\"])-[{''.join(_CLIENTS)}]")
_ARGUMENTS: Final = 500
"""Characters after the name of a client in which its option is looked for."""
_COMMAND_ENDS: Final = re.compile(r"[\n;|]|&&")


def long_options(text: str) -> Iterator[Span]:
    """Of long options with a blank before their value."""
    for found in _OPTION.finditer(text):
        if is_secret_name(found[1]):
            yield value_at(text, found.end())


def secret_arguments(arguments: Sequence[Any]) -> frozenset[int]:
    """Which of the arguments of a command, each an item of a list, are secrets."""
    if not all(isinstance(one, str) for one in arguments) or not any(one.startswith("-") for one in arguments):
        return frozenset()
    # Half characters, with which no look is taken, become one sign each.
    line = " ".join(arguments).encode("utf-8", "replace").decode()
    ends = list(accumulate(len(one) + 1 for one in arguments))
    spans = chain.from_iterable(find(line) for find in (long_options, logins, oracle_logins, short_options))
    found = {bisect_right(ends, start) for start, _ in spans}
    return frozenset(index for index in found if index < len(arguments) and arguments[index] != PLACEHOLDER)


def logins(text: str) -> Iterator[Span]:
    """Of a name and a password with a colon between them."""
    if may_be_in(text, _LOGGING_IN):
        yield from (found.span(1) for found in _LOGIN.finditer(text) if not _is_of_a_group(text, found.start()))


def oracle_logins(text: str) -> Iterator[Span]:
    """Of a name and a password with a slash between them."""
    return (found.span(1) for found in _OF_ORACLE.finditer(text))


def _is_of_a_group(text: str, at: int) -> bool:
    """Whether a command takes a user and a group: ``docker run -u node:node``."""
    command = _OF_A_GROUP.search(text, max(0, at - _BEFORE), at + 1)
    return command is not None and _OTHER_COMMAND.search(text, command.end(), at) is None


def short_options(text: str) -> Iterator[Span]:
    """Of clients whose options are known: ``mysql -p...``, ``sshpass -p ...``."""
    for client in _CLIENT.finditer(text) if may_be_in(text, _OPTIONS) else ():
        last = min(len(text), client.end() + _ARGUMENTS)
        end = _COMMAND_ENDS.search(text, client.end(), last)
        given = _GIVEN[client.lastgroup or ""].search(text, client.end(), last if end is None else end.start())
        if given is not None:
            yield value_at(text, given.end())
