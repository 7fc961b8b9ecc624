"""Secrets that stand behind their name with a blank between them, as commands and configurations of well-known programs have it:
``setx DB_PASSWORD ...``, ``proxy_set_header X-Api-Key "..."``, ``requirepass ...``, ``config.setPassword("...")``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import re2

from engine.values.redaction.first_look import may_be_in
from engine.values.redaction.plain_values import is_id, is_plain, is_said
from engine.values.redaction.secret_names import MAY_BE, is_secret_name
from engine.values.redaction.value_ends import QUOTE, Span, value_at

_ENDS: Final = r"(?:\\{0,15}['\"])?[ \t]{1,8}(?=[^\s=:])"
_SEVERAL: Final = re.compile(rf"(?<![\w.-])([A-Za-z][A-Za-z0-9]*(?:[_-]+[A-Za-z0-9]+)+){_ENDS}")
"""A name of several parts, and a blank."""
_NAMES: Final = re2.compile(rf"(?i)(?:{MAY_BE})[a-z0-9_-]*(?:\\{{0,15}}['\"])?[ \t]+[^\s=:]")
"""A text without it has no name of a secret with a value behind a blank."""
_GIVEN: Final = re.compile(
    r"\b(?:setx|setenv|env|arg|set -\w{1,4}|config(?:ure)?(?: --?\w{1,10})? set|(?:set|add|request)_?header(?: set)?|"
    rf"fastcgi_param)[ \t]{{1,8}}['\"]?([A-Za-z][\w-]{{1,60}}){_ENDS}",
    re.IGNORECASE | re.ASCII,
)
"""A name that is given a value."""
GIVING: Final = (
    "setx",
    "SETX",
    "setenv",
    "SetEnv",
    "env ",
    "ENV ",
    "arg ",
    "ARG ",
    "set -",
    " set ",
    "eader ",
    "_param ",
)
_LETTER: Final = re.compile(r"[^\W\d_]")
_DIGIT: Final = re.compile(r"\d")
_SHORTEST: Final = 8
_LONG: Final = 16

_DIRECTIVE: Final = re.compile(
    r"(?:\blogin\s{1,8}[^\s:=]{1,200}\s{1,8}(?:account\s{1,8}\S{1,200}\s{1,8})?password\s|"
    r"\b(?:requirepass|masterauth|insecure-password)\s|\brabbitmqctl\s(?:add_user|change_password)\s{1,8}\S{1,200}\s|"
    r"(?P<literal>--from-literal)[= ]['\"]?[\w.-]{1,200}=)\s{0,8}(?=[^\s=:])"
)
"""Of netrc, Redis, HAProxy, RabbitMQ and Kubernetes."""
DIRECTIVES: Final = ("login", "requirepass", "masterauth", "insecure-password", "rabbitmqctl", "--from-literal")
_SETTINGS: Final = re.compile(r"\bcreate\s{1,8}(?:(configmaps?|cm)|secrets?)\b")
_BEFORE: Final = 500
"""Characters before a value of ``kubectl create`` in which it is looked for what it makes."""
_LABELS: Final = re.compile(r"\"[^\"\r\n]{0,80}\"\s{0,8}\{|[ \t]\{[^{}]*\}")
"""Of Terraform: ``resource "random_password" "db" {``; and what stands in brackets."""
_CALL: Final = re.compile(
    r"(?<![\w-])(?:set|use|with)_?([A-Za-z]\w{1,60})\(\s{0,8}(?:[bu](?=['\"]))?(?=\\{0,15}['\"])", re.IGNORECASE
)
_CALLED: Final = re2.compile(r"(?i)(?:set|use|with)_?[a-z][^(]{1,60}\([^!-~]{0,8}[bu]?[\\'\"]")
"""A text without it has no such call."""
_VARIABLE: Final = re.compile(r"\bvariable\s{1,8}\"([^\"\r\n]{1,80})\"\s{0,8}\{[^{}]{0,400}?\bdefault\s{0,8}=\s{0,8}")
"""Of Terraform."""


def given(text: str) -> Iterator[Span]:
    """What a command or a setting gives a name."""
    if not may_be_in(text, _NAMES):
        return iter(())
    return _values(text, (found for found in _GIVEN.finditer(text) if is_secret_name(found[1])))


def beside(text: str) -> Iterator[Span]:
    """What stands behind a name of several parts and is quoted or looks like a secret."""
    if not may_be_in(text, _NAMES):
        return
    for start, end in _values(text, (found for found in _SEVERAL.finditer(text) if is_secret_name(found[1]))):
        value = text[start:end]
        if is_said(value) or _LABELS.match(text, start - 1):
            continue
        if QUOTE.match(text, start - 1) or _is_mixed(value):
            yield start, end


def directives(text: str) -> Iterator[Span]:
    """What well-known lines have behind a word of theirs."""
    found = (one for one in _DIRECTIVE.finditer(text) if not (one["literal"] and _is_for_settings(text, one.start())))
    return (span for span in _values(text, found) if not is_said(text[slice(*span)]))


def _is_for_settings(text: str, at: int) -> bool:
    """Whether a value is one of a ConfigMap, in which there is nothing secret but what a name says of."""
    made = [one[1] for one in _SETTINGS.finditer(text, max(0, at - _BEFORE), at)]
    return bool(made and made[-1])


def set_by_call(text: str) -> Iterator[Span]:
    """``setPassword("...")``."""
    if not may_be_in(text, _CALLED):
        return iter(())
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
    """Whether it is no word and no name: letters of both cases and digits, or letters and digits in a long row."""
    if _LETTER.search(value) is None or _DIGIT.search(value) is None or is_plain(value.rstrip(";,")) or is_id(value):
        return False
    both = value != value.lower() and value != value.upper()
    return len(value) >= (_SHORTEST if both else _LONG)
