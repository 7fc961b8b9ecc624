"""Secrets beside their names in a text: ``password=...``, ``"token": "..."``, ``<pin>...</pin>``, ``--api-key ...``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import re2

from engine.values.redaction.command_lines import ORACLES, logins, long_options, oracle_logins, short_options
from engine.values.redaction.first_look import may_be_in
from engine.values.redaction.manifests import manifests
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.plain_values import is_plain, is_said
from engine.values.redaction.secret_names import is_secret_name
from engine.values.redaction.sentences import quoted, told, yours
from engine.values.redaction.setting_lines import DIRECTIVES, GIVING, beside, directives, given, set_by_call, variables
from engine.values.redaction.value_ends import QUOTE, Span, end_of_block, value_at

_SIGNS: Final = ("=", ":", "：", "＝", "->", "→", "⇒", "∶", "꞉")
_OF_WORDS: Final = r"(?:(?:mot|clave|palavra) (?:de )?|(?:cl[eé]|jeton) (?:d')?)"
_NAME_SIGNS: Final = (
    r"[^\W\d_][\w.\[\]-]{1,60}"
    r"(?: (?:keys?|string|id|code|number|phrase)\b)?)(?:\\{0,15}['\"]\]?|[*_`]{1,3})?"
    r"\s{0,8}(?:=>|->|:=|[?+]=|={1,3}|::|[:：＝→⇒∶꞉])\s{0,60}(?:(?:\*{1,2}|</[a-z]{1,6}>)\s{0,8})?"
)
_NAME: Final = re.compile(rf"({_NAME_SIGNS}", re.IGNORECASE)
_NAME_OF_WORDS: Final = re.compile(rf"({_OF_WORDS}?{_NAME_SIGNS}", re.IGNORECASE)
_HAS_WORDS: Final = re2.compile(rf"(?i)\b{_OF_WORDS}")
"""In few texts, and the names of others are found in less time."""
_SUBSCRIPT: Final = re.compile(r"(?:\[\d*\])+$")
_MAPPED: Final = re.compile(r"['\"]?[\w./-]{1,60}['\"]?:(?:[ \t]|\r?\n)")
"""An entry of a mapping in YAML."""
_OF_A_LINE: Final = re.compile(r"(?:proxy-)?authorization|(?:set-)?cookie|stripe-signature", re.IGNORECASE)
"""Headers whose value is the rest of their line."""
_REST: Final = re.compile(r"[^\r\n]*")
_NEAR: Final = 60
"""Characters before a name in which its line is looked for."""
_FOLDED: Final = re.compile(r"\r?\n([ \t]+)[^\r\n]+")
"""A line that goes on with the one before: it stands further to the right."""
_NO_VALUE: Final = (
    "//", PLACEHOLDER, "(known after apply)", "(sensitive value)", "<input", "<select", "<button",
)  # fmt: skip
"""Of a URL, of a text that is masked already, of Terraform, and a field of a page, whose value is an attribute of its own."""
_COUNTS: Final = re.compile(r"\d{1,6}[ \t,;|]{1,4}(?:fail|skip)\w{0,5}\s?[:=]\s?\d", re.IGNORECASE)
"""Of tests: ``pass: 12, fail: 3``."""
_OF_TESTS: Final = re.compile(r"PASS: Test\w+ \(")
"""Of Go's."""
_READ: Final = re.compile(
    r"(?:cls|config|os|process|self|settings|this)(?:\.[A-Za-z_]{1,40}){1,5}(?:[(\[]['\"]?[A-Za-z_., ]{0,60}['\"]?[)\]]{0,3})?"
)
"""A line of a program that reads it from somewhere, in a traceback for one."""
_NUMBERED: Final = re.compile(r"tokens?|secrets|cookies", re.IGNORECASE)

