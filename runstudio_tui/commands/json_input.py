"""JSON that a command is given, as a file or on standard input."""

from __future__ import annotations

import sys
from typing import Any, Final

from engine.errors import Invalid
from runstudio_tui.commands.output import progress

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of a file or of standard input, so that an endless one ends. What may be stored is far less, and the engine says how much."""


def read_json(source: str) -> Any:
    """JSON from a file, or from standard input for ``-``, as it may be stored.

    What no database can hold in a text is replaced, and said on standard error. Raises ``Invalid``: FILE_UNREADABLE, or a code
    of the JSON policy (JSON_SYNTAX with line and column, JSON_NUMBER_NOT_FINITE, JSON_DUPLICATE_KEY, JSON_TOO_LARGE, ...).
    """
    from engine.store.json_policy import parse_json

    try:
        if source == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with open(source, "rb") as file:
                raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Invalid(
            "FILE_UNREADABLE", f"{source} cannot be read: {reason}.", "Name a UTF-8 JSON file, or - for stdin."
        ) from error
    named = "standard input" if source == "-" else source
    try:
        found = parse_json(raw.removeprefix(b"\xef\xbb\xbf"), max_bytes=MAX_BYTES)
    except Invalid as refusal:
        hint = f"{refusal.hint} Nothing was sent."
        raise Invalid(refusal.code, f"{named}: {refusal.message}", hint, refusal.details) from refusal
    for pointer in found.replaced:
        progress(f"{named}: NUL or half a character at {pointer or '/'} was replaced, no database can hold it.")
    return found.value


def read_object(source: str, code: str, what: str) -> dict[str, Any]:
    """As ``read_json``, and also raises ``Invalid`` with ``code`` unless it is an object; ``what`` names what it should be."""
    value = read_json(source)
    if not isinstance(value, dict):
        raise Invalid(code, f"{source} is no JSON object, so it is no {what}.", "Write an object: {...}.")
    return value
