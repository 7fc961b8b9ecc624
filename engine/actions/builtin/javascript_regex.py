"""JavaScript regular expressions, read and rewritten for RE2, which matches in time linear in the text.

What cannot be had in linear time (look-around, backreferences) is refused by name. Texts are code points, so ``.`` is a whole
character also without the flag ``u``; with the flag ``m`` a line ends at a line feed only.
"""

from __future__ import annotations

import re
from typing import Final

from engine.values import javascript

FLAGS: Final = frozenset("dgimsuvy")

_DIGIT: Final = [(0x30, 0x39)]
_WORD: Final = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]
_SPACE: Final = sorted((ord(character), ord(character)) for character in javascript.WHITESPACE)
_LINE_ENDS: Final = [(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)]
_LAST: Final = 0x10FFFF

_CONTROL: Final = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D}
_QUANTIFIER = re.compile(r"[*+?]|\{[0-9]+(?:,[0-9]*)?\}")
_HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}")
_PROPERTY = re.compile(r"\{(?:(?:General_Category|gc|Script|sc|Script_Extensions|scx)=)?([A-Za-z_]+)\}")
_GROUP_NAME = re.compile(r"<([A-Za-z_][A-Za-z0-9_]*)>")

Ranges = list[tuple[int, int]]


class PatternError(Exception):
    """The pattern is no JavaScript regular expression; the message says where and why."""


class UnsupportedPattern(PatternError):
    """The pattern is one, but needs what a linear-time matcher cannot give."""


def to_re2(pattern: str, flags: str) -> str:
    """The same expression in RE2's syntax, with the flags ``i``, ``m`` and ``s`` applied. Raises ``PatternError``."""
    prefix = "".join(flag for flag in "im" if flag in flags)
    return (f"(?{prefix})" if prefix else "") + _Rewriter(pattern, flags).rewrite()