_ELEMENT: Final = re.compile(
    r"<(?:[\w-]{1,40}:)?([A-Za-z][\w.-]{1,60})(?:\s[^<>]{0,300})?>\s*(?:<(?:string|value)>\s*)?(?:<!\[CDATA\[)?([^<\]]+)"
)
_CELL: Final = re.compile(
    r">\s{0,8}([^<>:]{1,60}):?\s{0,8}</\w{1,20}>\s{0,60}<(?:td|dd|string|\w{0,12}(?:value|val))(?:\s[^<>]{0,200})?>\s{0,8}"
    r"(?:<\w{1,10}(?:\s[^<>]{0,200})?>\s{0,8})?([^<]+)",
    re.IGNORECASE,
)
"""A name in one cell of a table, or one entry of a list, and its value in the next."""
_NAMED_ELEMENT: Final = re.compile(
    r"<(?!input\s)[\w:.-]{1,40}\s(?:[^<>]{0,200}\s)?(?:name|key)\s?=\s?['\"]([^<>'\"]{1,80})['\"][^<>/]{0,200}>\s{0,60}"
    r"(?:<\w{1,20}>\s{0,8})?(?:<!\[CDATA\[)?([^<\s][^<\]]*)",
    re.IGNORECASE,
)
"""``<property name="password">...</property>``."""
_TAG: Final = re.compile(r"<[A-Za-z][^<>]{0,1000}>")
_ATTRIBUTE: Final = re.compile(r"([A-Za-z][\w:.-]{0,60})\s?=\s?(?:\"([^\"]*)\"|'([^']*)')")
_NAMING: Final = frozenset({"name", "key", "type", "id", "field", "property"})
_PAIR: Final = re.compile(
    r"\b(?:name|key|field|header|id|param|label)\\{0,15}['\"]?\s{0,4}[=:]\s{0,4}\\{0,15}['\"]([^'\"\\<>]{1,80})\\{0,15}['\"]"
    r"[^<>{}\r\n]{0,80}?\b(?:value|val|content)\\{0,15}['\"]?\s{0,4}[=:]\s{0,4}",
    re.IGNORECASE,
)
_PAIR_OF_LINES: Final = re.compile(
    r"\b(?:name|key)\s?:\s?['\"]?([\w.-]{1,80})['\"]?[ \t]{0,8}\r?\n[ \t]{0,60}(?:value|val)\s?:\s?", re.IGNORECASE
)
"""In YAML."""
_TUPLE: Final = re.compile(r"\(\s?[bu]?(['\"])([^'\"\\<>]{1,80})\1\s?,\s{0,8}[bu]?(?=['\"])")
_PART: Final = re.compile(
    r"name=\"([^\"\r\n]{1,80})\"[^\r\n]{0,200}\r?\n(?:[^\r\n]{1,200}\r?\n){0,5}\r?\n([^\r\n]+)", re.IGNORECASE
)
"""A field of a form as ``multipart/form-data``."""


def hide_assigned(text: str) -> str:
    """The text with the placeholder in the place of what stands beside a secret name."""
    for finders in (_FINDERS, _SELDOM if may_be_in(text, _SELDOM_SIGNS) else ()):
        for signs, find in finders:
            # ``any`` would take longer than all of these looks in a short text.
            for sign in signs:
                if sign in text:
                    text = _without(text, find)
                    break
    return text


def _without(text: str, find: Callable[[str], Iterator[Span]]) -> str:
    pieces, done = [], 0
    for start, end in find(text):
        shown = text.startswith(PLACEHOLDER, end - len(text[start:end].lstrip()))
        if done <= start < end and not shown:
            pieces += [text[done:start], PLACEHOLDER]
            done = end
    return "".join([*pieces, text[done:]]) if pieces else text


def _assigned(text: str) -> Iterator[Span]:
    done = 0
    for found in (_NAME_OF_WORDS if may_be_in(text, _HAS_WORDS) else _NAME).finditer(text):
        if found.start() < done:
            continue
        begun = "_" if text.startswith("_", found.start() - 1) else ""
        name = begun + _SUBSCRIPT.sub("", found[1]).rpartition(".")[2]
        if not is_secret_name(name) or (_NUMBERED.fullmatch(name) and _is_counted(text, found)):
            continue
        if text.startswith(_NO_VALUE, found.end()):
            continue
        if _OF_A_LINE.fullmatch(name):
            start, end = _line(text, found)
        else:
            start, end = _below(text, found) or value_at(text, found.end())
        if _NUMBERED.fullmatch(name) and name.endswith(("s", "S")) and text[start:end].isdecimal():
            # How many there are.
            continue
        if not (is_said(text[start:end]) or _is_elsewhere(text, name, found, start, end)):
            yield start, end
            done = end


def _is_elsewhere(text: str, name: str, found: re.Match[str], start: int, end: int) -> bool:
    """Whether what stands here is no secret, but where one is read, the working directory of a shell, or a result of tests."""
    if name.casefold() == "pass":
        return _COUNTS.match(text, start) is not None or _OF_TESTS.match(text, found.start()) is not None
    if name in ("PWD", "OLDPWD"):
        return is_plain(f"{text[start:end]}/")
    return _READ.fullmatch(text, start, end) is not None


