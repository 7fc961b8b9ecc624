"""JSON that a command is given, as a file or on standard input."""

from __future__ import annotations

import sys
from typing import Any

from engine.errors import Invalid
from runstudio_tui.commands.output import progress
from runstudio_tui.json_file import MAX_BYTES, parse_bytes, read_bytes


def read_json(source: str) -> Any:
    """JSON from a file, or from standard input for ``-``, as it may be stored.

    What no database can hold in a text is replaced, and said on standard error. Raises ``Invalid``: FILE_UNREADABLE, or a code
    of the JSON policy (JSON_SYNTAX with line and column, JSON_NUMBER_NOT_FINITE, JSON_DUPLICATE_KEY, JSON_TOO_LARGE, ...).
    """
    raw = sys.stdin.buffer.read(MAX_BYTES + 1) if source == "-" else read_bytes(source)
    named = "standard input" if source == "-" else source
    found = parse_bytes(raw, named)
    for pointer in found.replaced:
        progress(f"{named}: NUL or half a character at {pointer or '/'} was replaced, no database can hold it.")
    return found.value


def read_object(source: str, code: str, what: str) -> dict[str, Any]:
    """As ``read_json``, and also raises ``Invalid`` with ``code`` unless it is an object; ``what`` names what it should be."""
    value = read_json(source)
    if not isinstance(value, dict):
        raise Invalid(code, f"{source} is no JSON object, so it is no {what}.", "Write an object: {...}.")
    return value
