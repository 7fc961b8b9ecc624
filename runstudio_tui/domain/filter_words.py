"""The grammar of every filter line: words ``key:value``, values with blanks in double quotes, and words without a key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

_TOKEN: Final = re.compile(r'(?P<key>[A-Za-z]+):(?P<value>"[^"]*"?|\S*)|"(?P<quoted>[^"]*)"?|(?P<word>\S+)')

_ELSEWHERE: Final = re.compile(r"(?P<turned>[-!])?(?P<key>[A-Za-z]+)(?P<sign>:|!=|<>|[=<>])")
"""How other programs write a condition."""


@dataclass(frozen=True, slots=True)
class FilterKey:
    """One key of a filter line, for reading, help and completion."""

    key: str
    meaning: str
    values: tuple[str, ...] = ()
    """The words it may have; empty: any."""
    check: Callable[[str], None] | None = None
    """Raises ``ValueError`` for a value that cannot be understood; None: any will do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing a filter line says that cannot be understood."""

    token: str
    message: str


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a filter line."""

    whole: str
    """As it was typed."""
    key: str | None
    """In lower case; None for a word without a key."""
    value: str


def tokens(text: str) -> Iterator[Token]:
    """The words of a filter line from left to right."""
    for match in _TOKEN.finditer(text):
        if match["key"] is None:
            yield Token(match[0], None, match["quoted"] if match["quoted"] is not None else match["word"])
        else:
            yield Token(match[0], match["key"].lower(), match["value"].strip('"'))


@dataclass(frozen=True, slots=True)
class FilterWords:
    """A filter line, read by its keys."""

    text: str
    """As it was typed, blanks trimmed."""
    values: dict[str, str]
    """By key."""
    words: str
    """What has no key, joined with blanks."""
    problems: tuple[Problem, ...]


def read_words(text: str, keys: Sequence[FilterKey]) -> FilterWords:
    """Read a filter line. Never raises: what is not understood becomes a Problem, the rest still counts."""
    values: dict[str, str] = {}
    words: list[str] = []
    problems: list[Problem] = []
    known = {entry.key: entry for entry in keys}
    for token in tokens(text):
        problem = misread(token, tuple(known))
        if problem is not None:
            problems.append(problem)
            continue
        if token.key is None:
            words.append(token.value)
            continue
        entry = known.get(token.key)
        if entry is None:
            problems.append(unknown_key(token, tuple(known)))
            continue
        try:
            value = _checked(entry, token.value)
        except ValueError as error:
            problems.append(Problem(token.whole, f"{token.key}: {error}"))
            continue
        if token.key in values:
            problems.append(repeated(token, token.key))
        else:
            values[token.key] = value
    return FilterWords(" ".join(text.split()), values, " ".join(words), tuple(problems))


def _checked(entry: FilterKey, value: str) -> str:
    """The value as it counts. Raises ``ValueError`` when it is none of that key."""
    if not value:
        raise ValueError("needs a value")
    if entry.check is not None:
        entry.check(value)
        return value
    return one_of(value, entry.values) if entry.values else value


def misread(token: Token, names: Sequence[str]) -> Problem | None:
    """What is said of a word that would be searched as text, or be left out, though it was meant otherwise; None for others."""
    said = token.whole if token.key is None else token.whole[len(token.key) + 1 :]
    if said.startswith('"') and (said == '"' or not said.endswith('"')):
        return Problem(token.whole, "its quote is not closed")
    if token.key is None and not token.value.strip():
        return Problem(token.whole, "its quotes are empty")
    other = _ELSEWHERE.match(token.whole) if token.key is None else None
    if other is None or other["key"].lower() not in names:
        return None
    turned = ", and cannot be turned round" if other["turned"] or other["sign"] in ("!=", "<>") else ""
    return Problem(
        token.whole, f"a condition is written {other['key'].lower()}:VALUE{turned}; a text to search, in quotes"
    )


def unknown_key(token: Token, names: Sequence[str]) -> Problem:
    """What is said of a key that does not exist."""
    close = get_close_matches(token.key or "", names, n=1)
    hint = f"did you mean {close[0]}:?" if close else f"there is no key {token.key}: keys are {', '.join(names)}"
    return Problem(token.whole, hint)


def repeated(token: Token, key: str) -> Problem:
    """What is said of a key that has a value already: words are joined with AND, and one of them would count for nothing."""
    return Problem(token.whole, f"{key}: is given twice")


def one_of(value: str, allowed: Sequence[str]) -> str:
    """``value`` in lower case. Raises ``ValueError``, with the nearest word, when it is none of ``allowed``."""
    if value.lower() in allowed:
        return value.lower()
    close = get_close_matches(value.lower(), allowed, n=1)
    hint = (
        f"did you mean {close[0]}? {value!r} is not known"
        if close
        else f"{value!r} is not known; one of {', '.join(allowed)}"
    )
    raise ValueError(hint)


def with_value(text: str, key: str, value: str) -> str:
    """The filter line with ``key`` set to ``value``, in its place or at the end; an empty value takes the key out."""
    if re.search(r"\s", value):
        value = '"' + " ".join(value.replace('"', "").split()) + '"'
    kept: list[str] = []
    placed = not value
    for token in tokens(text):
        if token.key != key:
            kept.append(token.whole)
        elif not placed:
            kept.append(f"{key}:{value}")
            placed = True
    if not placed:
        kept.append(f"{key}:{value}")
    return " ".join(kept)


def completions(text: str, keys: Sequence[FilterKey]) -> list[str]:
    """What the end of the line could go on to: whole lines, with every fitting key or value."""
    head, blank, last = text.rpartition(" ")
    key, colon, value = last.partition(":")
    if not colon:
        given = {token.key for token in tokens(head)}
        candidates = [f"{entry.key}:" for entry in keys if entry.key.startswith(key.lower()) and entry.key not in given]
    else:
        entry = next((entry for entry in keys if entry.key == key.lower()), None)
        done, comma, begun = value.rpartition(",")
        fitting = [v for v in (entry.values if entry else ()) if v.startswith(begun.lower()) and v != begun]
        candidates = [f"{key}:{done}{comma}{v}" for v in fitting]
    return [f"{head}{blank}{candidate}" for candidate in candidates]