def _is_counted(text: str, found: re.Match[str]) -> bool:
    """Whether the word before says that it is tokens of another kind: ``total tokens: 40``."""
    before = text[max(0, found.start() - 40) : found.start()].split()
    return bool(before) and not is_secret_name(f"{before[-1]} {found[1]}")


def _below(text: str, found: re.Match[str]) -> Span | None:
    """The mapping of YAML that stands below its name; None where none does."""
    if "\n" not in text[found.end(1) : found.end()] or _MAPPED.match(text, found.end()) is None:
        return None
    first, indent = text.rfind("\n", 0, found.end()) + 1, _indent(text, found.start())
    end = end_of_block(text, first, len(text), indent)
    return (found.end(), first + len(text[first:end].rstrip())) if end > found.end() else None


def _indent(text: str, at: int) -> int:
    """How far to the right the line begins in which a name stands."""
    near = max(0, at - _NEAR)
    own = text[max(near, text.rfind("\n", near, at) + 1) : at]
    return len(own) - len(own.lstrip(" \t"))


def _line(text: str, found: re.Match[str]) -> Span:
    if QUOTE.match(text, found.end()):
        return value_at(text, found.end())
    line = _REST.match(text, found.end())
    end = found.end() if line is None else line.end()
    around = text[found.start() - 1] if found.start() else ""
    if around in ("'", '"') and (closing := text.find(around, found.end(), end)) >= 0:
        return found.end(), closing
    indent = _indent(text, found.start())
    while (line := _FOLDED.match(text, end)) is not None and len(line[1]) > indent:
        end = line.end()
    return found.end(), end


def _elements(text: str) -> Iterator[Span]:
    for found in _ELEMENT.finditer(text):
        if is_secret_name(found[1]) and found[2].strip():
            yield found.span(2)


def _cells(text: str) -> Iterator[Span]:
    return (found.span(2) for found in _CELL.finditer(text) if is_secret_name(found[1]))


def _named_elements(text: str) -> Iterator[Span]:
    return (found.span(2) for found in _NAMED_ELEMENT.finditer(text) if is_secret_name(found[1]))


def _attributes(text: str) -> Iterator[Span]:
    """``<add key="ApiKey" value="..."/>``, ``<input type="password" value="...">``."""
    for tag in _TAG.finditer(text):
        named = list(_ATTRIBUTE.finditer(tag[0]))
        if any(one[1].lower() in _NAMING and is_secret_name(one[2] or one[3] or "") for one in named):
            for one in named:
                if one[1].lower() in ("value", "content"):
                    start, end = one.span(2 if one[2] is not None else 3)
                    yield tag.start() + start, tag.start() + end


def _pairs(text: str) -> Iterator[Span]:
    return _named_before(_PAIR, text)


def _pairs_of_lines(text: str) -> Iterator[Span]:
    return _named_before(_PAIR_OF_LINES, text)


def _named_before(pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    for found in pattern.finditer(text):
        if is_secret_name(found[1]):
            yield value_at(text, found.end())


def _tuples(text: str) -> Iterator[Span]:
    """``('password', '...')``, as Python writes pairs."""
    for found in _TUPLE.finditer(text):
        if is_secret_name(found[2]):
            start, end = value_at(text, found.end())
            if text[end + 1 : end + 3].lstrip().startswith(")"):
                yield start, end


def _parts(text: str) -> Iterator[Span]:
    return (found.span(2) for found in _PART.finditer(text) if is_secret_name(found[1]))


_FINDERS: Final = (
    (("Secret",), manifests),
    (_SIGNS, _assigned),
    (("=", ":"), _pairs),
    (("val:", "value", "Value", "VALUE"), _pairs_of_lines),
    (("<",), _attributes),
    (("<",), _elements),
    (("</",), _cells),
    (("</",), _named_elements),
    (("\n",), _parts),
    (("(",), _tuples),
    (("'", '"'), quoted),
    (("-",), long_options),
    (("-",), logins),
    (("-",), short_options),
    (("_", "-"), beside),
    (("(",), set_by_call),
    (("",), told),
    ((" is your ",), yours),
)
"""Each with signs of which one stands in whatever it finds. Without any of them in the text it is not asked."""
_SELDOM: Final = (
    (ORACLES, oracle_logins),
    (GIVING, given),
    (DIRECTIVES, directives),
    (("default",), variables),
)
_SELDOM_SIGNS: Final = re2.compile("|".join(re2.escape(sign) for signs, _ in _SELDOM for sign in signs))
"""Most texts have none of all these signs."""
