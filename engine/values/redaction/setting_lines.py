"""Secrets that stand behind their name with a blank between them, as commands and configurations of well-known programs have it:
``setx DB_PASSWORD ...``, ``proxy_set_header X-Api-Key "..."``, ``requirepass ...``, ``config.setPassword("...")``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from engine.values.redaction.secret_names import is_secret_name
from engine.values.redaction.value_ends import QUOTE, Span, value_at

_NAMED: Final = re.compile(r"(?<![\w.-])([A-Za-z]\w*(?:-\w+)*)(?:\\{0,15}['\"])?[ \t]{1,8}(?=[^\s=:])", re.ASCII)
_GIVES: Final = re.compile(
    r"(?:\b(?:setx|setenv|env|arg|set -\w{1,4}|(?:config|configure)(?: --?\w{1,10})? set|(?:set|add|request)_?header(?: set)?|"
    r"fastcgi_param)|^config(?: --\w{1,10})?)[ \t]{1,8}['\"]?$",
    re.IGNORECASE,
)
"""What stands before a name that is given a value."""
_BEFORE: Final = 40
"""Characters before a name that are looked at."""
_LETTER: Final = re.compile(r"[^\W\d_]")
_DIGIT: Final = re.compile(r"\d")
_SHORTEST: Final = 6

_DIRECTIVE: Final = re.compile(
    r"(?:\blogin\s{1,8}[^\s:=]{1,200}\s{1,8}(?:account\s{1,8}\S{1,200}\s{1,8})?password\s|"
    r"\b(?:requirepass|masterauth|insecure-password)\s|\brabbitmqctl\s(?:add_user|change_password)\s{1,8}\S{1,200}\s|"
    r"--from-literal[= ]['\"]?[\w.-]{1,200}=)\s{0,8}(?=[^\s=:])"
)
"""Of netrc, Redis, HAProxy, RabbitMQ and Kubernetes."""
_CALL: Final = re.compile(
    r"(?<![\w-])(?:set|use|with)_?([A-Za-z]\w{1,60})\(\s{0,8}(?:[bu](?=['\"]))?(?=\\{0,15}['\"])", re.IGNORECASE
)
_VARIABLE: Final = re.compile(r"\bvariable\s{1,8}\"([^\"\r\n]{1,80})\"\s{0,8}\{[^{}]{0,400}?\bdefault\s{0,8}=\s{0,8}")
"""Of Terraform."""


def given(text: str) -> Iterator[Span]:
    """What a setting with a name of several parts is given, when it is told to be or looks like a secret."""
    done = 0
    for found in _NAMED.finditer(text):
        if found.start() < done or not is_secret_name(found[1]):
            continue
        told = _GIVES.search(text[max(0, found.start() - _BEFORE) : found.start()]) is not None
        if told or "_" in found[1] or "-" in found[1]:
            start, done = value_at(text, found.end())
            if told or QUOTE.match(text, found.end()) or _is_mixed(text[start:done]):
                yield start, done


def directives(text: str) -> Iterator[Span]:
    """What well-known lines have behind a word of theirs."""
    return _values(text, _DIRECTIVE.finditer(text))


def set_by_call(text: str) -> Iterator[Span]:
    """``setPassword("...")``."""
    return _values(text, (found for found in _CALL.finditer(text) if is_secret_name(found[1])))


def variables(text: str) -> Iterator[Span]:
    """``variable "db_password" { default = "..." }``."""
    return _values(text, (found for found in _VARIABLE.finditer(text) if is_secret_name(found[1])))


def _values(text: str, names: Iterable[re.Match[str]]) -> Iterator[Span]:
    """The value behind each name, but for those that stand in the value of one before."""
    done = 0
    for found in names:
        if found.start() >= done:
            start, done = value_at(text, found.end())
            yield start, done


def _is_mixed(value: str) -> bool:
    """Whether it is no word."""
    return len(value) >= _SHORTEST and _LETTER.search(value) is not None and _DIGIT.search(value) is not None
