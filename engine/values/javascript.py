"""JavaScript's text and number forms, where definitions written for the earlier system depend on them.

Lengths and positions count UTF-16 units, as JavaScript does. One rule differs: no result ever holds half of a surrogate
pair, because such a text cannot be stored or printed; a cut that would leave a half drops it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, Final

WHITESPACE: Final = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f"
    "\u3000\ufeff"
)
"""What JavaScript's ``trim`` and ``\\s`` take for white space; Python's ``strip`` takes other characters too."""

_TOKEN = re.compile(r"\$(?:([$&`'])|([0-9]{1,2})|<([^>]*)>)")

_END: Final = object()
_PLAIN_FROM: Final = -6
_PLAIN_TO: Final = 21
"""Powers of ten between which JavaScript writes a number without an exponent."""


def number_text(value: int | float) -> str:
    """A number as JavaScript prints it: ``1`` for 1.0, ``1e-7``, ``Infinity``. Integers keep all their digits."""
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return "NaN"
    sign = "-" if value < 0 else ""
    if math.isinf(value):
        return f"{sign}Infinity"
    if value == 0:
        return "0"
    # Python and JavaScript agree on the shortest digits that give the number back; they differ in where the point goes.
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    significant = (whole + fraction).lstrip("0")
    point = len(whole) - (len(whole + fraction) - len(significant)) + int(exponent or 0)
    digits = significant.rstrip("0")
    if len(digits) <= point <= _PLAIN_TO:
        return sign + digits.ljust(point, "0")
    if 0 < point <= _PLAIN_TO:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if _PLAIN_FROM < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{point - 1:+d}"


def text(value: Any) -> str:
    """JavaScript's string conversion, with null as the empty text: ``[1,null]`` is ``1,``; an object ``[object Object]``."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, list | tuple):
        return ",".join(_texts(value))
    return "[object Object]"


def _texts(value: list[Any] | tuple[Any, ...]) -> Iterator[str]:
    """What is between the commas: a list in a list is written without brackets. Lists may be nested as deeply as they like."""
    pending: list[Iterator[Any]] = [iter(value)]
    while pending:
        item = next(pending[-1], _END)
        if item is _END:
            pending.pop()
        elif isinstance(item, list | tuple) and item:
            pending.append(iter(item))
        else:
            yield "" if isinstance(item, list | tuple) else text(item)


def json_text(value: Any, spacing: int = 0) -> str:
    """``JSON.stringify``: compact, or pretty with ``spacing`` spaces a level. A number that is not finite is null.

    Values may be nested as deeply as they like.
    """
    indent, colon = " " * spacing, ": " if spacing else ":"
    pieces: list[str] = []
    # What is still to be written, the next one last: a value and the line it is on, or a text and None.
    pending: list[tuple[Any, str | None]] = [(value, "\n" if spacing else "")]
    while pending:
        item, line = pending.pop()
        if line is None:
            pieces.append(item)
        elif item is None or isinstance(item, str | int | float):
            pieces.append(_scalar(item))
        elif not item:
            pieces.append("[]" if isinstance(item, list | tuple) else "{}")
        else:
            inner = line + indent
            following: list[tuple[Any, str | None]] = []
            if isinstance(item, list | tuple):
                opening, closing = f"[{inner}", f"{line}]"
                for member in item:
                    following += [(f",{inner}" if following else opening, None), (member, inner)]
            else:
                opening, closing = f"{{{inner}", f"{line}}}"
                for key, member in item.items():
                    name = f"{encode_basestring(str(key))}{colon}"
                    following += [((f",{inner}" if following else opening) + name, None), (member, inner)]
            pending.append((closing, None))
            pending += reversed(following)
    return "".join(pieces)


def _scalar(value: str | int | float | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if isinstance(value, float) and not math.isfinite(value) else number_text(value)


def length(value: str) -> int:
    """The number of UTF-16 units."""
    return len(value) + sum(1 for character in value if character > "\uffff")


def cut(value: str, start: int, end: int) -> str:
    """UTF-16 units ``start`` to ``end`` (both at least 0), without a surrogate half at either side."""
    if value.isascii():
        return value[start:end]
    units = value.encode("utf-16-le", "surrogatepass")
    return units[2 * start : 2 * end].decode("utf-16-le", "ignore")


class TextTooLong(Exception):
    """A text would have more characters than it may."""


def expand_replacement(  # noqa: PLR0917  # the parts of a match, in their order
    template: str,
    before: str,
    found: str,
    after: str,
    groups: Sequence[str | None] = (),
    named: Mapping[str, str | None] | None = None,
    *,
    most: int,
) -> str:
    """The tokens of ``String.replace``: ``$$ $& $` $'``, ``$1`` to ``$99`` and ``$<name>``.

    A group that does not exist leaves its token as it is; one that matched nothing gives the empty text. Raises ``TextTooLong``
    before more than ``most`` characters are made.
    """
    fixed = {"$": "$", "&": found, "`": before, "'": after}

    def value(token: re.Match[str]) -> str:
        sign, number, name = token.groups()
        if sign is not None:
            return fixed[sign]
        if name is not None:
            return token.group() if not named else named.get(name) or ""
        # Two digits name a group only where there are that many; else the second digit is text.
        for digits in (number, number[:1]):
            if 1 <= int(digits) <= len(groups):
                return (groups[int(digits) - 1] or "") + number[len(digits) :]
        return token.group()

    pieces: list[str] = []
    end = size = 0
    for token in _TOKEN.finditer(template):
        pieces += [template[end : token.start()], value(token)]
        end = token.end()
        size += len(pieces[-2]) + len(pieces[-1])
        if size > most:
            raise TextTooLong
    pieces.append(template[end:])
    if size + len(pieces[-1]) > most:
        raise TextTooLong
    return "".join(pieces)