class _Rewriter:
    def __init__(self, pattern: str, flags: str) -> None:
        self._pattern = pattern
        self._position = 0
        self._unicode = "u" in flags or "v" in flags
        self._sets = "v" in flags
        self._multiline = "m" in flags
        self._any = "(?s:.)" if "s" in flags else _class(_inverted(_LINE_ENDS))

    def rewrite(self) -> str:
        """One pass from left to right; ``repeatable`` says whether a quantifier may follow what was just written."""
        out: list[str] = []
        repeatable = False
        depth = 0
        while self._position < len(self._pattern):
            quantifier = _QUANTIFIER.match(self._pattern, self._position)
            if quantifier:
                if not repeatable:
                    raise self._wrong("nothing to repeat")
                self._position = quantifier.end()
                out.append(quantifier.group() + ("?" if self._take("?") else ""))
                repeatable = False
                continue
            character = self._next()
            if character == "(":
                out.append(self._group())
                depth += 1
                repeatable = False
            elif character == ")":
                depth -= 1
                if depth < 0:
                    raise self._wrong("a ) without its (")
                out.append(")")
                repeatable = True
            elif character == "|":
                out.append("|")
                repeatable = False
            elif character in "^$":
                out.append(character if self._multiline else {"^": r"\A", "$": r"\z"}[character])
                repeatable = False
            elif character == "\\" and self._take("b"):
                out.append(r"\b")
                repeatable = False
            elif character == "\\" and self._peek() == "B":
                # RE2 would find it between the bytes of one character.
                raise UnsupportedPattern(r"\B is not supported: say with \b or a character class what stands there")
            else:
                out.append(self._atom(character))
                repeatable = True
        if depth:
            raise self._wrong("a ( without its )")
        return "".join(out)

    def _atom(self, character: str) -> str:
        if character == ".":
            return self._any
        if character == "[":
            return self._set()
        if character == "\\":
            return self._escape()
        if self._unicode and character in "{}]":
            raise self._wrong(f"a {character} that must be escaped")
        return _literal(ord(character))

    def _group(self) -> str:
        if not self._take("?"):
            return "("
        for ahead, meaning in (("=", "look-ahead"), ("!", "look-ahead"), ("<=", "look-behind"), ("<!", "look-behind")):
            if self._pattern.startswith(ahead, self._position):
                raise UnsupportedPattern(f"{meaning} (?{ahead} is not supported: it cannot be matched in linear time")
        if self._take(":"):
            return "(?:"
        name = _GROUP_NAME.match(self._pattern, self._position)
        if not name:
            raise self._wrong("an unknown kind of group")
        self._position = name.end()
        return f"(?P<{name.group(1)}>"

    def _escape(self) -> str:
        ranges = self._class_escape()
        if ranges is not None:
            return ranges if isinstance(ranges, str) else _class(ranges)
        following = self._peek()
        if (following.isdigit() and following != "0") or (following == "k" and "<" in self._pattern):
            raise UnsupportedPattern(
                f"the backreference \\{following} is not supported: it cannot be matched in linear time"
            )
        return _literal(self._character_escape())

    def _class_escape(self) -> Ranges | str | None:
        """``\\d \\D \\w \\W \\s \\S`` as ranges, ``\\p{..}`` as RE2 writes it, None for anything else."""
        following = self._peek()
        ranges = {"d": _DIGIT, "w": _WORD, "s": _SPACE}.get(following.lower())
        if ranges is not None:
            self._position += 1
            return _inverted(ranges) if following.isupper() else ranges
        if self._unicode and following in ("p", "P"):
            self._position += 1
            name = _PROPERTY.match(self._pattern, self._position)
            if not name:
                raise self._wrong("a property that is not \\p{Name}")
            self._position = name.end()
            return f"\\{following}{{{name.group(1)}}}"
        return None

    def _character_escape(self) -> int:
        """The code point of a single-character escape; the backslash is already taken."""
        start = self._position
        character = self._next()
        if character in _CONTROL:
            return _CONTROL[character]
        if character == "0" and not self._peek().isdigit():
            return 0
        if character == "c" and self._peek().isascii() and self._peek().isalpha():
            return ord(self._next()) % 32
        digits = _HEX.match(self._pattern, start)
        if digits and (digits.group(3) is None or self._unicode):
            self._position = digits.end()
            point = int(digits.group(1) or digits.group(2) or digits.group(3), 16)
            if point > _LAST:
                raise self._wrong("a character beyond the last one")
            return self._joined(point)
        if self._unicode and (character.isalnum() or character == "_"):
            raise self._wrong(f"an unknown escape \\{character}")
        return ord(character)

    def _joined(self, unit: int) -> int:
        """Two escaped surrogate halves are one character; a half alone can never match."""
        if not 0xD800 <= unit <= 0xDFFF:
            return unit
        low = re.compile(r"\\u([dD][c-fC-F][0-9A-Fa-f]{2})").match(self._pattern, self._position)
        if unit < 0xDC00 and low:
            self._position = low.end()
            return 0x10000 + (unit - 0xD800) * 0x400 + int(low.group(1), 16) - 0xDC00
        raise UnsupportedPattern("half of a surrogate pair is not supported: texts are whole characters")

    def _set(self) -> str:
        inverted = self._take("^")
        ranges: Ranges = []
        properties: list[str] = []
        while not self._take("]"):
            low = self._set_item(properties)
            if isinstance(low, list):
                ranges += low
                continue
            if self._peek() == "-" and self._pattern[self._position + 1 : self._position + 2] not in ("]", ""):
                self._position += 1
                high = self._set_item(properties)
                if isinstance(high, list):
                    ranges += [(low, low), (0x2D, 0x2D), *high]
                    continue
                if high < low:
                    raise self._wrong("a range that runs backwards")
                ranges.append((low, high))
            else:
                ranges.append((low, low))
        if properties:
            return f"[{'^' if inverted else ''}{_members(ranges)}{''.join(properties)}]"
        return _class(_inverted(ranges) if inverted else ranges)

    def _set_item(self, properties: list[str]) -> int | Ranges:
        character = self._next()
        if character == "\\":
            escaped = self._class_escape()
            if isinstance(escaped, str):
                properties.append(escaped)
                return []
            if escaped is not None:
                return escaped
            return 0x08 if self._take("b") else self._character_escape()
        if self._sets and (character == "[" or (character in "&-" and self._peek() == character)):
            raise UnsupportedPattern("set operations of the flag v are not supported: write the characters out")
        return ord(character)

    def _next(self) -> str:
        if self._position >= len(self._pattern):
            raise self._wrong("an unexpected end")
        character = self._pattern[self._position]
        self._position += 1
        return character

    def _peek(self) -> str:
        return self._pattern[self._position : self._position + 1]

    def _take(self, character: str) -> bool:
        taken = self._peek() == character
        self._position += taken
        return taken

    def _wrong(self, reason: str) -> PatternError:
        return PatternError(f"{reason}, at character {self._position}")


def _literal(point: int) -> str:
    character = chr(point)
    return character if character.isalnum() and character.isascii() else f"\\x{{{point:X}}}"


def _class(ranges: Ranges) -> str:
    # RE2 has no empty class; its complement of everything is one.
    return f"[{_members(ranges)}]" if ranges else r"[^\x{0}-\x{10FFFF}]"


def _members(ranges: Ranges) -> str:
    return "".join(f"\\x{{{low:X}}}-\\x{{{high:X}}}" for low, high in ranges)


def _inverted(ranges: Ranges) -> Ranges:
    result: Ranges = []
    start = 0
    for low, high in sorted(ranges):
        if low > start:
            result.append((start, low - 1))
        start = max(start, high + 1)
    if start <= _LAST:
        result.append((start, _LAST))
    return result
