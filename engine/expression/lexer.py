"""Source text to tokens, one at a time: only the parser knows whether a ``/`` divides or opens a regex."""

from __future__ import annotations

import math
import re
from typing import Any, Final, NamedTuple

from engine.expression.errors import SYNTAX, Fault
from engine.expression.values import normal

NAME: Final = "(name)"
VARIABLE: Final = "(variable)"
STRING: Final = "(string)"
NUMBER: Final = "(number)"
VALUE: Final = "(value)"
REGEX: Final = "(regex)"
END: Final = "(end)"


class Token(NamedTuple):
    """One token. ``kind`` is the operator itself, or one of the names in brackets above."""

    kind: str
    value: Any
    position: int
    """Offset of its first character."""
    quoted: bool = False
    """A name between backquotes."""


# The characters that end a name are exactly those that begin an operator.
_BLANKS: Final = re.compile(r"(?:[ \t\n\r\v]+|/\*.*?\*/)*", re.DOTALL)
_TOKEN: Final = re.compile(
    r"(?P<operator>\.\.|:=|!=|>=|<=|==|\*\*|~>|\?:|\?\?|[.\[\]{}(),@#;:?+\-*/%|=<>^&!~])"
    r"|(?P<number>(?:0|[1-9][0-9]*)(?P<fraction>(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?))"
    r"|(?P<string>\"[^\"\\]*(?:\\.[^\"\\]*)*\"|'[^'\\]*(?:\\.[^'\\]*)*')"
    r"|(?P<backquoted>`[^`]*`)"
    r"|(?P<open>[\"'`])"
    r"|(?P<name>[^ \t\n\r\v.\[\]{}(),@#;:?+\-*/%|=<>^&!~]+)",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_SURROGATE_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPED: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS: Final[dict[str, tuple[str, Any]]] = {
    "true": (VALUE, True),
    "false": (VALUE, False),
    "null": (VALUE, None),
    "and": ("and", "and"),
    "or": ("or", "or"),
    "in": ("in", "in"),
}
_DIGITS_OF_THE_LARGEST_DOUBLE: Final = 309


class Lexer:
    """Reads the tokens of one source. Raises ``Fault`` of kind syntax."""

    __slots__ = ("_at", "_source")

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0

    def next(self, *, after_operand: bool) -> Token:
        """The next token. ``after_operand``: an operator may follow, so a slash divides; otherwise it opens a regex."""
        source = self._source
        blanks = _BLANKS.match(source, self._at)
        start = blanks.end() if blanks else self._at
        match = _TOKEN.match(source, start)
        if match is None:
            self._at = start
            return Token(END, None, start)
        self._at = match.end()
        text = match.group()
        group = match.lastgroup
        if group == "operator":
            if text == "/":
                if source.startswith("*", self._at):
                    raise Fault(SYNTAX, "A comment is not closed; write */ at its end.", start)
                if not after_operand:
                    return self._regex(start)
            return Token(text, text, start)
        if group == "name":
            if text[0] == "$":
                return Token(VARIABLE, text[1:], start)
            kind, value = _WORDS.get(text, (NAME, text))
            return Token(kind, value, start)
        if group == "string":
            return Token(STRING, _unescaped(text[1:-1], start + 1), start)
        if group == "backquoted":
            return Token(NAME, text[1:-1], start, quoted=True)
        if group == "open":
            raise Fault(SYNTAX, f"A text or name opened with {text} is not closed.", start)
        return Token(NUMBER, _number(text, exact=not match.group("fraction"), position=start), start)

    def _regex(self, start: int) -> Token:
        """A regex literal, which can be neither called nor applied; it is read so that what follows it can be checked."""
        source, at, depth = self._source, self._at, 0
        while at < len(source):
            character = source[at]
            if character == "\\":
                at += 2
                continue
            if character == "/" and depth == 0:
                break
            depth += (character in "([{") - (character in ")]}")
            at += 1
        if at >= len(source):
            raise Fault(SYNTAX, "A regular expression is not closed.", start)
        if at == self._at:
            raise Fault(SYNTAX, "A regular expression is empty.", start)
        at += 1
        while source.startswith(("i", "m"), at):
            at += 1
        self._at = at
        return Token(REGEX, source[start:at], start)


def _number(text: str, *, exact: bool, position: int) -> int | float:
    """Whole numbers keep all their digits; the others are doubles."""
    if exact and len(text) < _DIGITS_OF_THE_LARGEST_DOUBLE:
        return int(text)
    value = float(text)
    if not math.isfinite(value):
        raise Fault(SYNTAX, "A number is too large.", position)
    return normal(value)


def _unescaped(text: str, position: int) -> str:
    if "\\" not in text:
        return text

    def character(match: re.Match[str]) -> str:
        code = match.group(1)
        if len(code) > 1:
            return chr(int(code[1:], 16))
        plain = _ESCAPED.get(code)
        if plain is None:
            raise Fault(SYNTAX, f"\\{code} is not an escape sequence.", position + match.start())
        return plain

    def paired(match: re.Match[str]) -> str:
        return match.group().encode("utf-16-le", "surrogatepass").decode("utf-16-le")

    value = _SURROGATE_PAIR.sub(paired, _ESCAPE.sub(character, text))
    if _SURROGATE.search(value):
        raise Fault(SYNTAX, "A \\u escape is half of a surrogate pair.", position)
    return value
