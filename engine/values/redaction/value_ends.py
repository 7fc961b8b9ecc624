"""Where a value that begins somewhere in a text ends: by its quotes, brackets, lines or blanks."""

from __future__ import annotations

import re
from typing import Final

Span = tuple[int, int]

_ESCAPES: Final = 32
"""More signs of escape in a row are not counted."""
QUOTE: Final = re.compile(r"(\\{0,15})('''|\"\"\"|['\"`])")
_STARTS_ANOTHER: Final = r"['\"\\]*[\w.\[\]%-]{1,60}['\"\\]*\s{0,3}[=:]"
_WORD: Final = re.compile(rf"(?:[^\s,;&'\"<]|<(?!/)|[,;&'\"](?![\s,;&'\")\]}}]|$)(?!{_STARTS_ANOTHER}))+")
"""Without quotes a value ends at a blank, and at a sign after which nothing or something else follows."""
_NESTING: Final = re.compile(r"[\[{\]}]|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_BLOCK: Final = re.compile(r"[|>][+-]?\d?[ \t]*\r?\n((?:[ \t]+[^\r\n]*(?:\r?\n|$)|[ \t]*\r?\n)+)")
"""Lines of a value in YAML."""

_ITEMS: Final = re.compile(r"-[ \t]+[^\r\n]*(?:\r?\n[ \t]*-[ \t]+[^\r\n]*)*")
"""A list in YAML."""

_LABELLED: Final = re.compile(r"[&!][\w!/.-]{0,60}[ \t]+[^\s#][^\r\n]*")
"""A value with an anchor or a tag in YAML."""

_SCHEMED: Final = re.compile(r"\{[\w-]{2,20}\}[^\s,;'\"]+")
"""As a directory of people keeps a password: ``{SSHA}...``."""
_LINE: Final = re.compile(r"[^\n]*\n?")


def value_at(text: str, at: int) -> Span:
    """Where the value that begins at ``at`` is, without its quotes."""
    quote = QUOTE.match(text, at)
    if quote is not None:
        return quote.end(), _closing(text, quote)
    schemed = _SCHEMED.match(text, at)
    if schemed is not None:
        return schemed.span()
    if text[at : at + 1] in ("[", "{"):
        return at, _end_of_container(text, at)
    block = _BLOCK.match(text, at)
    if block is not None:
        lines = block[1]
        return block.end(1) - len(lines.lstrip()), block.start(1) + len(lines.rstrip())
    items = _ITEMS.match(text, at)
    if items is not None:
        return items.span()
    labelled = _LABELLED.match(text, at)
    if labelled is not None:
        return labelled.span()
    word = _WORD.match(text, at)
    return (at, at) if word is None else word.span()


def end_of_block(text: str, at: int, end: int, indent: int) -> int:
    """Where the lines from ``at`` on end that stand further to the right than ``indent``, or are empty; at most ``end``."""
    while at < end and (line := _LINE.match(text, at, end)) is not None:
        said = line[0].strip()
        if said and len(line[0]) - len(line[0].lstrip(" \t")) <= indent:
            break
        at = line.end()
    return at


def _closing(text: str, quote: re.Match[str]) -> int:
    """The end of what is quoted: the next quote that is escaped no more than the first; else the end of the text."""
    at = first = quote.end()
    while (at := text.find(quote[2], at)) >= 0:
        before = text[max(first, at - _ESCAPES) : at]
        escapes = len(before) - len(before.rstrip("\\"))
        if escapes <= len(quote[1]) or (not quote[1] and escapes % 2 == 0):
            return at - min(escapes, len(quote[1]))
        at += 1
    return len(text)


def _end_of_container(text: str, at: int) -> int:
    """Where the list or object that begins at ``at`` ends; the end of the text when it does not."""
    depth = 0
    for sign in _NESTING.finditer(text, at):
        depth += (sign[0] in "[{") - (sign[0] in "]}")
        if not depth:
            return sign.end()
    return len(text)
