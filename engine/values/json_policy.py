"""The JSON policy: what may be stored in a jsonb column.

Numbers that are not finite are refused: JSON has no word for them, and every reader would guess differently. NUL and lone
surrogates, which Postgres cannot store, become U+FFFD, and the caller is told where.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from engine.errors import Invalid
from engine.values.request_limits import MAX_INTEGER_DIGITS, MAX_JSON_DEPTH

Json = Any

REPLACEMENT: Final = "\ufffd"

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_NUL_ESCAPE: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""NUL in JSON text; a backslash that is itself escaped is none of it."""
_SHOWN_DIGITS: Final = 40
"""Of a number in a refusal, in characters."""


@dataclass(frozen=True, slots=True)
class CleanJson:
    """A value Postgres can store."""

    value: Json
    replaced: tuple[str, ...] = ()
    """JSON pointers of the strings (or keys) in which something was replaced."""


def clean_json(value: Json) -> CleanJson:
    """``value`` as it may be stored: tuples become lists, NUL and lone surrogates become U+FFFD.

    Raises ``Invalid`` with code JSON_NUMBER_NOT_FINITE, JSON_NUMBER_TOO_LARGE, JSON_TOO_DEEP or JSON_TYPE; ``details`` has
    the ``pointer`` of the value.
    """
    replaced: list[str] = []
    return CleanJson(_clean(value, "", 0, replaced), tuple(replaced))


def storable_text(text: str) -> str:
    """``text`` as a text column can hold it: NUL and lone surrogates become U+FFFD."""
    return _UNSTORABLE.sub(REPLACEMENT, text)


def canonical_json(value: Json) -> str:
    """The one spelling of a value: keys sorted, no spaces, no escapes beyond the necessary. Raises as ``clean_json``."""
    return _dump(value, sort_keys=True)


def size_bytes(value: Json) -> int:
    """Bytes of the canonical JSON in UTF-8: what every size limit is measured in. Raises as ``clean_json``."""
    return len(canonical_json(value).encode())


def limited(value: Json, max_bytes: int) -> Json:
    """``value``, or, where it is larger than ``max_bytes``, the marker ``{truncated, size, max}``."""
    size = size_bytes(value)
    return value if size <= max_bytes else {"truncated": True, "size": size, "max": max_bytes}


def dumps_for_storage(value: Json) -> str:
    """What the engine's connections send for a json parameter; the last guard before Postgres. Raises as ``clean_json``."""
    return _dump(value, sort_keys=False)


def parse_json(text: str | bytes, *, max_bytes: int) -> CleanJson:
    """Read JSON that came from outside.

    Raises ``Invalid`` with code JSON_TOO_LARGE (more than ``max_bytes`` of UTF-8), JSON_ENCODING, JSON_SYNTAX (``details``:
    ``line`` and ``column``, from 1), JSON_DUPLICATE_KEY, or as ``clean_json``.
    """
    try:
        raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        if len(raw) > max_bytes:
            raise Invalid(
                "JSON_TOO_LARGE",
                f"The JSON has {len(raw)} bytes; {max_bytes} are allowed.",
                "Store large data elsewhere and send a reference to it.",
                {"bytes": len(raw), "limit": max_bytes},
            )
        decoded = raw.decode("utf-8", "surrogatepass" if isinstance(text, str) else "strict")
        value = json.loads(
            decoded, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_without_duplicates
        )
    except UnicodeDecodeError as error:
        raise Invalid("JSON_ENCODING", f"The JSON is not UTF-8 at byte {error.start}.", "Send UTF-8.") from error
    except json.JSONDecodeError as error:
        raise Invalid(
            "JSON_SYNTAX",
            f"Not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}.",
            "Correct the text.",
            {"line": error.lineno, "column": error.colno},
        ) from error
    except RecursionError as error:
        raise _too_deep("") from error
    except ValueError as error:
        # The only one left: Python refuses to read an integer of thousands of digits.
        raise _number_too_large("") from error
    return clean_json(value)


def _clean(value: Json, pointer: str, depth: int, replaced: list[str]) -> Json:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _clean_text(value, pointer, replaced)
    if isinstance(value, int):
        # An upper bound of the digits from the bits; 0.30103 is log10(2).
        if value.bit_length() * 0.30103 > MAX_INTEGER_DIGITS:
            raise _number_too_large(pointer)
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _not_finite(pointer, repr(value))
        return float(value)
    if depth >= MAX_JSON_DEPTH:
        raise _too_deep(pointer)
    if isinstance(value, list | tuple):
        return [_clean(item, f"{pointer}/{index}", depth + 1, replaced) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return _clean_object(value, pointer, depth, replaced)
    raise Invalid(
        "JSON_TYPE",
        f"{type(value).__name__} is not a JSON type, at {pointer or 'the top'}.",
        "Convert it to text, a number, a list or an object.",
        {"pointer": pointer},
    )


def _clean_object(value: dict[Any, Json], pointer: str, depth: int, replaced: list[str]) -> dict[str, Json]:
    result: dict[str, Json] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise Invalid(
                "JSON_TYPE",
                f"An object key is {type(key).__name__}, at {pointer or 'the top'}.",
                "JSON keys are text.",
                {"pointer": pointer},
            )
        where = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
        name = _clean_text(key, _UNSTORABLE.sub(REPLACEMENT, where), replaced)
        while name != key and (name in value or name in result):
            # Two keys that differ only in what cannot be stored stay two.
            name += REPLACEMENT
        result[name] = _clean(item, _UNSTORABLE.sub(REPLACEMENT, where), depth + 1, replaced)
    return result


def _clean_text(text: str, pointer: str, replaced: list[str]) -> str:
    if not _UNSTORABLE.search(text):
        return text
    if pointer not in replaced:
        replaced.append(pointer)
    return _UNSTORABLE.sub(REPLACEMENT, text)


def _dump(value: Json, *, sort_keys: bool) -> str:
    try:
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=sort_keys, check_circular=False
        )
        # The encoder spells NUL as an escape, and passes lone surrogates through.
        if "\\u0000" not in text and not _UNSTORABLE.search(text):
            return text
    except (ValueError, TypeError, RecursionError):
        # Whatever it is, cleaning names it and the place.
        clean_json(value)
        raise
    try:
        cleaned = clean_json(value).value
    except Invalid:
        # It is deeper, or its numbers are longer, than what is accepted from outside; here that is no reason to refuse it.
        return _UNSTORABLE.sub(REPLACEMENT, _NUL_ESCAPE.sub(rf"\1{REPLACEMENT}", text))
    return json.dumps(cleaned, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=sort_keys)


def _refuse_constant(name: str) -> NoReturn:
    raise _not_finite("", name)


def _finite(spelling: str) -> float:
    value = float(spelling)
    if math.isinf(value):
        shown = spelling if len(spelling) <= _SHOWN_DIGITS else f"{spelling[:_SHOWN_DIGITS]}…"
        raise Invalid("JSON_NUMBER_NOT_FINITE", f"{shown} is too large a number.", "Send it as text.", {"pointer": ""})
    return value


def _without_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value] # add in passing
        raise Invalid("JSON_DUPLICATE_KEY", f"The key {twice!r} is there twice.", "Keep one of them.", {"key": twice})
    return result


def _not_finite(pointer: str, spelling: str) -> Invalid:
    return Invalid(
        "JSON_NUMBER_NOT_FINITE",
        f"{spelling} is not a JSON number{f', at {pointer}' if pointer else ''}.",
        "Use null, or text, where there is no number.",
        {"pointer": pointer},
    )


def _number_too_large(pointer: str) -> Invalid:
    return Invalid(
        "JSON_NUMBER_TOO_LARGE",
        f"An integer has more than {MAX_INTEGER_DIGITS} digits{f', at {pointer}' if pointer else ''}.",
        "Send it as text.",
        {"pointer": pointer},
    )


def _too_deep(pointer: str) -> Invalid:
    return Invalid(
        "JSON_TOO_DEEP",
        f"The JSON is nested deeper than {MAX_JSON_DEPTH} levels.",
        "Flatten it.",
        {"pointer": pointer[:200]},
    )
